"""The first tables: what is said, answered, rated, queued and sealed.

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Sealed bytes do not shrink: trying to compress them is time lost.
SEALED = (
    ("inbox", "payload"),
    ("messages", "body"),
    ("replies", "about"),
    ("replies", "body"),
    ("drafts", "body"),
    ("outbox", "state"),
    ("votes", "body"),
)


def bounds() -> None:
    """A migration never makes the running release wait: it gives up on a lock and is run again."""
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '60s'")


def upgrade() -> None:
    bounds()
    op.create_table(
        "drafts",
        sa.Column("reply_id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), server_default="", nullable=False),
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("reply_id", name="drafts_pkey"),
        postgresql_with={
            "fillfactor": 50,
            "autovacuum_vacuum_scale_factor": 0.02,
            "autovacuum_analyze_scale_factor": 0.05,
        },
    )
    op.create_table(
        "house",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="house_pkey"),
    )
    op.create_table(
        "inbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("reply_id", sa.Uuid(), nullable=False),
        sa.Column("adapter", sa.Text(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("thread", sa.Uuid(), nullable=False),
        sa.Column("author", sa.Uuid(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=True),
        sa.Column("status", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("available_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("mark", sa.Text(), nullable=True),
        sa.Column("reason", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="inbox_pkey"),
        sa.UniqueConstraint("reply_id", name="inbox_reply_id_key"),
        postgresql_with={
            "fillfactor": 70,
            "autovacuum_vacuum_scale_factor": 0.02,
            "autovacuum_analyze_scale_factor": 0.05,
        },
    )
    op.create_index("inbox_running", "inbox", ["id"], unique=False, postgresql_where=sa.text("status = 1"))
    op.create_index(
        "inbox_running_thread",
        "inbox",
        ["thread"],
        unique=True,
        postgresql_where=sa.text("status = 1 AND lane = 'turn'"),
    )
    op.create_index(
        "inbox_unfinished_thread",
        "inbox",
        ["thread", "id"],
        unique=False,
        postgresql_where=sa.text("status IN (0, 1) AND lane = 'turn'"),
    )
    op.create_index("inbox_waiting", "inbox", ["lane", "id"], unique=False, postgresql_where=sa.text("status = 0"))
    op.create_table(
        "keys",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("scope", sa.Uuid(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="keys_pkey"),
        sa.UniqueConstraint("scope", name="keys_scope_key"),
    )
    op.create_table(
        "messages",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("thread", sa.Uuid(), nullable=False),
        sa.Column("author", sa.Uuid(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("is_erased", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="messages_pkey"),
    )
    op.create_index("messages_thread_seq", "messages", ["thread", "seq"], unique=True)
    op.create_table(
        "outbox",
        sa.Column("reply_id", sa.Uuid(), nullable=False),
        sa.Column("inbox_id", sa.BigInteger(), nullable=False),
        sa.Column("adapter", sa.Text(), nullable=False),
        sa.Column("thread", sa.Uuid(), nullable=False),
        sa.Column("is_ready", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("status", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="1", nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("available_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.LargeBinary(), nullable=True),
        sa.Column("reason", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("reply_id", name="outbox_pkey"),
        postgresql_with={
            "fillfactor": 70,
            "autovacuum_vacuum_scale_factor": 0.02,
            "autovacuum_analyze_scale_factor": 0.05,
        },
    )
    op.create_index(
        "outbox_claimable",
        "outbox",
        ["inbox_id"],
        unique=False,
        postgresql_where=sa.text("status = 0 AND is_ready AND owner IS NULL"),
    )
    op.create_index(
        "outbox_leased",
        "outbox",
        ["inbox_id"],
        unique=False,
        postgresql_where=sa.text("status = 0 AND owner IS NOT NULL"),
    )
    op.create_index(
        "outbox_undelivered_thread",
        "outbox",
        ["thread", "inbox_id"],
        unique=False,
        postgresql_where=sa.text("status = 0"),
    )
    op.create_table(
        "parts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("reply_id", sa.Uuid(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="parts_pkey"),
    )
    op.create_index("parts_reply_id_seq", "parts", ["reply_id", "seq"], unique=False)
    op.create_table(
        "replies",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("thread", sa.Uuid(), nullable=False),
        sa.Column("asker", sa.Uuid(), nullable=False),
        sa.Column("question", sa.Uuid(), nullable=False),
        sa.Column("replaces", sa.Uuid(), nullable=True),
        sa.Column("about", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("model", sa.Text(), server_default="", nullable=False),
        sa.Column("verdict", sa.Text(), server_default="", nullable=False),
        sa.Column("revision", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name="replies_pkey"),
        postgresql_with={"fillfactor": 70},
    )
    op.create_index("replies_question_seq", "replies", ["question", "seq"], unique=False)
    op.create_index("replies_thread_seq", "replies", ["thread", "seq"], unique=False)
    op.create_table(
        "secrets",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="secrets_pkey"),
    )
    op.create_table(
        "threads",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("owner", sa.Uuid(), nullable=True),
        sa.Column("route", sa.Text(), server_default="", nullable=False),
        sa.Column("reset_seq", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="threads_pkey"),
        postgresql_with={"fillfactor": 70},
    )
    op.create_index(
        "threads_owner_asked_at",
        "threads",
        ["owner", sa.literal_column("asked_at DESC")],
        unique=False,
        postgresql_where=sa.text("asked_at IS NOT NULL"),
    )
    op.create_table(
        "turns",
        sa.Column("reply_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), server_default="", nullable=False),
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=True),
        sa.Column("prompt_tokens", sa.Integer(), server_default="0", nullable=False),
        sa.Column("completion_tokens", sa.Integer(), server_default="0", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="1", nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("first_text_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("reply_id", name="turns_pkey"),
        postgresql_with={"fillfactor": 70},
    )
    op.create_table(
        "votes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("reply_id", sa.Uuid(), nullable=False),
        sa.Column("author", sa.Uuid(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("part", sa.Uuid(), nullable=True),
        sa.Column("score", sa.SmallInteger(), nullable=True),
        sa.Column("model", sa.Text(), server_default="", nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="votes_pkey"),
    )
    op.create_index("votes_reply_id_author", "votes", ["reply_id", "author"], unique=False)
    for table, column in SEALED:
        op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STORAGE EXTERNAL")


def downgrade() -> None:
    bounds()
    for table in (
        "drafts",
        "house",
        "inbox",
        "keys",
        "messages",
        "outbox",
        "parts",
        "replies",
        "secrets",
        "threads",
        "turns",
        "votes",
    ):
        op.drop_table(table)
