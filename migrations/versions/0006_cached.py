"""Answers kept for whoever asks the same.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def bounds() -> None:
    """A migration never makes the running release wait: it gives up on a lock and is run again."""
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '60s'")


def upgrade() -> None:
    bounds()
    op.create_table(
        "cached",
        sa.Column("key", sa.Uuid(), nullable=False),
        sa.Column("asker", sa.Uuid(), nullable=False),
        sa.Column("question", sa.Uuid(), nullable=False),
        sa.Column("model", sa.Text(), server_default="", nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("embedder", sa.Text(), server_default="", nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=True),
        sa.Column("kept_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name="cached_pkey"),
    )
    op.create_index("cached_question", "cached", ["question"], unique=False)
    op.create_index("cached_kept_at_key", "cached", ["kept_at", "key"], unique=False)
    op.create_index("cached_expires_at", "cached", ["expires_at"], unique=False)
    # A sealed value does not become smaller.
    op.execute("ALTER TABLE cached ALTER COLUMN body SET STORAGE EXTERNAL")
    op.execute("ALTER TABLE cached ALTER COLUMN vector SET STORAGE EXTERNAL")
    op.create_table(
        "cached_uses",
        sa.Column("reply_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Uuid(), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("reply_id", name="cached_uses_pkey"),
    )
    op.create_index("cached_uses_used_at", "cached_uses", ["used_at"], unique=False)
    op.create_table(
        "cached_blocks",
        sa.Column("key", sa.Uuid(), nullable=False),
        sa.Column("blocked_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("key", name="cached_blocks_pkey"),
    )


def downgrade() -> None:
    bounds()
    for table in ("cached", "cached_blocks", "cached_uses"):
        op.drop_table(table)
