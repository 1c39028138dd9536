"""Calls that wait for their asker's yes.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def bounds() -> None:
    """A migration never makes the running release wait: it gives up on a lock and is run again."""
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '60s'")


def upgrade() -> None:
    bounds()
    op.create_table(
        "asks",
        sa.Column("reply_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("thread", sa.Uuid(), nullable=False),
        sa.Column("asker", sa.Uuid(), nullable=False),
        sa.Column("question", sa.Uuid(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("taken_by", sa.Uuid(), nullable=True),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("reply_id", name="asks_pkey"),
        sa.UniqueConstraint("taken_by", name="asks_taken_by_key"),
    )
    op.create_index("asks_question", "asks", ["question"])
    is_waiting = sa.text("taken_by IS NULL")
    op.create_index("asks_thread_asker_seq", "asks", ["thread", "asker", "seq"])
    op.create_index("asks_expires_at", "asks", ["expires_at"], postgresql_where=is_waiting)
    op.create_index("asks_taken_at", "asks", ["taken_at"], postgresql_where=sa.text("taken_at IS NOT NULL"))
    # A sealed value does not become smaller.
    op.execute("ALTER TABLE asks ALTER COLUMN body SET STORAGE EXTERNAL")


def downgrade() -> None:
    bounds()
    op.drop_table("asks")
