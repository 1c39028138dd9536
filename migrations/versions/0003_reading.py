"""What was read besides a question, kept with it.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def bounds() -> None:
    """A migration never makes the running release wait: it gives up on a lock and is run again."""
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '60s'")


def upgrade() -> None:
    bounds()
    # Without a default: no row is rewritten, and the release before goes on writing rows without it.
    op.add_column("messages", sa.Column("reading", sa.LargeBinary(), nullable=True))
    op.execute("ALTER TABLE messages ALTER COLUMN reading SET STORAGE EXTERNAL")


def downgrade() -> None:
    bounds()
    op.drop_column("messages", "reading")
