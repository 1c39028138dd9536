"""The DialogManager: claims what waits, runs a Dialog for each turn, and keeps every lease alive."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import aclosing, suppress
from datetime import timedelta
from time import monotonic
from typing import Any, TypeVar
from uuid import uuid4

from core.control import act, take_back
from core.delivery import Courier
from core.dialog import Dialog, Handover
from core.errors import KeyMissing, LeaseLost, NotStored, Unstorable, trace
from core.hall import Hall
from core.introduction import Introductions
from core.message import Command, Message, ReplyId
from core.ports import Claim, Delivery, SignalKind
from core.trail import follow, thread_of

log = logging.getLogger(__name__)

T = TypeVar("T")

_POLL = 1.0
_BREATH = 0.02  # nobody notices it in a stop, a rating or an answer that had to wait for another
_CONTROL_BATCH = 16
_OUTAGE_PAUSE = 0.5
_LONGEST_PAUSE = 30.0  # seconds until it is tried again whether the encryption key is there that was missing
_NEWS = 10  # attempts; of an event that is tried more often than that, nothing new is to be told


class DialogManager:
    """One process's share of the work. `run` until cancelled, then `stop` lets what was begun come to its end.

    Different threads run side by side, up to `terms.concurrency` answers at once; one thread strictly in order, over
    any number of processes.
    """

    def __init__(self, hall: Hall) -> None:
        self.owner = str(uuid4())
        self._hall = hall
        self._introductions = Introductions(hall)
        self._dialogs: dict[ReplyId, Dialog] = {}
        self._handovers: dict[ReplyId, Handover] = {}
        self._unclaimed: list[Claim] = []
        self._unsettled: list[tuple[Courier, BaseException | None]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._inbox_woken = asyncio.Event()
        self._control_woken = asyncio.Event()
        self._outbox_woken = asyncio.Event()
        self._is_stopping = False
        self._has_told_of_keys = False

    @property
    def active(self) -> int:
        """Turns being answered right now."""
        return len(self._dialogs)

    async def run(self) -> None:
        """Works until cancelled. Survives a database outage."""
        lease = self._hall.terms.lease.total_seconds()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen(), name="signals")
            group.create_task(self._forever("turn lane", self._claim_turns, self._inbox_woken))
            group.create_task(self._forever("control lane", self._claim_controls, self._control_woken, breath=_BREATH))
            group.create_task(self._forever("outbox", self._claim_deliveries, self._outbox_woken, breath=_BREATH))
            group.create_task(self._forever("leases", self._keep_leases, asyncio.Event(), min(_POLL, lease / 3)))

    async def stop(self, grace: timedelta) -> None:
        """Claims nothing more and waits for what was begun, at most `grace`; the rest is given back to the queue."""
        self._is_stopping = True
        lease = self._hall.terms.lease.total_seconds()
        renewing = asyncio.create_task(self._forever("leases", self._renew, asyncio.Event(), min(_POLL, lease / 3)))
        with suppress(TimeoutError):
            async with asyncio.timeout(grace.total_seconds()):
                while self._tasks:  # an answered turn goes on as a delivery
                    await asyncio.wait(self._tasks)
        if self.active:
            log.info("%d turns did not end in time: they go back to the queue, for another process", self.active)
        renewing.cancel()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(NotStored):
            await self._give_back()

    # ------------------------------------------------------------------------------------------------------ the loops

    async def _forever(
        self,
        name: str,
        step: Callable[[], Awaitable[bool]],
        woken: asyncio.Event,
        every: float = _POLL,
        *,
        breath: float = 0.0,
    ) -> None:
        """Repeats `step`: at once while it found something to do, else when woken or after `every` seconds.

        Woken, it first waits for a `breath`: under load it is woken many times for each time it is needed.
        """
        is_out = False
        while True:
            woken.clear()
            try:
                is_busy = await step()
            except NotStored:
                if not is_out:
                    log.warning("the database is away; trying again until it is back")
                is_out = True
                await asyncio.sleep(_OUTAGE_PAUSE)
                continue
            except Exception as error:
                # One row that breaks a step must not end the work on all the others.
                log.error("%s failed and is tried again: %s", name, trace(error))
                await asyncio.sleep(_POLL)
                continue
            if is_out:
                log.info("the database is back")
                is_out = False
            if not is_busy:
                # Not wait_for: until Python 3.12 it may swallow the cancellation that ends this loop.
                with suppress(TimeoutError):
                    async with asyncio.timeout(every):
                        await woken.wait()
                await asyncio.sleep(breath)

    async def _listen(self) -> None:
        async with aclosing(self._hall.store.signals()) as signals:
            async for signal in signals:
                match signal.kind:
                    case SignalKind.INBOX:
                        self._wake_lanes(signal.key)
                    case SignalKind.OUTBOX:
                        self._look_again()
                    case SignalKind.MARK:
                        if ReplyId(signal.key) in self._dialogs:
                            with suppress(NotStored):  # the next renewal reads the mark
                                await self._read_marks()
                    case SignalKind.DRAFT:
                        pass

    def _wake_lanes(self, lane: str = "") -> None:
        if lane != "control":
            self._inbox_woken.set()
        if lane != "turn":
            self._control_woken.set()

    def _look_again(self) -> None:
        """Something was delivered or became ready: the outbox has a new head, for us or for a waiting courier."""
        self._outbox_woken.set()
        self._call_couriers()

    def _call_couriers(self) -> None:
        for dialog in self._dialogs.values():
            if dialog.courier is not None:
                dialog.courier.look_again()

    async def _claim_turns(self) -> bool:
        room = self._hall.terms.concurrency - len(self._dialogs)
        if self._is_stopping or room <= 0:
            return False
        claims = await self._claim("turn", room)
        for claim in claims:
            if isinstance(claim.event, Message | Command):
                earlier = self._dialogs.get(claim.reply_id)
                self._dialogs[claim.reply_id] = dialog = Dialog(self._hall, claim, claim.event)
                self._start(self._converse(dialog, earlier), f"turn {claim.event.thread.adapter} {claim.reply_id}")
        return len(claims) == room

    async def _claim_controls(self) -> bool:
        if self._is_stopping:
            return False
        claims = await self._claim("control", _CONTROL_BATCH)
        waiting = [claim for claim in claims if self._introductions.is_needed(claim.event)]
        for claim in waiting:  # for its platform, and not before all the others
            self._start(self._control(claim), f"control {claim.event.author.adapter} {claim.id}")
        await asyncio.gather(*(self._control(claim) for claim in claims if claim not in waiting))
        return len(claims) == _CONTROL_BATCH

    async def _claim_deliveries(self) -> bool:
        room = self._hall.terms.concurrency - len(self._handovers)
        if self._is_stopping or room <= 0:
            return False
        deliveries = await _whole(self._ask_for_deliveries(room), self._leave)
        for delivery in deliveries:
            courier = Courier(self._hall, delivery)
            carrying = _carry(courier, self._handovers.get(delivery.reply.id))
            self._see_off(Handover(courier, asyncio.create_task(carrying, name=f"deliver {delivery.reply.id}")))
        return len(deliveries) == room

    async def _ask_for_deliveries(self, limit: int) -> tuple[Delivery, ...]:
        async with self._hall.store.unit() as unit:
            return await unit.outbox.claim(
                owner=self.owner, doors=self._doors, limit=limit, lease=self._hall.terms.lease
            )

    def _leave(self, deliveries: tuple[Delivery, ...]) -> None:
        self._unsettled += [(Courier(self._hall, delivery), asyncio.CancelledError()) for delivery in deliveries]

    async def _claim(self, lane: str, limit: int) -> tuple[Claim, ...]:
        return await _whole(self._ask_for(lane, limit), self._unclaimed.extend)

    async def _ask_for(self, lane: str, limit: int) -> tuple[Claim, ...]:
        async with self._hall.store.unit() as unit:
            return await unit.inbox.claim(
                lane,
                owner=self.owner,
                doors=self._doors,
                limit=limit,
                lease=self._hall.terms.lease,
                per_person=self._hall.terms.limits.concurrency,
            )

    @property
    def _doors(self) -> frozenset[str]:
        """The doors whose connection this process holds, or that need none."""
        return frozenset(name for name, door in self._hall.adapters.items() if getattr(door, "is_connected", True))

    async def _keep_leases(self) -> bool:
        """Renews its own first: after an outage they must not pass for those of a process that died."""
        await self._renew()
        await self._reap()
        return False

    async def _renew(self) -> bool:
        await self._give_back()
        await self._read_marks()
        if couriers := self._carrying():
            asked_at = monotonic()
            async with self._hall.store.unit() as unit:
                deliveries = [courier.delivery for courier in couriers.values()]
                held = await unit.outbox.renew(deliveries, self._hall.terms.lease)
            for reply_id, courier in couriers.items():
                if reply_id in held:
                    courier.renewed(asked_at)
                elif (handover := self._handovers.get(reply_id)) and handover.courier is courier:
                    handover.carrying.cancel()
        return False

    async def _read_marks(self) -> None:
        """Extends the leases of the turns at hand, which also tells what the control lane wants of them."""
        working = {dialog.claim.id: dialog for dialog in self._dialogs.values() if not dialog.is_answered}
        if not working:
            return
        async with self._hall.store.unit() as unit:
            held = await unit.inbox.renew([dialog.claim for dialog in working.values()], self._hall.terms.lease)
        for row, dialog in working.items():
            if dialog.is_answered:
                continue
            if row not in held:
                dialog.lose()
            elif mark := held[row]:
                dialog.obey(mark)

    def _carrying(self) -> dict[ReplyId, Courier]:
        waiting = {key: dialog.courier for key, dialog in self._dialogs.items() if dialog.courier is not None}
        return waiting | {key: handover.courier for key, handover in self._handovers.items()}

    async def _reap(self) -> None:
        async with self._hall.store.unit() as unit:
            rows = await unit.inbox.reap() + await unit.outbox.reap()
            await unit.inbox.call(per_person=self._hall.terms.limits.concurrency)
        if rows:
            log.warning("%d leases had run out; their turns are taken up again", rows)
            self._wake_lanes()
            self._outbox_woken.set()

    async def _give_back(self) -> None:
        """Gives up what could not even begin, or was cut off, so that nobody has to wait for its lease to end."""
        while self._unclaimed:
            claim = self._unclaimed.pop()
            try:
                async with self._hall.store.unit() as unit:
                    await unit.inbox.release(claim, timedelta(0))
            except LeaseLost:
                pass
            except NotStored:
                self._unclaimed.append(claim)
                raise
        while self._unsettled:
            courier, outcome = self._unsettled.pop()
            try:
                await courier.write_down(outcome)
            except LeaseLost:
                pass
            except NotStored:
                self._unsettled.append((courier, outcome))
                raise

    # ------------------------------------------------------------------------------------------------------- the work

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _converse(self, dialog: Dialog, earlier: Dialog | None) -> None:
        handover: Handover | None = None
        _follow(dialog.claim)
        try:
            if earlier is not None:  # this process's own, whose lease ran out or whose question was edited
                earlier.lose()
                await earlier.ended.wait()
            dialog.meet(await self._introductions.of(dialog.claim))
            handover = await dialog.answer()
        except LeaseLost as lost:
            log.info("turn %s was given up: %s", dialog.claim.reply_id, lost)
        except Unstorable as error:
            log.error("turn %s failed: %s", dialog.claim.reply_id, trace(error))
            await self._bury_or_retry(dialog.claim, patience=self._hall.terms.max_attempts + 1)
        except (NotStored, asyncio.CancelledError) as error:
            self._unclaimed.append(dialog.claim)
            if isinstance(error, asyncio.CancelledError):
                raise
        except KeyMissing as missing:
            await self._leave_to_others(dialog.claim, missing)
        except Exception as error:
            log.error("turn %s failed: %s", dialog.claim.reply_id, trace(error))
            await self._bury_or_retry(dialog.claim, patience=self._hall.terms.max_attempts + 1)
        finally:
            dialog.ended.set()
            # The end of a turn wakes whoever may take the next of its thread; places of ours that were missing do not.
            if handover is None or len(self._dialogs) >= self._hall.terms.concurrency:
                self._inbox_woken.set()
            if self._dialogs.get(dialog.claim.reply_id) is dialog:
                del self._dialogs[dialog.claim.reply_id]
        if handover is not None:
            self._see_off(handover)

    def _see_off(self, handover: Handover) -> None:
        reply_id = handover.courier.delivery.reply.id
        self._handovers[reply_id] = handover
        self._start(self._settle(handover), f"settle {reply_id}")

    async def _settle(self, handover: Handover) -> None:
        """Waits for the last call to the platform and writes down how it ended."""
        reply = handover.courier.delivery.reply
        reply_id = reply.id
        follow(reply_id, reply.thread)
        try:
            await asyncio.wait({handover.carrying})
            with suppress(LeaseLost):
                await handover.courier.settle(handover.outcome)
        except asyncio.CancelledError:
            handover.carrying.cancel()
            await asyncio.wait({handover.carrying})
            self._unsettled.append((handover.courier, handover.outcome))
            raise
        finally:
            if len(self._handovers) >= self._hall.terms.concurrency:
                self._outbox_woken.set()
            if self._handovers.get(reply_id) is handover:
                del self._handovers[reply_id]
            self._call_couriers()

    async def _control(self, claim: Claim) -> None:
        _follow(claim)
        try:
            if self._introductions.is_needed(claim.event) and await take_back(self._hall, claim):
                return
            met = await self._introductions.of(claim)
            await act(self._hall, met.claim, refusal=met.refusal)
        except LeaseLost:
            pass
        except Unstorable as error:
            log.error("control event %d failed: %s", claim.id, trace(error))
            await self._bury_or_retry(claim, patience=self._hall.terms.max_attempts)
        except (NotStored, asyncio.CancelledError) as error:
            self._unclaimed.append(claim)
            if isinstance(error, asyncio.CancelledError):
                raise
        except KeyMissing as missing:
            await self._leave_to_others(claim, missing)
        except Exception as error:
            log.error("control event %d failed: %s", claim.id, trace(error))
            await self._bury_or_retry(claim, patience=self._hall.terms.max_attempts)

    async def _leave_to_others(self, claim: Claim, missing: KeyMissing) -> None:
        """Another process may have the key: that this one has not is no failure, however often it is found out.

        Where no other has it, the event is tried here every so often, and waits until there is one that has.
        """
        if not self._has_told_of_keys:
            self._has_told_of_keys = True
            log.warning("what cannot be done here for want of an encryption key is given back: %s", missing)
        try:
            async with self._hall.store.unit() as unit:
                await unit.inbox.release(claim, _pause(claim.attempts))
        except LeaseLost:
            pass
        except (NotStored, asyncio.CancelledError) as error:
            self._unclaimed.append(claim)
            if isinstance(error, asyncio.CancelledError):
                raise

    async def _bury_or_retry(self, claim: Claim, *, patience: int) -> None:
        """After `patience` failures the row is kept for the operator. Where this fails too, its lease runs out."""
        failures = claim.failures + 1
        with suppress(LeaseLost, NotStored, KeyMissing):
            async with self._hall.store.unit() as unit:
                if failures >= patience:
                    await unit.inbox.bury(claim, f"{failures} tries came to nothing")
                else:
                    await unit.inbox.release(claim, timedelta(seconds=failures), is_failure=True)


def _follow(claim: Claim) -> None:
    """The log tells from here on whose event this task works on, whichever process has stored it."""
    follow(claim.reply_id, thread_of(claim.event))
    level = logging.INFO if 1 < claim.attempts <= _NEWS else logging.DEBUG
    log.log(level, "a %s is taken up, attempt %d", type(claim.event).__name__.lower(), claim.attempts)


def _pause(attempts: int) -> timedelta:
    """How long what needs a key is left alone after so many attempts: at first another process is to have it soon."""
    return timedelta(seconds=min(2.0 ** min(attempts - 1, 16), _LONGEST_PAUSE))


async def _whole(asking: Coroutine[Any, Any, T], leave: Callable[[T], None]) -> T:
    """What it is told; who is cancelled meanwhile leaves it: the database may have leased it all the same."""
    task = asyncio.ensure_future(asking)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        if not task.cancelled() and task.exception() is None:
            leave(task.result())
        raise


async def _carry(courier: Courier, earlier: Handover | None) -> None:
    """Shows an answer, once an earlier try of this process to show it has ended."""
    follow(courier.delivery.reply.id, courier.delivery.reply.thread)
    if earlier is not None:
        earlier.carrying.cancel()
        await asyncio.wait({earlier.carrying})
    await courier.carry()
