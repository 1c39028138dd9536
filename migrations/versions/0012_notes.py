"""What a door notes of a person is found by whose it is and how long it is kept.

Revision ID: 0012
Revises: 0011
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

COLUMNS = {"owner": "uuid", "expires_at": "timestamptz"}
INDEXES = {
    "secrets_owner": "secrets (owner) WHERE owner IS NOT NULL",
    "secrets_expires_at": "secrets (expires_at) WHERE expires_at IS NOT NULL",
    "threads_owner": "threads (owner) WHERE asked_at IS NULL",
}


def bounds() -> None:
    """A migration never makes the running release wait: it gives up on a lock and is run again."""
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '60s'")


def upgrade() -> None:
    bounds()
    for name, type_ in COLUMNS.items():
        op.execute(f"ALTER TABLE secrets ADD COLUMN IF NOT EXISTS {name} {type_}")
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
    for name in COLUMNS:
        op.drop_column("secrets", name)
