"""The doors of the hall: what each room promises, as Protocols. Each has one suite in tests/contracts."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

from core.extras import Placed
from core.message import (
    NO_USAGE,
    Attachment,
    Author,
    Chunk,
    Event,
    Feedback,
    Message,
    PartId,
    Reply,
    ReplyId,
    ThreadId,
    ToolCall,
    Usage,
    Visibility,
    Written,
)
from core.reading import EMPTY, Reading
from core.turn import RECOMMENDED, Pending, SamplingParams, Tool, Utterance

# ------------------------------------------------------------------------------------------------- the front doors


@dataclass(frozen=True, slots=True)
class Webhook:
    """One HTTP request as it arrived. Header names are lower case; `received_at` is the only clock a parser sees."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime
    remote: str = ""


@dataclass(frozen=True, slots=True)
class Received:
    """What the platform is answered."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Receipt:
    """An event is stored. `reply_id` is the answer it will have; `is_new` is False for a redelivery."""

    reply_id: ReplyId
    is_new: bool


Accept = Callable[[Sequence[Event]], Awaitable[tuple[Receipt, ...]]]
"""`await accept(events)` returns once they are committed and raises NotStored; only then is anything acknowledged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One answer on its way out, leased by `owner`.

    `reply` carries the final text once `is_ready`; `parts` are the platform messages sent so far and `state` is the
    adapter's own (stream id, sequence, cut points). With parts known, the whole message is replaced, never continued.
    `is_head` tells whether nothing of this thread was undelivered before it at the time of opening or claiming;
    `failures` are the tries before this one that came to nothing. Whether it `has_extras` is known of a claimed one.
    """

    reply: Reply
    return_address: Mapping[str, Any]
    visibility: Visibility = Visibility.PRIVATE
    state: Mapping[str, Any] = field(default_factory=dict)
    is_ready: bool = False
    is_head: bool = False
    attempts: int = 1
    owner: str = ""
    failures: int = 0
    has_extras: bool = False

    @property
    def parts(self) -> tuple[PartId, ...]:
        return self.reply.parts


class Ledger(Protocol):
    """What was sent, committed before the next call to the platform. Raises LeaseLost after a take-over."""

    async def part(self, part: PartId) -> None: ...

    async def state(self, state: Mapping[str, Any]) -> None: ...

    async def known(self, parts: Collection[PartId]) -> frozenset[PartId]:
        """Those of these platform messages that carry an answer already, this one or another."""
        ...


class Adapter(Protocol):
    """A front door: it translates one platform and knows no other."""

    @property
    def name(self) -> str: ...

    async def receive(self, webhook: Webhook, accept: Accept) -> Received: ...

    async def deliver(self, delivery: Delivery, chunks: AsyncIterator[Chunk], ledger: Ledger) -> None:
        """Shows the answer. Raises RateLimited, DoorLost, Undeliverable or ChannelError; returning means delivered."""
        ...


class Listener(Protocol):
    """A door that dials out. Runs until cancelled."""

    async def listen(self, accept: Accept) -> None: ...


class HoldsConnection(Protocol):
    """A door that works only while this process holds its connection: without it, nothing of it is claimed here."""

    @property
    def is_connected(self) -> bool: ...


class ShowsTyping(Protocol):
    """A platform that can show that somebody is writing."""

    async def typing(self, delivery: Delivery) -> None: ...


class SuggestsPrompts(Protocol):
    """A platform that can offer what to ask next."""

    async def suggest(self, delivery: Delivery, prompts: Sequence[str]) -> None: ...


class ReadsThread(Protocol):
    """A platform whose earlier messages of a thread can be read."""

    async def earlier(self, message: Message, limit: int) -> tuple[Utterance, ...]:
        """The last `limit` messages of the thread before this one, oldest first, with names; ours are an assistant's.

        Empty where the message begins its thread. Raises ChannelError.
        """
        ...


class Introduces(Protocol):
    """A platform that does not say with an event whether its author is a guest, or of another house."""

    async def introduce(self, event: Event) -> Author:
        """The author, under the same key, with all that the platform says of them.

        Asked before a claimed event acts, and within a second or two. Raises ChannelError where the platform does not
        say so soon, and Refused where they were not asking us and may not: nothing is said to them then.
        """
        ...


class Attachments(Protocol):
    """Fetches what came with a message."""

    async def fetch(self, attachment: Attachment, limit: int) -> bytes:
        """Raises Refused above `limit` bytes, NotFound where it is gone, ChannelError where it could not be had."""
        ...


# ------------------------------------------------------------------------------------------------------- the engine


@dataclass(frozen=True, slots=True)
class Conversation:
    """What the engine is asked: `turns` end with the user's utterance; "" as model means the engine's own."""

    thread: str
    turns: tuple[Utterance, ...]
    model: str = ""
    tools: tuple[Tool, ...] = ()


@dataclass(frozen=True, slots=True)
class Timings:
    """How long an answer took, in seconds since it was asked for: until it was begun, spoke, and was whole.

    `reused` tokens of the prompt had been read before.
    """

    begun: float
    first: float
    whole: float
    reused: int = 0


@dataclass(frozen=True, slots=True)
class Delta:
    """The next piece of an engine's answer.

    The last one carries `finish` (stop, length, timeout) with `usage`, `model`, `seed` and `timings`; `position` is
    the place in the queue while there is nothing to say yet, first is 1. Where `is_anew`, all that was said before is
    taken back: another model begins. `is_fallback`: by another engine than the one that was asked for.
    """

    text: str = ""
    reasoning: str = ""
    tool_call: ToolCall | None = None
    position: int | None = None
    finish: str | None = None
    usage: Usage | None = None
    model: str = ""
    seed: int | None = None
    timings: Timings | None = None
    is_anew: bool = False
    is_fallback: bool = False


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a backend can do; what it cannot is a strict expected failure in the contract suite, by name."""

    tools: bool = False
    reasoning: bool = False
    seed: bool = True
    top_k: bool = True
    repetition_penalty: bool = True
    stop: bool = True
    exact_count: bool = True
    queue_position: bool = True


@dataclass(frozen=True, slots=True)
class Model:
    """A model that answers. `version` names weights and revision; `is_demo` marks the small demo checkpoint.

    `context` is in tokens; `params` is how its makers say the next token should be chosen.
    """

    name: str
    version: str
    context: int
    is_demo: bool = False
    params: SamplingParams = RECOMMENDED


class Engine(Protocol):
    """Turns a conversation into an answer. Closing the stream cancels the request and frees its place."""

    @property
    def model(self) -> Model: ...

    @property
    def capabilities(self) -> Capabilities: ...

    async def start(self) -> None:
        """Loads and warms up; returns once a question would be answered."""
        ...

    async def stop(self) -> None: ...

    def stream(self, conversation: Conversation, params: SamplingParams) -> AsyncGenerator[Delta, None]:
        """Raises TooLong, Malformed, Busy or Unavailable, before the first delta where it can."""
        ...

    async def count(self, conversation: Conversation) -> int:
        """Tokens of the whole prompt as the model would read it."""
        ...


class Health(Protocol):
    """An engine that can tell whether a question would be answered now; one that can't is taken to be well."""

    @property
    def is_healthy(self) -> bool: ...


# -------------------------------------------------------------------------------------------------------- the store


class State(StrEnum):
    """Where a turn is. The record is what latency metrics, the admin pages and recovery read."""

    RECEIVED = "received"
    SCREENING = "screening"
    ANSWERING = "answering"
    DELIVERING = "delivering"
    DONE = "done"
    ASKED = "asked"
    REFUSED = "refused"
    STOPPED = "stopped"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        return self in FINAL


FINAL = frozenset({State.DONE, State.ASKED, State.REFUSED, State.STOPPED, State.FAILED})


class Mark(StrEnum):
    """What the control lane wants of a turn that is waiting or running."""

    STOP = "stop"
    REDO = "redo"
    ERASE = "erase"


@dataclass(frozen=True, slots=True)
class Claim:
    """An inbox row leased by `owner`; `attempts` counts this one. (id, owner, attempts) is its fencing token.

    `failures` are the tries before this one that came to nothing: an error, or a lease that ran out.
    """

    id: int
    event: Event
    reply_id: ReplyId
    owner: str
    attempts: int
    received_at: datetime
    mark: Mark | None = None
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is left to do in one lane: `unfinished` rows, and the `age` of the oldest one that is worked on by nobody.

    One that waits for an earlier of its own thread, or because its person has enough running, does not count for the
    age, which is zero where none waits.
    """

    lane: str
    unfinished: int
    age: timedelta = timedelta(0)


class Inbox(Protocol):
    """What came in and is not finished. The turn lane is strictly in order per thread, the control lane is not."""

    async def add(self, events: Sequence[Event]) -> tuple[Receipt, ...]:
        """Stores them once each, in this order per thread, with the text of a Message in its thread."""
        ...

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
        """Leases up to `limit` rows, in the turn lane heads of threads only, for these adapters only.

        There nobody has more than `per_person` running, in all processes: others go first, however much one has asked.
        Where many of one person's were passed over, those behind them may be left for the next claim: a signal says so.
        """
        ...

    async def renew(self, claims: Collection[Claim], lease: timedelta) -> Mapping[int, Mark | None]:
        """Extends these leases; the ids still held, with their marks."""
        ...

    async def finish(self, claim: Claim) -> None:
        """Ends the row and erases its payload. Raises LeaseLost."""
        ...

    async def release(self, claim: Claim, delay: timedelta, *, is_failure: bool = False) -> None:
        """Gives the row back for a later try; it holds its thread meanwhile. Raises LeaseLost."""
        ...

    async def bury(self, claim: Claim, reason: str) -> None:
        """Takes a poison row out for good, keeping it for the operator. Raises LeaseLost.

        Its place in the outbox goes with it, unless its answer is ready.
        """
        ...

    async def reap(self) -> int:
        """Gives rows with an expired lease back, each a failure; how many."""
        ...

    async def call(self, *, per_person: int | None = None) -> int:
        """Lets those be claimed who waited for others of their thread or person and need no longer; how many.

        The end of a turn does so by itself, for whoever is next.
        """
        ...

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
        """Marks the running turn of this thread (and author), else the waiting ones; how many.

        With `message_id` the turn of that message, or the one that answers it once more; with `reply` the turn of
        that one; with `before` only turns that were asked for before that event.
        """
        ...

    async def amend(self, thread: ThreadId, message_id: str, text: str) -> int:
        """Gives the question of an unfinished turn another text and marks it REDO where it is running; how many."""
        ...

    async def waiting(self) -> int:
        """Unfinished rows, both lanes."""
        ...

    async def backlog(self) -> tuple[Backlog, ...]:
        """How far behind each lane is, the turn lane first; the same for every process of the house."""
        ...


class Outbox(Protocol):
    """Answers that are not yet delivered; per thread only the head may be shown.

    What is said in answer to an event of the control lane is a head by itself, and holds nothing up.
    """

    async def open(self, claim: Claim, reply: Reply, *, lease: timedelta) -> Delivery:
        """Inserts the row leased by the claim's owner, or takes over an earlier try's, with its parts and state."""
        ...

    async def is_head(self, reply_id: ReplyId) -> bool: ...

    async def forsake(self, claim: Claim) -> None:
        """Takes back the row of an earlier try that is not ready: nothing is said, and the next may be."""
        ...

    async def ready(self, delivery: Delivery, *, keep: bool, extras: Sequence[Placed] = ()) -> None:
        """The reply's text is final. With `keep` the owner goes on delivering, else anyone may. Raises LeaseLost.

        Its `extras` are kept, sealed under the asker's key, until it is delivered or what it answers is erased.
        """
        ...

    async def claim(self, *, owner: str, doors: Collection[str], limit: int, lease: timedelta) -> tuple[Delivery, ...]:
        """Leases ready heads of threads whose lease is free."""
        ...

    async def extras(self, delivery: Delivery) -> tuple[Placed, ...]:
        """What a ready reply has besides its text; empty also where that can no longer be opened. Raises LeaseLost."""
        ...

    async def renew(self, deliveries: Collection[Delivery], lease: timedelta) -> frozenset[ReplyId]:
        """Extends these leases; the ids still held."""
        ...

    async def part(self, delivery: Delivery, part: PartId) -> None:
        """Adds a platform message to the reply. Raises LeaseLost."""
        ...

    async def state(self, delivery: Delivery, state: Mapping[str, Any]) -> None:
        """Keeps the adapter's own state. Raises LeaseLost."""
        ...

    async def known(self, parts: Collection[PartId]) -> frozenset[PartId]:
        """Those of these that are parts of some reply."""
        ...

    async def done(self, delivery: Delivery) -> None:
        """Delivered; the turn's state `delivering` becomes `done`. Raises LeaseLost."""
        ...

    async def release(self, delivery: Delivery, delay: timedelta, *, is_failure: bool = False) -> None:
        """Gives the row back for a later try; it holds its thread meanwhile. Raises LeaseLost."""
        ...

    async def bury(self, delivery: Delivery, reason: str) -> None:
        """It can't be delivered: out of the queue, kept for the operator. Raises LeaseLost."""
        ...

    async def reap(self) -> int:
        """Gives rows with an expired lease back, each a failure; how many."""
        ...


@dataclass(frozen=True, slots=True)
class TurnFacts:
    """What is remembered of a turn beside its texts; times are UTC."""

    reply_id: ReplyId
    state: State
    model: str = ""
    source: str = ""
    seed: int | None = None
    usage: Usage = NO_USAGE
    attempts: int = 1
    received_at: datetime | None = None
    started_at: datetime | None = None
    first_text_at: datetime | None = None
    finished_at: datetime | None = None


class Turns(Protocol):
    """The record of each turn, one per reply id."""

    async def begin(self, claim: Claim) -> None:
        """Writes state `screening`; a later try of the same turn starts the record anew and counts the attempt."""
        ...

    async def move(
        self, reply_id: ReplyId, state: State, *, written: Written | None = None, first_text: bool = False
    ) -> None:
        """Names the new state; `written` adds model, seed and token counts."""
        ...

    async def get(self, reply_id: ReplyId) -> TurnFacts | None: ...


class Replies(Protocol):
    """The answers, sealed under their asker's key."""

    async def open(self, claim: Claim, reply: Reply) -> None:
        """Inserts the empty reply, or leaves the one of an earlier try.

        Raises NotStored where the reply that it replaces is gone meanwhile, with its asker: a later try finds that so.
        """
        ...

    async def save(self, reply: Reply, *, reasoning: str = "") -> None:
        """Final text, source, model and verdict, and apart from them what was thought; ends the draft."""
        ...

    async def get(self, reply_id: ReplyId) -> Reply | None: ...

    async def newest(self, thread: ThreadId) -> Reply | None:
        """The newest finished answer of the thread."""
        ...

    async def is_replaced_meanwhile(self, reply_id: ReplyId, claim: Claim) -> bool:
        """Whether an answer in place of this one was asked for before the claim's event, and was not shown by then."""
        ...

    async def question(self, reply_id: ReplyId) -> Message | None:
        """The message this reply (or the one it replaces, back to the first) answers."""
        ...


@dataclass(frozen=True, slots=True)
class Vote:
    """A person's latest live vote on an answer, with every comment that was not withdrawn by its words.

    It was cast `at` this moment, as the platform says.
    """

    reply_id: ReplyId
    author: Author
    score: int | None
    reason: str = ""
    comment: str = ""
    model: str = ""
    at: datetime | None = field(default=None, compare=False)


class Ratings(Protocol):
    """Votes on answers by (reply, author, origin, part, reaction), with the model version that wrote the answer."""

    async def record(self, feedback: Feedback) -> ReplyId | None:
        """Stores the vote; None where its target is unknown (yet). A repeated id changes nothing.

        The model is the one that wrote the finished answer, also where the vote came before its end.
        """
        ...

    async def resolve(self, feedback: Feedback) -> Reply | None:
        """The reply the vote is about."""
        ...

    async def votes(self, reply_id: ReplyId) -> tuple[Vote, ...]: ...


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question and what was read with it, and its newest answer; `cursor` is where to go on reading."""

    cursor: int
    question: str
    asker: Author
    answer: str
    reading: Reading = EMPTY


@dataclass(frozen=True, slots=True)
class ThreadFacts:
    """What is remembered of a thread.

    `route` is the model asked for by /code or /chat, "" where none; `is_reset` once anything in it was to be forgotten.
    """

    route: str = ""
    is_reset: bool = False


class Threads(Protocol):
    """The conversations."""

    async def history(
        self, thread: ThreadId, message_id: str, *, limit: int, before: int | None = None
    ) -> tuple[Exchange, ...]:
        """Up to `limit` answered exchanges before this message, since the last reset and older than cursor `before`.

        Newest first.
        """
        ...

    async def reading(self, thread: ThreadId, message_id: str) -> Reading | None:
        """What was read with this message; None where nothing was, or where it can no longer be opened."""
        ...

    async def keep_reading(self, thread: ThreadId, message_id: str, reading: Reading) -> None:
        """Keeps it sealed under the author's key, until the message is erased; nothing where there is no such one."""
        ...

    async def facts(self, thread: ThreadId) -> ThreadFacts: ...

    async def route(self, thread: ThreadId, route: str) -> None: ...

    async def reset(self, claim: Claim) -> None:
        """Forgets the context: what was said before this event is no longer history."""
        ...

    async def edit(self, thread: ThreadId, message_id: str, author: Author, text: str) -> bool:
        """Changes a stored message of this author; False where there is none."""
        ...

    async def erase(self, thread: ThreadId, message_id: str, author: Author | None = None) -> bool:
        """Erases a stored message's text for good; False where there is none, or none by `author` where named."""
        ...

    async def forestall(self, claim: Claim) -> bool:
        """A message that comes after this Edited or Deleted of it is taken in with the newer text, or not at all.

        False where the message is there, or was deleted already.
        """
        ...


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """An answer kept for whoever asks the same: the question in its canonical form, the words, who wrote them."""

    question: str
    text: str
    model: str


@dataclass(frozen=True, slots=True)
class Shelved:
    """Where a kept answer stands, with the vector of its question: what near hits are looked for among."""

    key: str
    shelf: str
    question: str
    vector: Sequence[float]
    kept_at: datetime


class Cached(Protocol):
    """Finished answers by key, for a while, each sealed under the key of who asked for it.

    They go with their question: where that is edited or erased, so are they.
    """

    async def find(self, key: str, reply_id: ReplyId) -> CachedAnswer | None:
        """What is kept under this key and not too old; that this reply is taken from it is written down."""
        ...

    async def keep(
        self,
        key: str,
        shelf: str,
        kept: CachedAnswer,
        reply: Reply,
        *,
        lifetime: timedelta,
        vector: Sequence[float] = (),
        embedder: str = "",
    ) -> bool:
        """Keeps the text of a saved reply, sealed under its asker's key, with the vector its `embedder` made.

        False, and nothing is kept, where the key is blocked or taken, where anybody votes against the reply, or where
        its question was erased.
        """
        ...

    async def block(self, reply_id: ReplyId) -> bool:
        """Evicts the answer that this reply is, or was taken from; nothing is kept under its key again.

        False where it is neither.
        """
        ...

    async def shelved(self, embedder: str, *, since: datetime | None = None) -> tuple[Shelved, ...]:
        """What is kept with a vector of this embedder, oldest first; with `since`, only what was kept later."""
        ...


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that moderation found in one turn: `where` is question, thread, answer or thought.

    `rules` name what was hit, `excerpt` is what was written there, "" where that was masked. `severity` is 1 to 5,
    `action` refuse, mask or flag.
    """

    where: str
    category: str
    action: str
    severity: int = 3
    rules: tuple[str, ...] = ()
    excerpt: str = ""


@dataclass(frozen=True, slots=True)
class Ruling:
    """What an operator found of an appeal: whether the person `is_right`, with a `note` for other operators."""

    at: datetime
    by: str
    is_right: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class Appeal:
    """Somebody says that they were wrongly refused; `comment` is what they say to it, "" where nothing."""

    at: datetime
    comment: str = ""
    ruling: Ruling | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """An incident as it was kept; `cursor` is where to go on reading, `talk` opens its thread (`Overview.open`)."""

    cursor: int
    at: datetime
    reply_id: ReplyId
    asker: Author
    thread: ThreadId
    incident: Incident
    appeal: Appeal | None = None
    talk: str = ""


class Incidents(Protocol):
    """What moderation found, sealed under the asker's key."""

    async def record(self, reply_id: ReplyId, thread: ThreadId, asker: Author, incident: Incident) -> None:
        """One for each turn, place, category and action: a later try of the turn changes nothing.

        Nothing is kept where this asker has no such reply, or has none any more: whoever was forgotten stays so.
        """
        ...

    async def appeal(self, asker: Author, target: ReplyId | ThreadId, *, comment: str = "") -> bool:
        """The asker says that this refusal was wrong: of a reply, or their newest one in a thread; False where none is.

        A later comment takes the place of an earlier one, no comment leaves it.
        """
        ...

    async def newest(
        self, *, limit: int, before: int | None = None, appealed: bool = False, unruled: bool = False, action: str = ""
    ) -> tuple[Kept, ...]:
        """Newest first and older than cursor `before`, on wish those of one `action` alone.

        Or those that were `appealed` against, or of these the ones that are still `unruled`. Those that can no longer
        be opened are left out.
        """
        ...

    async def rule(self, cursor: int, *, by: str, is_right: bool, note: str = "") -> bool:
        """An operator answers an appeal; a later ruling takes the place of an earlier one.

        False where nobody appealed there. The person is not told.
        """
        ...


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A call that its asker has said yes to. Where it `is_begun`, an earlier try of the same event had it already."""

    pending: Pending
    is_begun: bool = False


class Asks(Protocol):
    """Calls that wait for their asker's yes, one for each reply that asks, sealed under the asker's key.

    They go with their question: where that is edited or erased, so are they.
    """

    async def keep(
        self, reply_id: ReplyId, thread: ThreadId, asker: Author, call: Pending, *, lifetime: timedelta
    ) -> None:
        """Waits so long; a later try of the same turn asks anew, unless it was confirmed already.

        So does another answer to the same question: what waited for that is dropped.
        """
        ...

    async def newest(self, thread: ThreadId, asker: Author) -> ReplyId | None:
        """The reply that asked this person last in this thread; None where it waits no more, whatever else does."""
        ...

    async def take(self, reply_id: ReplyId, asker: Author, claim: Claim) -> Confirmed | None:
        """Gives the call to this claim's event, once and for good.

        None where nothing waits there for this person: another event has it, its time is over, it was erased.
        """
        ...


@dataclass(frozen=True, slots=True)
class Consumption:
    """What was asked and answered in a day (of UTC): questions, and tokens read and written for them."""

    messages: int = 0
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """Where somebody stands today; `workspace` is what all have used there, nothing where that was not asked for.

    `is_lifted` where no limit of a day holds for them; `is_counted` where this very turn was counted before. All begins
    anew once `frees_in` has passed.
    """

    person: Consumption
    workspace: Consumption
    is_lifted: bool
    is_counted: bool
    frees_in: timedelta


class Meter(Protocol):
    """What each person asks in a day, and in which workspace. Counts alone, which stay when somebody is forgotten."""

    async def standing(self, claim: Claim, person: Author, thread: ThreadId, *, workspace: bool) -> Standing:
        """Before the claim's turn is counted; what the whole workspace has used takes longer to find out."""
        ...

    async def count(self, claim: Claim, person: Author, thread: ThreadId) -> None:
        """One question more, once for each turn that was begun, however often it is begun again."""
        ...

    async def recount(self, claim: Claim) -> None:
        """Its turn is another question when it is begun again."""
        ...

    async def spend(self, person: Author, thread: ThreadId, tokens: int) -> None:
        """Adds to today's tokens. In the unit that ends the turn, so that it is done once."""
        ...


class Unit(Protocol):
    """One transaction over everything that is stored."""

    @property
    def inbox(self) -> Inbox: ...
    @property
    def outbox(self) -> Outbox: ...
    @property
    def turns(self) -> Turns: ...
    @property
    def replies(self) -> Replies: ...
    @property
    def ratings(self) -> Ratings: ...
    @property
    def threads(self) -> Threads: ...
    @property
    def cached(self) -> Cached: ...
    @property
    def incidents(self) -> Incidents: ...
    @property
    def asks(self) -> Asks: ...
    @property
    def meter(self) -> Meter: ...


@dataclass(frozen=True, slots=True)
class Draft:
    """The screened text of a growing reply, cumulative: each revision replaces the one before.

    Whether it `has_reasoning` to be asked for is known of a finished one.
    """

    reply_id: ReplyId
    revision: int
    text: str = ""
    state: State = State.ANSWERING
    status: str = ""
    model: str = ""
    source: str = ""
    has_reasoning: bool = False

    @property
    def is_final(self) -> bool:
        """Nothing more will come: the text is what the reply says."""
        return self.state.is_final or self.state is State.DELIVERING


class Drafts(Protocol):
    """Growing replies, for whoever must show text without being the process that generates it."""

    async def save(self, draft: Draft) -> None:
        """Stores a revision, sealed, and wakes those who follow; an older revision changes nothing."""
        ...

    async def latest(self, reply_id: ReplyId) -> Draft | None:
        """The newest revision, or the finished reply; None where nothing was begun."""
        ...

    def follow(self, reply_id: ReplyId) -> AsyncGenerator[Draft, None]:
        """Each newer revision as it is saved by any process (some may be skipped), ending with the final one."""
        ...


@dataclass(frozen=True, slots=True)
class ThreadSummary:
    """A line of a person's list of threads; `title` is the start of its first question."""

    thread: ThreadId
    title: str
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """One question of a thread with its newest answer, as its page shows it.

    `state` is None while the question waits; `reply_id` is the newest answer's that came to something, `vote` the
    reader's own. An entry that can no longer be read has no words and the state `failed`.
    """

    cursor: int
    message_id: str
    question: str
    asker: Author
    sent_at: datetime
    reply_id: ReplyId
    state: State | None
    answer: str = ""
    model: str = ""
    source: str = ""
    vote: Vote | None = None
    is_before_reset: bool = False
    has_reasoning: bool = False


class Archive(Protocol):
    """What was said, for the pages of a door. Only what `reader` asked is shown."""

    async def threads(self, reader: Author, *, limit: int, before: datetime | None = None) -> tuple[ThreadSummary, ...]:
        """The reader's threads, the one with the newest question first."""
        ...

    async def entries(
        self, thread: ThreadId, reader: Author, *, limit: int, before: int | None = None
    ) -> tuple[Entry, ...]:
        """The newest `limit` entries older than cursor `before`, oldest first; empty where the thread is not theirs."""
        ...

    async def owns(self, thread: ThreadId, reader: Author) -> bool | None:
        """Whether the reader began this thread; None where it does not exist."""
        ...

    async def is_conversation(self, thread: ThreadId) -> bool:
        """Whether anybody is or was answered in this thread, by more than that they may not ask."""
        ...

    async def reply(self, reply_id: ReplyId, reader: Author) -> Reply | None:
        """The reply if it was given to this reader."""
        ...

    async def reasoning(self, reply_id: ReplyId, reader: Author) -> str | None:
        """What was thought before this reply, "" where nothing was; None where it was not given to this reader."""
        ...


class Window(StrEnum):
    """How far back load is shown. Each is cut into steps: minutes, five of them, or hours."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"

    @property
    def length(self) -> timedelta:
        return {Window.HOUR: timedelta(hours=1), Window.DAY: timedelta(days=1), Window.WEEK: timedelta(days=7)}[self]

    @property
    def step(self) -> timedelta:
        return {Window.HOUR: timedelta(minutes=1), Window.DAY: timedelta(minutes=5), Window.WEEK: timedelta(hours=1)}[
            self
        ]


@dataclass(frozen=True, slots=True)
class Spread:
    """Seconds that something took: half of the times at most `median`, and so on."""

    median: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True)
class Step:
    """What was asked from `at` on for one step of a window, and what became of it by now.

    `turns` counts by adapter ("" where it is unknown) and state. `first` is the time from the event's intake to its
    first visible text, `whole` to the end of the answer, both of turns that were answered; None where none was.
    """

    at: datetime
    turns: Mapping[tuple[str, State], int] = field(default_factory=dict)
    first: Spread | None = None
    whole: Spread | None = None
    usage: Usage = NO_USAGE


@dataclass(frozen=True, slots=True)
class ModelLoad:
    """What one model did in a window: its answers, and the mean of the seconds to their first text and their end.

    Of the votes cast in the window (the newest 20,000 of all), `up` are of 4 or 5, `down` of 1 or 2; `score` is their
    mean. "" is no model: the house, a plugin, moderation.
    """

    model: str
    answers: int = 0
    usage: Usage = NO_USAGE
    first: float | None = None
    whole: float | None = None
    votes: int = 0
    up: int = 0
    down: int = 0
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """What the house had to do: every step of the window, oldest first, and its models, the busiest first."""

    window: Window
    steps: tuple[Step, ...]
    models: tuple[ModelLoad, ...] = ()


@dataclass(frozen=True, slots=True)
class Queue:
    """What one door has in one lane now: rows that run and that wait, and the age of the oldest of those that wait."""

    adapter: str
    lane: str
    running: int = 0
    waiting: int = 0
    oldest: timedelta = timedelta(0)


class Legible(StrEnum):
    """Whether words can be shown: `erased` where their author took them back, `lost` where they open to nobody."""

    YES = "yes"
    ERASED = "erased"
    LOST = "lost"


_Line = TypeVar("_Line")


@dataclass(frozen=True)
class Lines(Generic[_Line]):
    """A page of a list, newest first. `next` is the `before` of the page after it, "" where there is none."""

    lines: tuple[_Line, ...] = ()
    next: str = ""


@dataclass(frozen=True, slots=True)
class Talk:
    """A thread as it looks from outside, without a word of it. `id` opens it, and tells nothing.

    `questions` are counted up to QUESTIONS_COUNTED, `models` are those of the latest answers, the newest first;
    `state` is that of the newest answer, None while the last question waits.
    """

    id: str
    asked_at: datetime
    adapter: str = ""
    questions: int = 0
    state: State | None = None
    models: tuple[str, ...] = ()


QUESTIONS_COUNTED = 100


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer as its reader sees it; `turn` says when, by which model and at what cost, None before it began.

    An answer that is no longer `legible` has no `text`. `finds` are without those that can no longer be opened.
    """

    reply_id: ReplyId
    text: str = ""
    legible: Legible = Legible.YES
    turn: TurnFacts | None = None
    verdict: str = ""
    finds: tuple[Incident, ...] = ()
    votes: tuple[Vote, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """One question of an opened thread with all its answers, the earliest first.

    One that is not `legible` has no `text`; one that is lost has no `asker` either.
    """

    message_id: str
    text: str
    at: datetime
    asker: Author | None = None
    legible: Legible = Legible.YES
    answers: tuple[Answered, ...] = ()


@dataclass(frozen=True, slots=True)
class Rated:
    """What one person's votes on one answer come to, with what was asked and answered. `talk` opens the thread.

    What is not legible has no words: `question` and `answer` each by its own mark; only a legible question has an
    `asker`. `score` is None where it was taken back and a word was left.
    """

    reply_id: ReplyId
    at: datetime
    score: int | None
    reason: str
    comment: str
    model: str
    talk: str
    rater: Author
    question: str = ""
    question_legible: Legible = Legible.YES
    answer: str = ""
    answer_legible: Legible = Legible.YES
    asker: Author | None = None


@dataclass(frozen=True, slots=True)
class Opinion:
    """What was thought of one model's answers on one day (UTC): votes in all, of 4 or 5, and of 1 or 2."""

    day: date
    model: str
    votes: int
    up: int
    down: int


@dataclass(frozen=True, slots=True)
class Found:
    """How often moderation took an action on one day (UTC), and how many of these were appealed against."""

    day: date
    action: str
    count: int
    appealed: int = 0


class Overview(Protocol):
    """The house from above, for its operators. Figures may be a minute old; everything raises NotStored.

    Of a person's words only `open` and `ratings` tell, for whoever may read them. A `before` that no page gave begins
    at the newest.
    """

    async def load(self, window: Window) -> Load:
        """What was asked in the window, which ends with the running step."""
        ...

    async def queues(self) -> tuple[Queue, ...]:
        """What runs and waits now, by adapter and lane; nothing of those that have nothing to do."""
        ...

    async def talks(self, *, limit: int, before: str = "") -> Lines[Talk]:
        """The threads of all people, the one with the newest question first."""
        ...

    async def open(self, talk: str, *, limit: int, before: str = "") -> Lines[Asked]:
        """What was said in a thread, newest first; nothing where there is no such thread.

        What was erased or can no longer be opened is marked so, and shown without words.
        """
        ...

    async def ratings(self, *, limit: int, before: str = "", is_down: bool = False, model: str = "") -> Lines[Rated]:
        """What people think of answers, newest first, each person once for each answer.

        On wish 1s and 2s alone, or one model's; a page may have fewer than `limit`, also where there is a next one.
        Votes that can no longer be opened are left out.
        """
        ...

    async def opinions(self, days: int) -> tuple[Opinion, ...]:
        """The latest scores people gave in these days, the running one included, oldest first.

        A vote that was taken back does not count; neither does what is older than the newest 50,000.
        """
        ...

    async def found(self, days: int) -> tuple[Found, ...]:
        """What moderation did in these days, the running one included, oldest first: its newest 100,000 incidents."""
        ...


@dataclass(frozen=True, slots=True)
class Recorded:
    """One line of the audit log. `by` says who did it; a person stands in `details` by an index nobody can read."""

    number: int
    at: datetime
    action: str
    by: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


class Audit(Protocol):
    """What was done with what people entrusted to the house. Lines are added, and never changed or taken away."""

    async def record(self, action: str, *, by: str, person: Author | None = None, **details: Any) -> None:
        """Adds a line. Of a `person` it keeps an index alone: whoever is forgotten stays so."""
        ...

    async def newest(
        self, *, limit: int, before: int | None = None, person: Author | None = None, actions: Collection[str] = ()
    ) -> tuple[Recorded, ...]:
        """Newest first and older than number `before`, on wish those about one person, or of some `actions`, alone."""
        ...


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How much of a person there was to forget."""

    messages: int = 0
    answers: int = 0
    votes: int = 0


@dataclass(frozen=True, slots=True)
class Read:
    """What was read with a message of theirs: the files they attached, and what others had said in the thread."""

    message_id: str
    reading: Reading


@dataclass(frozen=True, slots=True)
class Thought:
    """What was thought before an answer of theirs."""

    reply_id: ReplyId
    words: str


@dataclass(frozen=True, slots=True)
class Awaited:
    """A call that a reply asked them about, and until when it waits for their yes; `is_taken` where that came."""

    reply_id: ReplyId
    call: Pending
    until: datetime
    is_taken: bool = False


@dataclass(frozen=True, slots=True)
class LeftOut:
    """How many things are kept that can no longer be opened; the log has their ids."""

    count: int


Theirs = Message | Read | Reply | TurnFacts | Thought | Vote | Kept | Awaited | LeftOut
"""One thing of all that is kept of a person."""


class People(Protocol):
    """All that is kept of one person, wherever it stands."""

    async def forget(self, person: Author, *, sparing: Claim | None = None, by: str = "") -> Forgotten:
        """Ends what they have running, makes what they said and were told unreadable for good, and deletes it.

        The audit log keeps that somebody was forgotten, and `by` whom, "" by themselves.

        At once for every process. What they say later is kept anew; so is `sparing`, the claimed event that asks for
        this. Broken off and called again, it goes on. Raises NotStored, and LeaseLost of that claim.
        """
        ...

    def everything(self, person: Author) -> AsyncGenerator[Theirs, None]:
        """What they said, then what they were told, how they rated it, what moderation found, and what they were asked.

        What was read with a message comes right behind it, an answer's turn and thoughts behind that. Each oldest
        first, without what was erased; of what can no longer be opened, the number comes last, where any is.
        """
        ...


@dataclass(frozen=True, slots=True)
class Admin:
    """One who was let in on the command line. `password` is what theirs is checked with, and never the password."""

    name: str
    roles: frozenset[str]
    password: str = field(repr=False)
    made_at: datetime


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Somebody who is signed in to the operator's pages.

    `origin` says who vouches for them, "local" or "oidc", and `subject` is what they are known by there. `grant` names
    the terms they were let in on: where those are others by now, they sign in again.
    """

    name: str
    roles: frozenset[str]
    subject: str
    origin: str
    began_at: datetime
    expires_at: datetime
    grant: str = ""
    seen_at: datetime | None = None

    @property
    def by(self) -> str:
        """How the audit log calls them: also by what nobody chooses for themselves, where that is something else."""
        is_name = self.subject.casefold() == self.name.casefold()
        return f"admin {self.name} ({self.origin if is_name else f'{self.origin} {self.subject}'})"


@dataclass(frozen=True, slots=True)
class Brake:
    """So many failures under a `key` are `free`; each one more doubles the next wait, up to the `longest`."""

    key: str
    free: int
    longest: timedelta


class Admins(Protocol):
    """Who may see the operator's pages, who does, and who tries to. Names are told apart without their case.

    Each change and each session stands in the audit log, written with it or not at all.
    """

    async def add(self, name: str, *, roles: Collection[str], password: str, by: str) -> None:
        """Raises Refused where the name is taken."""
        ...

    async def named(self, name: str) -> Admin | None: ...

    async def all(self) -> tuple[Admin, ...]:
        """By name."""
        ...

    async def change(
        self, name: str, *, by: str, roles: Collection[str] | None = None, password: str | None = None
    ) -> int:
        """Ends their sessions; how many. Raises NotFound."""
        ...

    async def remove(self, name: str, *, by: str) -> int:
        """With their sessions; how many. Raises NotFound."""
        ...

    async def begin(self, token: str, session: SignedIn, *, password: str | None = None) -> None:
        """Whoever shows this token from here on is them; it can't be read from what is kept.

        For a local one: raises NotFound where `password`, or their roles, are not what is kept of them any more.
        """
        ...

    async def session(self, token: str, *, idle: timedelta) -> SignedIn | None:
        """Who shows this token, and was seen within `idle`; seen now."""
        ...

    async def end(self, token: str) -> None: ...

    async def end_all(self, name: str, *, by: str) -> int:
        """Signs everybody of this name out, whoever vouched for them; how many sessions."""
        ...

    async def sessions(self) -> tuple[SignedIn, ...]:
        """Those that are not over, the one that lasts longest first."""
        ...

    async def attempt(self, brakes: Collection[Brake]) -> timedelta:
        """Counts a failure under each key, before it is known for one, and returns zero.

        Where one of them has to wait still: how long, and nothing is counted. The same for every process of the house;
        what lies a day back counts no more.
        """
        ...

    async def forgive(self, keys: Sequence[str]) -> None:
        """It was no failure after all, nor count those before it."""
        ...


@dataclass(frozen=True, slots=True)
class Consumer:
    """What one person has used today, and until when the limits are lifted for them; nobody may know any more who.

    `id` is what stands for them in the audit log, and tells nobody who they are.
    """

    person: Author | None
    used: Consumption
    lifted_until: datetime | None = None
    id: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """What so many persons of a workspace have used today; `name` is ADAPTER:ID, "" where nobody knows any more."""

    name: str
    used: Consumption
    persons: int


@dataclass(frozen=True, slots=True)
class Lifted:
    """For whom no limit of a day holds, and until when; None where they were forgotten. `id` as a Consumer's."""

    person: Author | None
    until: datetime
    id: str = field(default="", compare=False)


class Quotas(Protocol):
    """What an operator sees and changes of the limits."""

    async def of(self, person: Author) -> Consumer:
        """What they have used today."""
        ...

    async def persons(self, *, limit: int) -> tuple[Consumer, ...]:
        """Who has asked today, those first who asked most."""
        ...

    async def workspaces(self, *, limit: int) -> tuple[Neighbourhood, ...]:
        """Where it was asked, most first."""
        ...

    async def lift(self, person: Author, *, until: datetime | None = None, by: str) -> datetime:
        """From here on no limit of a day holds for them, nor that of their workspace, until then or the day's end.

        In place of an earlier one. The audit log keeps it, and who did it.
        """
        ...

    async def restore(self, person: Author, *, by: str) -> bool:
        """The limits hold for them again; False where they did."""
        ...

    async def lifted(self, *, limit: int) -> tuple[Lifted, ...]:
        """For whom they are lifted, who is next to be limited again first."""
        ...


class Secrets(Protocol):
    """Sealed values by name: tokens that adapters must keep."""

    async def get(self, name: str) -> bytes | None: ...

    async def put(self, name: str, value: bytes) -> None: ...

    async def delete(self, name: str) -> None: ...


class Notes(Protocol):
    """What a door remembers of a person for a while, by name: sealed under their key, it goes when they are forgotten.

    Its names are those of `Secrets`.
    """

    async def get(self, name: str) -> bytes | None:
        """None also where its time is over, or it can no longer be opened."""
        ...

    async def put(self, name: str, value: bytes, *, about: Author | ReplyId, lifetime: timedelta) -> None:
        """Keeps it about a person, or about whoever asked for a reply, also one that is not begun.

        Of a reply that is gone nothing is kept.
        """
        ...

    async def delete(self, name: str) -> None: ...


class Leader(Protocol):
    """At most one process holds a name at a time; it is free again when its holder dies."""

    def hold(self) -> AbstractAsyncContextManager["Held"]:
        """Waits until this process holds the name; leaving gives it back."""
        ...


class Held(Protocol):
    """A name this process holds. `lost` is set when the database no longer vouches for it."""

    async def lost(self) -> None:
        """Returns when the name is no longer held."""
        ...


class SignalKind(StrEnum):
    INBOX = "inbox"
    OUTBOX = "outbox"
    MARK = "mark"
    DRAFT = "draft"
    FORGET = "forget"


@dataclass(frozen=True, slots=True)
class Signal:
    """Something changed in some process.

    `key` is the reply id of a mark or draft, the lane of the inbox that has something to do, "" where it may be either.
    FORGET: what this process holds in memory of what persons said may be theirs who are forgotten, and goes.
    """

    kind: SignalKind
    key: str = ""


class Store(Protocol):
    """All that is remembered. `unit()` commits on leaving and rolls back on an exception; raises NotStored."""

    @property
    def drafts(self) -> Drafts: ...
    @property
    def archive(self) -> Archive: ...
    @property
    def secrets(self) -> Secrets: ...
    @property
    def notes(self) -> Notes: ...
    @property
    def people(self) -> People: ...
    @property
    def audit(self) -> Audit: ...
    @property
    def quotas(self) -> Quotas: ...
    @property
    def admins(self) -> Admins: ...
    @property
    def overview(self) -> Overview: ...

    def unit(self, *, autocommit: bool = False) -> AbstractAsyncContextManager[Unit]:
        """With `autocommit` what is read or claimed is committed at once: cheaper for a unit of a single call."""
        ...

    def leader(self, name: str) -> Leader: ...

    def signals(self) -> AsyncGenerator[Signal, None]:
        """Wake-ups from every process, this one too; some may be lost, so poll besides."""
        ...

    async def check(self) -> None:
        """Raises NotStored where the database would not take a message."""
        ...


# -------------------------------------------------------------------------------------------------- inside the turn


@dataclass(frozen=True, slots=True)
class Finished:
    """An answer as it was stored. `written` is None where no model wrote it; `has_extras` besides its words."""

    reply: Reply
    state: State
    written: Written | None
    has_extras: bool = False


class Keeper(Protocol):
    """Is offered every answer once it is stored, and may keep it."""

    def offer(self, finished: Finished) -> None:
        """Returns at once and never raises: nobody waits for what is kept."""
        ...


class Embedder(Protocol):
    """Turns texts into vectors of one length."""

    @property
    def name(self) -> str:
        """The model and its revision: vectors of two names have nothing to do with each other."""
        ...

    @property
    def dimension(self) -> int: ...

    async def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """Unit vectors; raises Refused for a text it cannot read."""
        ...


class Metrics(Protocol):
    """Numbers over time. Labels carry no content and no person."""

    def count(self, name: str, amount: float = 1, **labels: str) -> None: ...

    def observe(self, name: str, value: float, **labels: str) -> None: ...

    def gauge(self, name: str, value: float, **labels: str) -> None: ...
