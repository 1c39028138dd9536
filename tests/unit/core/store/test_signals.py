"""Wake-ups within one process."""

import asyncio
from contextlib import aclosing

from core.message import ReplyId
from core.ports import Signal, SignalKind
from core.store import Keys
from core.store.database import Database
from core.store.signals import Hub
from core.store.vault import Vault

VAULT = Vault(Keys.generate(), Database("postgresql://nobody@127.0.0.1:1/none", pool_size=1))


async def hear(hub: Hub, *payloads: str) -> list[Signal]:
    heard: list[Signal] = []
    async with aclosing(hub.signals()) as signals:
        waiting = asyncio.ensure_future(anext(signals))
        await asyncio.sleep(0)
        for payload in payloads:
            hub.hear(payload)
        hub.publish(Signal(SignalKind.OUTBOX, "end"))
        while (signal := await waiting).key != "end":
            heard.append(signal)
            waiting = asyncio.ensure_future(anext(signals))
    return heard


async def test_what_another_process_says_is_spread_and_what_it_says_itself_is_not():
    hub, other = Hub(VAULT), Hub(VAULT)
    theirs, ours = (each.payload_of(SignalKind.MARK, "1") for each in (other, hub))
    assert await hear(hub, theirs, ours) == [Signal(SignalKind.MARK, "1")]


async def test_what_this_release_does_not_understand_is_skipped():
    assert await hear(Hub(VAULT), "", "x", "x:y", "node:later:1", "node:inbox:") == [Signal(SignalKind.INBOX)]


async def test_whoever_is_far_behind_is_told_to_look_and_hears_of_all_who_were_forgotten():
    hub = Hub(VAULT)
    heard: list[Signal] = []
    async with aclosing(hub.signals()) as signals:
        waiting = asyncio.ensure_future(anext(signals))
        await asyncio.sleep(0)
        for number in range(5_000):
            hub.publish(Signal(SignalKind.DRAFT, str(number)))
            if number % 2_500 == 7:
                hub.publish(Signal(SignalKind.FORGET, f"{number:032}"))
        hub.publish(Signal(SignalKind.OUTBOX, "end"))
        while (signal := await waiting).key != "end":
            heard.append(signal)
            waiting = asyncio.ensure_future(anext(signals))
    assert len(heard) < 2_000
    assert {Signal(SignalKind.INBOX), Signal(SignalKind.OUTBOX)} <= set(heard)
    assert [signal.key for signal in heard if signal.kind is SignalKind.FORGET] == [f"{7:032}", f"{2507:032}"]


async def test_whoever_went_leaves_nothing_behind():
    hub = Hub(VAULT)
    await hear(hub)
    with hub.following(ReplyId("a")), hub.following(ReplyId("a")) as second:
        hub.catch_up()
        assert second.news.is_set()
    assert not hub._queues
    assert not hub._followers
