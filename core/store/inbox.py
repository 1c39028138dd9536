"""What came in and is not finished: stored once, claimed head of thread first, leased and fenced."""
# ruff: noqa: S608 - what is put together here are constants of this room

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from core import codec
from core.commands import as_edited, question_in
from core.errors import KeyMissing, LeaseLost, Malformed, NotStored
from core.message import Author, Command, Event, Feedback, Message, ReplyId, ThreadId
from core.ports import Backlog, Claim, Mark, Receipt, SignalKind
from core.store import messages, seal
from core.store.database import Row
from core.store.room import NOBODY, Params, Room, token
from core.store.signals import CHANNEL
from core.store.vault import DAMAGED, reply_id, row_id

logger = logging.getLogger(__name__)

_BEHIND_THREAD, _BEHIND_PERSON = 1, 2  # why a row stands aside: what is claimed is looked for among the others alone
_DEEP = 8  # turns that wait in one thread; whatever comes after them stands aside until its own turn comes
_LOOK = 500  # rows at the front of the queue that one claim looks through for those of persons with enough running
_NO_LIMIT = 2**31 - 1

# Whether so many wait in the thread already is asked before the lock is held: one or two may have ended by then, and
# never all of them.
_IS_DEEP = f"""
    CASE WHEN %(lane)s = 'turn' AND (
        SELECT count(*) FROM (
            SELECT FROM inbox before
            WHERE before.thread = %(thread)s AND before.lane = 'turn' AND before.status IN (0, 1) LIMIT {_DEEP}
        ) waiting
    ) = {_DEEP} THEN {_BEHIND_THREAD} END
"""
# Ids are given in the order of the intake lock, so that a thread's rows are committed in the order of their ids.
_ROW = f"""
    WITH gate AS MATERIALIZED (SELECT pg_advisory_xact_lock(%(gate)s)), new AS (
        INSERT INTO inbox (reply_id, adapter, lane, thread, author, payload, aside)
        SELECT %(reply_id)s, %(adapter)s, %(lane)s, %(thread)s, %(author)s, %(payload)s::bytea, {_IS_DEEP} FROM gate
        WHERE NOT EXISTS (SELECT FROM messages WHERE id = %(reply_id)s)
            AND (SELECT id FROM keys WHERE scope = %(author)s FOR KEY SHARE) = ALL(%(keys)s::bigint[])
        ON CONFLICT (reply_id) DO NOTHING RETURNING id, reply_id, thread, author
    )
"""
_IN_THREAD = """, place AS (
        INSERT INTO threads (id, owner, asked_at) SELECT thread, author, {asked_at} FROM new
        ON CONFLICT (id) DO UPDATE SET
            owner = COALESCE(threads.owner, EXCLUDED.owner), asked_at = COALESCE(EXCLUDED.asked_at, threads.asked_at)
    )
"""
_WITH_TEXT = """, said AS (
        INSERT INTO messages (id, seq, thread, author, body, workspace)
        SELECT reply_id, id, thread, author, %(body)s, %(workspace)s FROM new
    )
"""
_TOLD = f" SELECT id, pg_notify('{CHANNEL}', %(payload_of_signal)s) FROM new"
_ADD_CONTROL = _ROW + _TOLD
_ADD_COMMAND = _ROW + _IN_THREAD.format(asked_at="NULL::timestamptz") + _TOLD
_ADD_MESSAGE = _ROW + _IN_THREAD.format(asked_at="clock_timestamp()") + _WITH_TEXT + _TOLD
_GATES = "SELECT pg_advisory_xact_lock(gate) FROM unnest(%(gates)s::bigint[]) AS gate"

# Asked row by row and not as a join: while the statistics still call the queue empty, a join would read it all per row.
_IS_HEAD = """
    AND id = (
        SELECT first.id FROM inbox first
        WHERE first.thread = waiting.thread AND first.lane = 'turn' AND first.status IN (0, 1)
        ORDER BY first.id LIMIT 1
    )
"""
_TAKEN = """
    UPDATE inbox SET status = 1, attempts = attempts + 1, owner = %(owner)s,
        lease_until = now() + %(lease)s, mark = NULLIF(mark, 'redo')
    FROM head WHERE inbox.id = head.id
    RETURNING inbox.id, reply_id, author, payload, attempts, created_at, mark, failures
"""
# Whose key is wrapped with an encryption key that this process was not given, is left to a process that has it.
_IS_OURS = """
    AND COALESCE((
        SELECT substr(keys.wrapped, 2, 4) FROM keys WHERE keys.scope = waiting.author
    ) <> ALL(%(missing)s::bytea[]), true)
"""
_CLAIM = f"""
    WITH head AS MATERIALIZED (
        SELECT id FROM inbox waiting
        WHERE lane = '{{lane}}' AND status = 0 AND aside IS NULL AND available_at <= now()
            AND adapter = ANY(%(doors)s::text[]) {{which}}
        ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    ), claimed AS ({_TAKEN})
    SELECT 0, claimed.*, messages.body FROM claimed LEFT JOIN messages ON messages.id = reply_id ORDER BY claimed.id
"""
# Nobody gets more than their seats. What waits of those who have them all stands aside, many rows at a time, and is
# looked at again when one of theirs ends: however much somebody asks at once, others are at the front of the queue.
# Persons are asked about in one order by all, for that waits for whoever claims turns of the same one just now; where
# it waits in vain, `is_seated` is NULL and their rows stay as they are.
_SEATED = f"""
    WITH busy AS MATERIALIZED (
        SELECT author FROM inbox WHERE status = 1 AND lane = 'turn' GROUP BY author HAVING count(*) >= %(seats)s
    ), found AS MATERIALIZED (
        SELECT id, author FROM inbox waiting
        WHERE lane = 'turn' AND status = 0 AND aside IS NULL AND available_at <= now()
            AND adapter = ANY(%(doors)s::text[]) AND author <> ALL(ARRAY(SELECT author FROM busy)) {{which}}
        ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    ), seats AS MATERIALIZED (
        SELECT author, seats_left(author, %(seats)s::integer) AS seats
        FROM (SELECT DISTINCT author FROM found ORDER BY author) AS persons
    ), ranked AS MATERIALIZED (
        SELECT id, row_number() OVER (PARTITION BY author ORDER BY id) <= seats AS is_seated
        FROM found JOIN seats USING (author)
    ), head AS MATERIALIZED (
        SELECT id FROM ranked WHERE is_seated
    ), claimed AS ({_TAKEN}), crowd AS MATERIALIZED (
        SELECT id FROM inbox
        WHERE id IN (
            SELECT id FROM (
                SELECT id, author FROM inbox
                WHERE lane = 'turn' AND status = 0 AND aside IS NULL ORDER BY id LIMIT {_LOOK}
            ) AS front WHERE author = ANY(ARRAY(SELECT author FROM busy))
        ) AND status = 0
        FOR UPDATE SKIP LOCKED
    ), set_aside AS (
        UPDATE inbox SET aside = {_BEHIND_PERSON}
        FROM (
            SELECT id FROM ranked WHERE NOT is_seated
            UNION ALL SELECT id FROM crowd WHERE EXISTS (SELECT FROM busy)
        ) AS passed_over WHERE inbox.id = passed_over.id
    )
    SELECT surplus, claimed.*, messages.body
    FROM (SELECT count(*) AS surplus FROM ranked WHERE NOT is_seated) AS passed_over
        LEFT JOIN claimed ON true LEFT JOIN messages ON messages.id = reply_id
    ORDER BY claimed.id
"""
_CLAIMS = {lane: _CLAIM.format(lane=lane, which=which) for lane, which in (("turn", _IS_HEAD), ("control", ""))}
_CLAIM_SEATS = _SEATED.format(which=_IS_HEAD)
_CLAIMS_OF_OURS = {
    lane: _CLAIM.format(lane=lane, which=which)
    for lane, which in (("turn", _IS_HEAD + _IS_OURS), ("control", _IS_OURS))
}
_CLAIM_SEATS_OF_OURS = _SEATED.format(which=_IS_HEAD + _IS_OURS)
_HELD = "id = %(id)s AND status = 1 AND owner = %(owner)s AND attempts = %(attempts)s"
_RENEW = """
    UPDATE inbox SET lease_until = now() + %(lease)s
    FROM unnest(%(ids)s::bigint[], %(owners)s::text[], %(attempts)s::int[]) AS held (id, owner, attempts)
    WHERE inbox.id = held.id AND status = 1 AND inbox.owner = held.owner AND inbox.attempts = held.attempts
    RETURNING inbox.id, mark
"""
# Whose a finished event was is needed no more: it stays behind to tell redeliveries by its own id alone.
# Behind the intake lock: what came into the thread before is seen here, what comes after finds the row finished.
_GATE = "SELECT pg_advisory_xact_lock(%(gate)s)"
_NEXT = """
    SELECT next.id FROM ended, LATERAL (
        SELECT first.id, aside FROM inbox first
        WHERE first.thread = ended.thread AND first.lane = 'turn' AND first.status IN (0, 1) AND first.id <> ended.id
        ORDER BY first.id LIMIT 1
    ) AS next
    WHERE ended.lane = 'turn'
"""
# Whose it was is told by the caller: the row does not know any more.
_CALLED = f"""
    next AS MATERIALIZED ({_NEXT}), seated AS MATERIALIZED (
        SELECT id FROM inbox waiting
        WHERE author = %(person)s AND status = 0 AND aside = {_BEHIND_PERSON}
            AND EXISTS (SELECT FROM ended WHERE lane = 'turn') {_IS_HEAD}
        ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
    ), called AS (
        UPDATE inbox SET aside = NULL FROM (SELECT id FROM next UNION SELECT id FROM seated) AS due
        WHERE inbox.id = due.id AND aside IS NOT NULL
    )
"""
_FINISH = f"""
    WITH ended AS (
        UPDATE inbox SET status = 2, payload = NULL, author = '{NOBODY}', owner = NULL, lease_until = NULL,
            finished_at = now()
        WHERE {_HELD} RETURNING id, thread, lane
    ), {_CALLED}
    SELECT CASE WHEN EXISTS (SELECT FROM next) OR EXISTS (SELECT FROM seated)
        THEN pg_notify('{CHANNEL}', %(signal)s) END FROM ended
"""
_RELEASE = f"""
    WITH released AS (
        UPDATE inbox SET status = 0, owner = NULL, lease_until = NULL, available_at = now() + %(delay)s,
            failures = failures + %(failed)s
        WHERE {_HELD} RETURNING 1
    )
    SELECT pg_notify('{CHANNEL}', %(signal)s) FROM released
"""
_BURY = f"""
    WITH ended AS (
        UPDATE inbox SET status = 3, owner = NULL, lease_until = NULL, finished_at = now(), reason = %(reason)s
        WHERE {_HELD} RETURNING id, thread, lane, reply_id
    ), {_CALLED}, unready AS (
        UPDATE outbox SET status = 3, owner = NULL, lease_until = NULL
        FROM ended WHERE outbox.reply_id = ended.reply_id AND NOT is_ready
    )
    SELECT pg_notify('{CHANNEL}', %(signal)s), pg_notify('{CHANNEL}', %(shown)s) FROM ended
"""
_REAP = f"""
    WITH expired AS MATERIALIZED (
        SELECT id FROM inbox WHERE status = 1 AND lease_until < now() FOR UPDATE SKIP LOCKED
    ), freed AS (
        UPDATE inbox SET status = 0, owner = NULL, lease_until = NULL, available_at = now(), failures = failures + 1
        FROM expired WHERE inbox.id = expired.id RETURNING 1
    )
    SELECT count(*), pg_notify('{CHANNEL}', %(signal)s) FROM freed HAVING count(*) > 0
"""
# Whoever stands aside and would be claimed now. The end of a turn calls them by itself; this is for all other ends of
# waiting: a turn that was given back or forgotten, one that a release before this one ended, a limit that was raised.
_CALL = f"""
    WITH RECURSIVE persons AS (
        (SELECT author FROM inbox WHERE status = 0 AND aside = {_BEHIND_PERSON} ORDER BY author LIMIT 1)
        UNION ALL
        SELECT (
            SELECT author FROM inbox
            WHERE status = 0 AND aside = {_BEHIND_PERSON} AND author > persons.author ORDER BY author LIMIT 1
        ) FROM persons WHERE persons.author IS NOT NULL
    ), threads AS (
        (SELECT thread FROM inbox WHERE status = 0 AND aside = {_BEHIND_THREAD} ORDER BY thread LIMIT 1)
        UNION ALL
        SELECT (
            SELECT thread FROM inbox
            WHERE status = 0 AND aside = {_BEHIND_THREAD} AND thread > threads.thread ORDER BY thread LIMIT 1
        ) FROM threads WHERE threads.thread IS NOT NULL
    ), due AS MATERIALIZED (
        SELECT seated.id FROM persons, LATERAL (
            SELECT id FROM inbox waiting
            WHERE author = persons.author AND status = 0 AND aside = {_BEHIND_PERSON} {_IS_HEAD}
            ORDER BY id LIMIT LEAST({_LOOK}, GREATEST(0, %(seats)s - (
                SELECT count(*) FROM inbox running
                WHERE running.author = persons.author AND running.status = 1 AND running.lane = 'turn'
            )))
        ) AS seated
        UNION ALL
        SELECT next.id FROM threads, LATERAL (
            SELECT first.id, aside FROM inbox first
            WHERE first.thread = threads.thread AND first.lane = 'turn' AND first.status IN (0, 1)
            ORDER BY first.id LIMIT 1
        ) AS next WHERE next.aside = {_BEHIND_THREAD}
    ), free AS MATERIALIZED (
        SELECT id FROM inbox WHERE id IN (SELECT id FROM due) AND status = 0 FOR UPDATE SKIP LOCKED
    ), called AS (
        UPDATE inbox SET aside = NULL FROM free WHERE inbox.id = free.id RETURNING 1
    )
    SELECT count(*), pg_notify('{CHANNEL}', %(signal)s) FROM called HAVING count(*) > 0
"""
# Who works on it is told; of one that waits, whoever passed it over while it was being written.
_TOLD_OF_MARK = f"""
    CASE WHEN status = 1 THEN pg_notify('{CHANNEL}', %(signal)s || replace(reply_id::text, '-', ''))
        ELSE pg_notify('{CHANNEL}', %(waiting)s) END
"""
# The turn of a message, or the one that answers it once more.
_IS_ABOUT = "{row}.reply_id = %(message)s OR {row}.reply_id IN (SELECT id FROM replies WHERE question = %(message)s)"
# A row that is being claimed just now waits in our snapshot and runs once we may touch it: mark it all the same.
_MARK = f"""
    WITH marked AS (
        UPDATE inbox SET mark = CASE
            WHEN mark = 'erase' OR (mark = 'stop' AND %(mark)s = 'redo') THEN mark ELSE %(mark)s END
        WHERE thread = %(thread)s AND lane = 'turn' AND status IN (0, 1)
            AND (%(author)s::uuid IS NULL OR author = %(author)s)
            AND (%(message)s::uuid IS NULL OR {_IS_ABOUT.format(row="inbox")})
            AND (%(reply)s::uuid IS NULL OR reply_id = %(reply)s)
            AND (%(before)s::bigint IS NULL OR id < %(before)s)
            AND (status = 1 OR NOT EXISTS (
                SELECT FROM inbox running
                WHERE running.thread = %(thread)s AND running.lane = 'turn' AND running.status = 1
                    AND (%(author)s::uuid IS NULL OR running.author = %(author)s)
                    AND (%(message)s::uuid IS NULL OR {_IS_ABOUT.format(row="running")})
                    AND (%(reply)s::uuid IS NULL OR running.reply_id = %(reply)s)
                    AND (%(before)s::bigint IS NULL OR running.id < %(before)s)
            ))
        RETURNING reply_id, status
    )
    SELECT reply_id, status, {_TOLD_OF_MARK}
    FROM marked
"""
_AMEND = f"""
    WITH amended AS (
        UPDATE inbox SET mark = CASE WHEN status = 1 THEN COALESCE(mark, 'redo') ELSE mark END
        WHERE thread = %(thread)s AND lane = 'turn' AND status IN (0, 1) AND ({_IS_ABOUT.format(row="inbox")})
            AND EXISTS (SELECT FROM messages WHERE messages.id = %(message)s)
        RETURNING reply_id, status
    )
    SELECT reply_id, status, {_TOLD_OF_MARK}
    FROM amended
"""
_WAITING = "SELECT (SELECT count(*) FROM inbox WHERE status = 0) + (SELECT count(*) FROM inbox WHERE status = 1)"
_WAITS = """
    COALESCE(clock_timestamp() - (
        SELECT created_at FROM inbox waiting
        WHERE lane = '{lane}' AND status = 0 AND aside IS NULL {is_head} ORDER BY id LIMIT 1
    ), interval '0')
"""
_BACKLOG = f"""
    SELECT lane, (SELECT count(*) FROM inbox WHERE inbox.lane = lanes.lane AND status = 0)
        + (SELECT count(*) FROM inbox WHERE inbox.lane = lanes.lane AND status = 1), age
    FROM (VALUES
        ('turn', {_WAITS.format(lane="turn", is_head=_IS_HEAD)}),
        ('control', {_WAITS.format(lane="control", is_head="")})
    ) AS lanes (lane, age)
"""
_PURGE = """
    WITH gone AS (
        DELETE FROM inbox WHERE id = ANY(ARRAY(
            SELECT id FROM inbox WHERE status = 2 AND finished_at < now() - %(age)s
            ORDER BY finished_at LIMIT %(limit)s
        )) RETURNING id, reply_id, thread
    ), in_vain AS (
        DELETE FROM messages USING gone
        WHERE messages.thread = gone.thread AND messages.seq = gone.id AND messages.id <> gone.reply_id
    )
    SELECT 1 FROM gone
"""


class PostgresInbox(Room):
    """`ports.Inbox`."""

    async def add(self, events: Sequence[Event]) -> tuple[Receipt, ...]:
        try:
            return await self._add_all(events)
        except KeyMissing as error:  # another process may have it: nothing is acknowledged here
            raise NotStored(error.detail) from None

    async def _add_all(self, events: Sequence[Event]) -> tuple[Receipt, ...]:
        rows = [self._row(event) for event in events]
        if len(rows) > 1:  # one order of locks for all, so that nobody waits in a circle
            gates = sorted({row["gate"] for row in rows})
            await self._tx.fetch(_GATES, {"gates": gates})
        return tuple([await self._add(event, row) for event, row in zip(events, rows, strict=True)])

    def _row(self, event: Event) -> Params:
        vault, thread = self._vault, self._thread_of(event)
        adapter = event.author.adapter if isinstance(event, Feedback) else event.thread.adapter
        return {
            "reply_id": vault.event(adapter, event.id),
            "adapter": adapter,
            "lane": event.lane,
            "thread": thread,
            "gate": _gate(thread),
            "author": vault.person(event.author),
            "workspace": None if isinstance(event, Feedback) else vault.workspace(event.thread),
            "payload": None,
        }

    def _thread_of(self, event: Event) -> UUID:
        if isinstance(event, Feedback):
            return self._vault.blind("feedback", event.author.key, str(event.target))
        return self._vault.thread(event.thread)

    async def _add(self, event: Event, row: Params) -> Receipt:
        rows = await self._insert(event, row)
        # Its author was forgotten while it was being sealed, and would not be read: they have a new key by now.
        while not rows and not await self._vault.is_current(row["author"], row["keys"]):
            rows = await self._insert(event, row)
        if not rows and isinstance(event, Message | Command):
            rows = await self._insert_late(event, row)
        return Receipt(reply_id(row["reply_id"]), is_new=bool(rows))

    async def _insert_late(self, event: Message | Command, row: Params) -> list[Row]:
        """A message that was overtaken by its edit takes the place that the edit has kept."""
        self._tx.begin()
        edited = await messages.early_edit(self._desk, row["reply_id"])
        if edited is None:
            return []
        messages.make_room(self._desk, row["reply_id"])
        return await self._insert(as_edited(event, edited), row)

    async def _insert(self, event: Event, row: Params) -> list[Row]:
        author, row_id = row["author"], row["reply_id"]
        row["payload_of_signal"] = self._desk.wake(SignalKind.INBOX, event.lane)
        sql = _ADD_COMMAND if isinstance(event, Command) and event.lane == "turn" else _ADD_CONTROL
        if question := question_in(event):
            sql, row["body"] = _ADD_MESSAGE, await messages.seal(self._vault, author, row_id, question)
        if question is not event:
            row["payload"] = await self._vault.seal("inbox", "payload", author, row_id, codec.dumps(event))
        row["keys"] = [seal.key_id(blob) for blob in (row.get("body"), row["payload"]) if blob]
        return await self._tx.fetch(sql, row)

    async def claim(
        self,
        lane: str,
        *,
        owner: str,
        doors: Collection[str],
        limit: int,
        lease: timedelta,
        per_person: int | None = None,
    ) -> tuple[Claim, ...]:
        missing = self._vault.missing()
        params = {"owner": owner, "doors": list(doors), "lease": lease, "seats": per_person, "limit": limit}
        if lane == "turn" and per_person is not None:
            sql = _CLAIM_SEATS_OF_OURS if missing else _CLAIM_SEATS
        else:
            sql = (_CLAIMS_OF_OURS if missing else _CLAIMS)[lane]
        rows = await self._tx.fetch(sql, params | {"missing": missing})
        # Others may be behind those who asked too much at once. They are looked for once this is committed: whoever
        # holds the locks of some persons, and waits for those of others, may wait in a circle.
        if rows and rows[0][0]:
            self._desk.wake(SignalKind.INBOX, lane)
        claims = [await self._claimed(owner, row[1:]) for row in rows if row[1] is not None]
        return tuple(claim for claim in claims if claim is not None)

    async def _claimed(self, owner: str, row: Row) -> Claim | None:
        """One row that cannot be read is buried: it must not keep the others from being answered."""
        id_, row_id, author, payload, attempts, created_at, mark, failures, body = row
        try:
            event = await self._event(author, row_id, payload, body)
        except KeyMissing:
            self._leave({"id": id_, "owner": owner, "attempts": attempts})
            return None
        except DAMAGED as error:
            logger.error("inbox row %d cannot be read and was buried: %s", id_, type(error).__name__)
            await self._bury({"id": id_, "owner": owner, "attempts": attempts}, row_id, author, str(error))
            return None
        return Claim(id_, event, reply_id(row_id), owner, attempts, created_at, _mark(mark), failures)

    def _leave(self, held: Params) -> None:
        """To another process, at once: this one passes by whatever needs the key that it has not."""
        how = {"delay": timedelta(0), "failed": 0, "signal": self._desk.wake(SignalKind.INBOX)}
        self._tx.later(_RELEASE, held | how, LeaseLost)

    async def _event(self, author: UUID, row_id: UUID, payload: bytes | None, body: bytes | None) -> Event:
        question = await messages.open(self._vault, author, row_id, body) if body is not None else None
        if payload is None:
            if question is None:
                raise Malformed
            return question
        event = codec.loads(await self._vault.open("inbox", "payload", author, row_id, payload))
        if isinstance(event, Command) and question is not None:  # it may have been edited since
            event = replace(event, args=question.text)
        return event

    async def renew(self, claims: Collection[Claim], lease: timedelta) -> Mapping[int, Mark | None]:
        held = {
            "ids": [claim.id for claim in claims],
            "owners": [claim.owner for claim in claims],
            "attempts": [claim.attempts for claim in claims],
        }
        rows = await self._tx.fetch(_RENEW, held | {"lease": lease})
        return {id_: _mark(mark) for id_, mark in rows}

    async def finish(self, claim: Claim) -> None:
        if claim.event.lane == "turn":
            self._tx.later(_GATE, {"gate": _gate(self._thread_of(claim.event))})
        signal = self._desk.hub.payload_for_all(SignalKind.INBOX, "turn")  # the next of its thread may start
        person = self._vault.person(claim.event.author)
        self._tx.later(_FINISH, token(claim) | {"signal": signal, "person": person}, LeaseLost)

    async def release(self, claim: Claim, delay: timedelta, *, is_failure: bool = False) -> None:
        signal = self._desk.wake(SignalKind.INBOX)
        how = {"delay": delay, "failed": int(is_failure), "signal": signal}
        self._tx.later(_RELEASE, token(claim) | how, LeaseLost)

    async def bury(self, claim: Claim, reason: str) -> None:
        await self._bury(token(claim), UUID(claim.reply_id), self._vault.person(claim.event.author), reason)

    async def _bury(self, held: Params, row: UUID, person: UUID, reason: str) -> None:
        """The next of its thread may start, and the next of its answers be shown."""
        sealed = await self._vault.seal("inbox", "reason", self._vault.house, row, reason.encode())
        signals = {"signal": self._desk.wake(SignalKind.INBOX), "shown": self._desk.wake(SignalKind.OUTBOX)}
        self._tx.later(_BURY, held | {"reason": sealed, "person": person} | signals, LeaseLost)

    async def reap(self) -> int:
        rows = await self._tx.fetch(_REAP, {"signal": self._desk.hub.payload_of(SignalKind.INBOX)})
        if rows:
            self._desk.wake(SignalKind.INBOX)
        return int(rows[0][0]) if rows else 0

    async def call(self, *, per_person: int | None = None) -> int:
        seats = _NO_LIMIT if per_person is None else per_person
        rows = await self._tx.fetch(_CALL, {"seats": seats, "signal": self._desk.hub.payload_of(SignalKind.INBOX)})
        if rows:
            self._desk.wake(SignalKind.INBOX)
        return int(rows[0][0]) if rows else 0

    async def mark(
        self,
        mark: Mark,
        *,
        thread: ThreadId,
        author: Author | None = None,
        message_id: str | None = None,
        reply: ReplyId | None = None,
        before: Claim | None = None,
    ) -> int:
        vault, row = self._vault, row_id(reply) if reply is not None else None
        if reply is not None and row is None:
            return 0
        params = {
            "mark": mark.value,
            "thread": vault.thread(thread),
            "author": vault.person(author) if author else None,
            "message": vault.event(thread.adapter, message_id) if message_id is not None else None,
            "reply": row,
            "before": before.id if before else None,
            "signal": self._desk.hub.payload_of(SignalKind.MARK),
            "waiting": self._desk.hub.payload_for_all(SignalKind.INBOX, "turn"),
        }
        return self._marked(await self._tx.fetch(_MARK, params))

    async def amend(self, thread: ThreadId, message_id: str, text: str) -> int:
        message = self._vault.event(thread.adapter, message_id)
        params = {
            "message": message,
            "thread": self._vault.thread(thread),
            "signal": self._desk.hub.payload_of(SignalKind.MARK),
            "waiting": self._desk.hub.payload_for_all(SignalKind.INBOX, "turn"),
        }
        count = self._marked(await self._tx.fetch(_AMEND, params))
        return count if count and await messages.rewrite(self._desk, message, thread, text=text) else 0

    def _marked(self, rows: list[Row]) -> int:
        for id_, status, _ in rows:
            if status == 1:
                self._desk.wake(SignalKind.MARK, reply_id(id_))
        return len(rows)

    async def waiting(self) -> int:
        return int((await self._tx.fetch(_WAITING, {}))[0][0])

    async def backlog(self) -> tuple[Backlog, ...]:
        return tuple(Backlog(*row) for row in await self._tx.fetch(_BACKLOG, {}))

    async def purge(self, age: timedelta, *, limit: int = 1000) -> int:
        """Forgets finished rows older than `age`, oldest first; a redelivery that late is answered again."""
        return len(await self._tx.fetch(_PURGE, {"age": age, "limit": limit}))


def _gate(thread: UUID) -> int:
    """The advisory lock that puts a thread's rows in line."""
    return int.from_bytes(thread.bytes[:8], signed=True)


def _mark(name: str | None) -> Mark | None:
    """One that this release does not know asks nothing of it."""
    try:
        return Mark(name) if name else None
    except ValueError:
        return None
