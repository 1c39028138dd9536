"""What is finished is found by when that was.

Revision ID: 0013
Revises: 0012
"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

INDEXES = {"inbox_finished": "inbox (finished_at) WHERE status = 2"}


def bounds() -> None:
    """A migration never makes the running release wait: it gives up on a lock and is run again."""
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '60s'")


def upgrade() -> None:
    bounds()
    # Nobody who writes waits for them, however long they take. One that was broken off is built again.
    with op.get_context().autocommit_block():
        op.execute("SET statement_timeout = 0")
        for name, rows in INDEXES.items():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {rows}")
        op.execute("RESET statement_timeout")


def downgrade() -> None:
    bounds()
    for name in INDEXES:
        op.drop_index(name)
