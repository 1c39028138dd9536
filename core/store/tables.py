"""The shape of what is remembered. What a person wrote, and every id a platform gave, is sealed or a blind index."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "ix": "%(table_name)s_%(column_0_N_name)s",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
    }
)

# Rows that change several times keep room on their page, so that a change writes no index.
_ROOMY = {"fillfactor": 70}
# Queues turn over all the time: they are swept after a few thousand rows, however much history lies beside them.
_CHURNING = _ROOMY | {"autovacuum_vacuum_scale_factor": 0.02, "autovacuum_analyze_scale_factor": 0.05}


def _moment(name: str, **more: object) -> Column[object]:
    return Column(name, DateTime(timezone=True), **more)  # type: ignore[arg-type]


def _text(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, server_default="")


# The data keys, one per scope (a person, or the house), each wrapped by a key encryption key.
keys = Table(
    "keys",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("scope", Uuid, nullable=False, unique=True),
    Column("wrapped", LargeBinary, nullable=False),
)

# What the house itself must keep: the key of the blind indexes.
house = Table(
    "house",
    metadata,
    Column("name", Text, primary_key=True),
    Column("wrapped", LargeBinary, nullable=False),
)

threads = Table(
    "threads",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("owner", Uuid),
    _text("route"),
    Column("reset_seq", BigInteger, nullable=False, server_default="0"),
    _moment("asked_at"),
    postgresql_with=_ROOMY,
)
Index(
    "threads_owner_asked_at",
    threads.c.owner,
    threads.c.asked_at.desc(),
    postgresql_where=threads.c.asked_at.is_not(None),
)
Index("threads_owner", threads.c.owner, postgresql_where=threads.c.asked_at.is_(None))
Index("threads_asked_at_id", threads.c.asked_at, threads.c.id, postgresql_where=threads.c.asked_at.is_not(None))

# Messages and replies are kept as long as their `workspace` (its blind index) says, counted from `said_at`; where it
# is unknown, an earlier release has written them.
# `id` is the blind index of the message's own id, and so the id of its first reply; `seq` is its place at intake;
# `reading` is what was read besides it, sealed too, where anything was. An erased row may also stand for a message that
# has not come, with the event that came before it: its deletion, or its edit.
messages = Table(
    "messages",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("thread", Uuid, nullable=False),
    Column("author", Uuid, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("is_erased", Boolean, nullable=False, server_default=text("false")),
    Column("reading", LargeBinary),
    Column("workspace", Uuid),
    _moment("said_at", server_default=func.now()),
)
Index("messages_thread_seq", messages.c.thread, messages.c.seq, unique=True)
Index("messages_author_seq", messages.c.author, messages.c.seq)
Index("messages_workspace_said_at", messages.c.workspace, messages.c.said_at)

turns = Table(
    "turns",
    metadata,
    Column("reply_id", Uuid, primary_key=True),
    Column("state", Text, nullable=False),
    _text("model"),
    _text("source"),
    Column("seed", BigInteger),
    Column("prompt_tokens", Integer, nullable=False, server_default="0"),
    Column("completion_tokens", Integer, nullable=False, server_default="0"),
    Column("attempts", Integer, nullable=False, server_default="1"),
    _moment("received_at", nullable=False),
    _moment("started_at"),
    _moment("first_text_at"),
    _moment("finished_at"),
    Column("counted_on", Date),
    Column("adapter", Text),
    postgresql_with=_ROOMY,
)
# It never changes: a turn that moves on writes no index.
Index("turns_received_at", turns.c.received_at)

# `question` is the message answered, `about` the sealed circumstances, `body` the sealed text once it is final, and
# `reasoning` what was thought before it, sealed too, where anything was.
replies = Table(
    "replies",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("thread", Uuid, nullable=False),
    Column("asker", Uuid, nullable=False),
    Column("question", Uuid, nullable=False),
    Column("replaces", Uuid),
    Column("about", LargeBinary, nullable=False),
    Column("body", LargeBinary),
    _text("source"),
    _text("model"),
    _text("verdict"),
    Column("revision", Integer, nullable=False, server_default="0"),
    Column("reasoning", LargeBinary),
    Column("workspace", Uuid),
    _moment("said_at", server_default=func.now()),
    postgresql_with=_ROOMY,
)
Index("replies_question_seq", replies.c.question, replies.c.seq)
Index("replies_thread_seq", replies.c.thread, replies.c.seq)
Index("replies_asker_seq", replies.c.asker, replies.c.seq)
Index("replies_workspace_said_at", replies.c.workspace, replies.c.said_at)

parts = Table(
    "parts",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("seq", BigInteger, Identity(always=True), nullable=False),
    Column("reply_id", Uuid, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
Index("parts_reply_id_seq", parts.c.reply_id, parts.c.seq)

drafts = Table(
    "drafts",
    metadata,
    Column("reply_id", Uuid, primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("state", Text, nullable=False),
    _text("model"),
    _text("source"),
    Column("body", LargeBinary, nullable=False),
    postgresql_with=_CHURNING | {"fillfactor": 50},
)

# Every vote ever cast; what counts is folded from them when they are read.
votes = Table(
    "votes",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("seq", BigInteger, Identity(always=True), nullable=False),
    Column("reply_id", Uuid, nullable=False),
    Column("author", Uuid, nullable=False),
    Column("origin", Text, nullable=False),
    Column("part", Uuid),
    Column("score", SmallInteger),
    _text("model"),
    _moment("sent_at", nullable=False),
    Column("body", LargeBinary, nullable=False),
)
Index("votes_reply_id_author", votes.c.reply_id, votes.c.author)
Index("votes_author_reply_id", votes.c.author, votes.c.reply_id)
Index("votes_seq", votes.c.seq, unique=True)
Index("votes_model_seq", votes.c.model, votes.c.seq)
Index("votes_down", votes.c.seq, postgresql_where=text("score <= 2"))
Index("votes_sent_at", votes.c.sent_at)

# What moderation found, sealed under the asker's key: `body` says what and where, `appeal` what they say to it, and
# `ruling` what an operator found of that.
incidents = Table(
    "incidents",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("seq", BigInteger, Identity(always=True), nullable=False),
    Column("reply_id", Uuid, nullable=False),
    Column("thread", Uuid, nullable=False),
    Column("asker", Uuid, nullable=False),
    Column("action", Text, nullable=False),
    _moment("created_at", nullable=False, server_default=func.now()),
    _moment("appealed_at"),
    Column("body", LargeBinary, nullable=False),
    Column("appeal", LargeBinary),
    _moment("ruled_at"),
    Column("ruling", LargeBinary),
)
Index("incidents_seq", incidents.c.seq, unique=True)
Index("incidents_reply_id", incidents.c.reply_id)
Index("incidents_asker", incidents.c.asker)
Index(
    "incidents_thread_asker_seq",
    incidents.c.thread,
    incidents.c.asker,
    incidents.c.seq,
    postgresql_where=text("action = 'refuse'"),
)
Index("incidents_appealed", incidents.c.seq, postgresql_where=incidents.c.appealed_at.is_not(None))
Index("incidents_action_seq", incidents.c.action, incidents.c.seq)
Index("incidents_created_at", incidents.c.created_at)
Index("incidents_unruled", incidents.c.seq, postgresql_where=text("appealed_at IS NOT NULL AND ruled_at IS NULL"))

# Calls that wait for their asker's yes, one for each reply that asks. `seq` is the place of what was asked at intake,
# `question` the message it answers, `body` the call, sealed under the asker's key, `taken_by` the event that says yes.
asks = Table(
    "asks",
    metadata,
    Column("reply_id", Uuid, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("thread", Uuid, nullable=False),
    Column("asker", Uuid, nullable=False),
    Column("question", Uuid, nullable=False),
    Column("body", LargeBinary, nullable=False),
    _moment("expires_at", nullable=False),
    Column("taken_by", Uuid, unique=True),
    _moment("taken_at"),
)
_is_waiting = asks.c.taken_by.is_(None)
Index("asks_question", asks.c.question)
Index("asks_asker", asks.c.asker)
Index("asks_thread_asker_seq", asks.c.thread, asks.c.asker, asks.c.seq)
Index("asks_expires_at", asks.c.expires_at, postgresql_where=_is_waiting)
Index("asks_taken_at", asks.c.taken_at, postgresql_where=asks.c.taken_at.is_not(None))

# status: 0 waiting, 1 running, 2 done, 3 buried. The text of a message is in `messages`, of anything else in `payload`.
# aside: why a waiting turn need not be looked at until something ends: 1 others of its thread, 2 others of its person.
inbox = Table(
    "inbox",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("reply_id", Uuid, nullable=False, unique=True),
    Column("adapter", Text, nullable=False),
    Column("lane", Text, nullable=False),
    Column("thread", Uuid, nullable=False),
    Column("author", Uuid, nullable=False),
    Column("payload", LargeBinary),
    Column("status", SmallInteger, nullable=False, server_default="0"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("failures", Integer, nullable=False, server_default="0"),
    _moment("available_at", nullable=False, server_default=func.now()),
    Column("owner", Text),
    _moment("lease_until"),
    Column("mark", Text),
    Column("reason", LargeBinary),
    _moment("created_at", nullable=False, server_default=func.now()),
    _moment("finished_at"),
    Column("aside", SmallInteger),
    postgresql_with=_CHURNING,
)
_in_turn = inbox.c.lane == text("'turn'")
# The hard guard of one turn at a time per thread, whatever the claims do.
Index("inbox_running_thread", inbox.c.thread, unique=True, postgresql_where=text("status = 1 AND lane = 'turn'"))
Index(
    "inbox_unfinished_thread", inbox.c.thread, inbox.c.id, postgresql_where=text("status IN (0, 1) AND lane = 'turn'")
)
Index("inbox_waiting", inbox.c.lane, inbox.c.id, postgresql_where=text("status = 0"))
Index("inbox_running", inbox.c.id, postgresql_where=text("status = 1"))
Index("inbox_author", inbox.c.author, postgresql_where=text("status <> 2"))
Index("inbox_claimable", inbox.c.lane, inbox.c.id, postgresql_where=text("status = 0 AND aside IS NULL"))
Index("inbox_running_author", inbox.c.author, postgresql_where=text("status = 1 AND lane = 'turn'"))
Index("inbox_aside_author", inbox.c.author, inbox.c.id, postgresql_where=text("status = 0 AND aside = 2"))
Index("inbox_aside_thread", inbox.c.thread, inbox.c.id, postgresql_where=text("status = 0 AND aside = 1"))
Index("inbox_finished", inbox.c.finished_at, postgresql_where=text("status = 2"))

# status: 0 to be delivered, 3 buried; a delivered row is deleted. `extras` is what a ready answer has besides its text,
# sealed too, where it has anything: pictures are kept as long as they may have to be shown, and no history reads them.
outbox = Table(
    "outbox",
    metadata,
    Column("reply_id", Uuid, primary_key=True),
    Column("inbox_id", BigInteger, nullable=False),
    Column("adapter", Text, nullable=False),
    Column("thread", Uuid, nullable=False),
    Column("is_ready", Boolean, nullable=False, server_default=text("false")),
    Column("status", SmallInteger, nullable=False, server_default="0"),
    Column("attempts", Integer, nullable=False, server_default="1"),
    Column("failures", Integer, nullable=False, server_default="0"),
    _moment("available_at", nullable=False, server_default=func.now()),
    Column("owner", Text),
    _moment("lease_until"),
    Column("state", LargeBinary),
    Column("reason", LargeBinary),
    Column("extras", LargeBinary),
    postgresql_with=_CHURNING,
)
Index("outbox_undelivered_thread", outbox.c.thread, outbox.c.inbox_id, postgresql_where=text("status = 0"))
Index("outbox_claimable", outbox.c.inbox_id, postgresql_where=text("status = 0 AND is_ready AND owner IS NULL"))
Index("outbox_leased", outbox.c.inbox_id, postgresql_where=text("status = 0 AND owner IS NOT NULL"))

# Sealed under the house's key, or under that of its `owner`: then it is a note that lasts until it expires.
secrets = Table(
    "secrets",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("body", LargeBinary, nullable=False),
    Column("owner", Uuid),
    _moment("expires_at"),
)
Index("secrets_owner", secrets.c.owner, postgresql_where=secrets.c.owner.is_not(None))
Index("secrets_expires_at", secrets.c.expires_at, postgresql_where=secrets.c.expires_at.is_not(None))

# Answers kept for whoever asks the same. `key` is a blind index, `question` the message first asked;
# `body` holds question and answer, `vector` what near hits are looked for by, both sealed under the asker's key.
cached = Table(
    "cached",
    metadata,
    Column("key", Uuid, primary_key=True),
    Column("asker", Uuid, nullable=False),
    Column("question", Uuid, nullable=False),
    _text("model"),
    Column("body", LargeBinary, nullable=False),
    _text("embedder"),
    Column("vector", LargeBinary),
    _moment("kept_at", nullable=False, server_default=func.now()),
    _moment("expires_at", nullable=False),
)
Index("cached_question", cached.c.question)
Index("cached_asker", cached.c.asker)
Index("cached_kept_at_key", cached.c.kept_at, cached.c.key)
Index("cached_expires_at", cached.c.expires_at)

# Which kept answer a reply is, or was taken from: a vote on any of them evicts it.
cached_uses = Table(
    "cached_uses",
    metadata,
    Column("reply_id", Uuid, primary_key=True),
    Column("key", Uuid, nullable=False),
    _moment("used_at", nullable=False, server_default=func.now()),
)
Index("cached_uses_used_at", cached_uses.c.used_at)

# Keys whose answer somebody found wrong; nothing is kept under them again.
cached_blocks = Table(
    "cached_blocks",
    metadata,
    Column("key", Uuid, primary_key=True),
    _moment("blocked_at", nullable=False, server_default=func.now()),
)

# What was done with what is kept. A line names the one before it, and no line is changed or deleted: a trigger refuses
# it, and whoever gets round that breaks the chain. `body` is sealed under the house's key, `person` is a blind index.
audit = Table(
    "audit",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    _moment("at", nullable=False),
    Column("action", Text, nullable=False),
    Column("person", Uuid),
    Column("body", LargeBinary, nullable=False),
    Column("link", LargeBinary, nullable=False),
)
Index("audit_person_id", audit.c.person, audit.c.id, postgresql_where=audit.c.person.is_not(None))

# Who may see the operator's pages. `id` is a blind index of the name; `body` holds name, roles and what the password is
# checked with, sealed under the house's key: whoever can write here and has no key can make nobody an admin.
admins = Table(
    "admins",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

# Who is signed in. `id` is all that is kept of the token in the browser's cookie, `who` a blind index; sealed too.
admin_sessions = Table(
    "admin_sessions",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("who", Uuid, nullable=False),
    Column("body", LargeBinary, nullable=False),
    _moment("seen_at", nullable=False, server_default=func.now()),
    _moment("expires_at", nullable=False),
)
Index("admin_sessions_who", admin_sessions.c.who)
Index("admin_sessions_expires_at", admin_sessions.c.expires_at)

# Passwords that were tried, by blind indexes of who was named and from where; nothing more is tried before `free_at`.
admin_tries = Table(
    "admin_tries",
    metadata,
    Column("key", Uuid, primary_key=True),
    Column("failures", Integer, nullable=False),
    _moment("tried_at", nullable=False),
    _moment("free_at", nullable=False),
)
Index("admin_tries_tried_at", admin_tries.c.tried_at)

# What the house had to do, summed up once a step of so many minutes is over: a week of turns, or an hour of a busy
# house, is too much to be counted for a page. Nobody is in it, so it stays when a person goes.
tallies = Table(
    "tallies",
    metadata,
    Column("minutes", SmallInteger, primary_key=True, autoincrement=False),
    _moment("at", primary_key=True),
    Column("adapter", Text, primary_key=True),
    Column("state", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("turns", BigInteger, nullable=False),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    Column("firsts", BigInteger, nullable=False),
    Column("first_seconds", Double, nullable=False),
    Column("wholes", BigInteger, nullable=False),
    Column("whole_seconds", Double, nullable=False),
)

# Which steps were summed up. Percentiles can't be added to each other: each step has its own. One with turns that go on
# `is_settled` only when they have ended, and until then it is summed up again and again.
tally_steps = Table(
    "tally_steps",
    metadata,
    Column("minutes", SmallInteger, primary_key=True, autoincrement=False),
    _moment("at", primary_key=True),
    Column("first", ARRAY(Double)),
    Column("whole", ARRAY(Double)),
    Column("is_settled", Boolean, nullable=False),
)
Index(
    "tally_steps_unsettled",
    tally_steps.c.minutes,
    tally_steps.c.at,
    postgresql_where=text("NOT is_settled"),
)

# What a person has asked and been answered on one day (of UTC) in one workspace: counts, by blind indexes alone.
consumption = Table(
    "consumption",
    metadata,
    Column("person", Uuid, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("workspace", Uuid, primary_key=True),
    Column("messages", Integer, nullable=False, server_default="0"),
    Column("tokens", BigInteger, nullable=False, server_default="0"),
    postgresql_with=_ROOMY,
)
Index("consumption_day_workspace", consumption.c.day, consumption.c.workspace)

# For whom the limits of a day do not hold for a while; `body` says who that is, sealed under their key.
lifted = Table(
    "lifted",
    metadata,
    Column("person", Uuid, primary_key=True),
    _moment("until", nullable=False),
    Column("body", LargeBinary, nullable=False),
)
Index("lifted_until", lifted.c.until)
