"""The shape of what is remembered. What a person wrote, and every id a platform gave, is sealed or a blind index."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
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
    postgresql_with=_ROOMY,
)

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

# What moderation found, sealed under the asker's key: `body` says what and where, `appeal` what they say to it.
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

secrets = Table(
    "secrets",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

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
