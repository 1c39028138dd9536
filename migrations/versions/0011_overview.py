"""What the operator's pages are read by: figures that were summed up, appeals that were ruled on, and indexes.

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

COLUMNS = {
    "turns": ("adapter text",),
    "incidents": ("ruled_at timestamptz", "ruling bytea"),
}
INDEXES = {
    "turns_received_at": "INDEX CONCURRENTLY {name} ON turns (received_at)",
    "threads_asked_at_id": "INDEX CONCURRENTLY {name} ON threads (asked_at, id) WHERE asked_at IS NOT NULL",
    "votes_seq": "UNIQUE INDEX CONCURRENTLY {name} ON votes (seq)",
    "votes_model_seq": "INDEX CONCURRENTLY {name} ON votes (model, seq)",
    "votes_down": "INDEX CONCURRENTLY {name} ON votes (seq) WHERE score <= 2",
    "votes_sent_at": "INDEX CONCURRENTLY {name} ON votes (sent_at)",
    "incidents_action_seq": "INDEX CONCURRENTLY {name} ON incidents (action, seq)",
    "incidents_created_at": "INDEX CONCURRENTLY {name} ON incidents (created_at)",
    "incidents_unruled": (
        "INDEX CONCURRENTLY {name} ON incidents (seq) WHERE appealed_at IS NOT NULL AND ruled_at IS NULL"
    ),
}


def bounds() -> None:
    """A migration never makes the running release wait: it gives up on a lock and is run again."""
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '60s'")


def upgrade() -> None:
    # Each by itself, for no longer than whoever serves has patience: they take these tables in some other order. What
    # is done is passed over where what follows breaks off.
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = '1s'")
        for table, columns in COLUMNS.items():
            for column in columns:
                op.execute(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {column}")
        op.execute("RESET lock_timeout")
    # Nobody who writes waits for them, however long they take. One that was broken off is built again.
    with op.get_context().autocommit_block():
        op.execute("SET statement_timeout = 0")
        for name, definition in INDEXES.items():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE {definition.format(name=name)}")
        op.execute("RESET statement_timeout")
    bounds()
    op.create_table(
        "tallies",
        sa.Column("minutes", sa.SmallInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("adapter", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("turns", "prompt_tokens", "completion_tokens")),
        sa.Column("firsts", sa.BigInteger(), nullable=False),
        sa.Column("first_seconds", sa.Double(), nullable=False),
        sa.Column("wholes", sa.BigInteger(), nullable=False),
        sa.Column("whole_seconds", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("minutes", "at", "adapter", "state", "model", name="tallies_pkey"),
    )
    op.create_table(
        "tally_steps",
        sa.Column("minutes", sa.SmallInteger(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first", ARRAY(sa.Double()), nullable=True),
        sa.Column("whole", ARRAY(sa.Double()), nullable=True),
        sa.Column("is_settled", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("minutes", "at", name="tally_steps_pkey"),
    )
    op.create_index(
        "tally_steps_unsettled", "tally_steps", ["minutes", "at"], postgresql_where=sa.text("NOT is_settled")
    )


def downgrade() -> None:
    bounds()
    op.drop_table("tally_steps")
    op.drop_table("tallies")
    for name in INDEXES:
        op.drop_index(name)
    for table, columns in COLUMNS.items():
        for column in columns:
            op.drop_column(table, column.partition(" ")[0])
