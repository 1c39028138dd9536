"""What an answer has besides its text, kept until it is delivered.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def bounds() -> None:
    """A migration never makes the running release wait: it gives up on a lock and is run again."""
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '60s'")


def upgrade() -> None:
    bounds()
    # Without a default: no row is rewritten, and the release before goes on writing rows without it.
    op.add_column("outbox", sa.Column("extras", sa.LargeBinary(), nullable=True))
    op.execute("ALTER TABLE outbox ALTER COLUMN extras SET STORAGE EXTERNAL")


def downgrade() -> None:
    bounds()
    op.drop_column("outbox", "extras")
