"""What was thought before an answer, kept beside it.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def bounds() -> None:
    """A migration never makes the running release wait: it gives up on a lock and is run again."""
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '60s'")


def upgrade() -> None:
    bounds()
    # Without a default: no row is rewritten, and the release before goes on writing rows without it.
    op.add_column("replies", sa.Column("reasoning", sa.LargeBinary(), nullable=True))
    op.execute("ALTER TABLE replies ALTER COLUMN reasoning SET STORAGE EXTERNAL")


def downgrade() -> None:
    bounds()
    op.drop_column("replies", "reasoning")
