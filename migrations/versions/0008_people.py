"""What is kept is found by whose it is and how old it is, and what is done with it is written down.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

INDEXES = {
    "messages_author_seq": "messages (author, seq)",
    "replies_asker_seq": "replies (asker, seq)",
    "votes_author_reply_id": "votes (author, reply_id)",
    "incidents_asker": "incidents (asker)",
    "asks_asker": "asks (asker)",
    "cached_asker": "cached (asker)",
    "inbox_author": "inbox (author) WHERE status <> 2",
    "messages_workspace_said_at": "messages (workspace, said_at)",
    "replies_workspace_said_at": "replies (workspace, said_at)",
}
AGING = ("messages", "replies")
REFUSE = """
    CREATE FUNCTION audit_stays() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'the audit log is added to, and never changed';
    END
    $$
"""


def bounds() -> None:
    """A migration never makes the running release wait: it gives up on a lock and is run again."""
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '60s'")


def upgrade() -> None:
    # What was there before counts as said now. This much is done at once, and done again where what follows breaks off.
    for table in AGING:
        op.execute("SET LOCAL lock_timeout = '3s'")
        op.execute(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS workspace uuid")
        op.execute(f"ALTER TABLE {table} ADD COLUMN IF NOT EXISTS said_at timestamptz DEFAULT now()")
    # Nobody who writes waits for them, however long they take. One that was broken off is built again.
    with op.get_context().autocommit_block():
        op.execute("SET statement_timeout = 0")
        for name, rows in INDEXES.items():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {rows}")
        op.execute("RESET statement_timeout")
    bounds()
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("person", sa.Uuid(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("link", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="audit_pkey"),
    )
    op.create_index("audit_person_id", "audit", ["person", "id"], postgresql_where=sa.text("person IS NOT NULL"))
    op.execute(REFUSE)
    op.execute(
        "CREATE TRIGGER audit_stays BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_stays()"
    )
    op.execute("CREATE TRIGGER audit_stays_whole BEFORE TRUNCATE ON audit EXECUTE FUNCTION audit_stays()")


def downgrade() -> None:
    bounds()
    op.drop_table("audit")
    op.execute("DROP FUNCTION audit_stays()")
    for name in INDEXES:
        op.drop_index(name)
    for table in AGING:
        op.drop_column(table, "said_at")
        op.drop_column(table, "workspace")
