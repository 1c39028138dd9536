"""How much each person asks in a day, what was lifted for them, and who waits because they have enough running.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

INDEXES = {
    "inbox_claimable": "inbox (lane, id) WHERE status = 0 AND aside IS NULL",
    "inbox_running_author": "inbox (author) WHERE status = 1 AND lane = 'turn'",
    "inbox_aside_author": "inbox (author, id) WHERE status = 0 AND aside = 2",
    "inbox_aside_thread": "inbox (thread, id) WHERE status = 0 AND aside = 1",
}
# Whoever claims turns of a person counts behind this lock what runs of theirs, and sees what was claimed just before.
# A process that stands still while it holds one keeps the others from that person alone: their seats are NULL then.
SEATS_LEFT = """
    CREATE FUNCTION seats_left(person uuid, seats integer) RETURNS bigint LANGUAGE plpgsql
    SET lock_timeout = '300ms' AS $$
    BEGIN
        BEGIN
            PERFORM pg_advisory_xact_lock(uuid_hash_extended(person, 0));
        EXCEPTION WHEN lock_not_available THEN
            RETURN NULL;
        END;
        RETURN seats - (SELECT count(*) FROM inbox WHERE author = person AND status = 1 AND lane = 'turn');
    END
    $$
"""


def bounds() -> None:
    """A migration never makes the running release wait: it gives up on a lock and is run again."""
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '60s'")


def upgrade() -> None:
    # Each by itself, for no longer than whoever serves has patience: they take these tables in some other order. What
    # is done is passed over where what follows breaks off.
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = '1s'")
        op.execute("ALTER TABLE inbox ADD COLUMN IF NOT EXISTS aside smallint")
        op.execute("ALTER TABLE turns ADD COLUMN IF NOT EXISTS counted_on date")
        op.execute("RESET lock_timeout")
    # Nobody who writes waits for them, however long they take. One that was broken off is built again.
    with op.get_context().autocommit_block():
        op.execute("SET statement_timeout = 0")
        for name, rows in INDEXES.items():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {rows}")
        op.execute("RESET statement_timeout")
    bounds()
    op.execute(SEATS_LEFT)
    op.create_table(
        "consumption",
        sa.Column("person", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("workspace", sa.Uuid(), nullable=False),
        sa.Column("messages", sa.Integer(), server_default="0", nullable=False),
        sa.Column("tokens", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("person", "day", "workspace", name="consumption_pkey"),
        postgresql_with={"fillfactor": 70},
    )
    op.create_index("consumption_day_workspace", "consumption", ["day", "workspace"])
    op.create_table(
        "lifted",
        sa.Column("person", sa.Uuid(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("person", name="lifted_pkey"),
    )
    op.create_index("lifted_until", "lifted", ["until"])


def downgrade() -> None:
    bounds()
    op.drop_table("lifted")
    op.drop_table("consumption")
    op.execute("DROP FUNCTION seats_left(uuid, integer)")
    for name in INDEXES:
        op.drop_index(name)
    op.drop_column("turns", "counted_on")
    op.drop_column("inbox", "aside")
