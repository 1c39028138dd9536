"""What moderation found, and what those it refused say to it.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def bounds() -> None:
    """A migration never makes the running release wait: it gives up on a lock and is run again."""
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '60s'")


def upgrade() -> None:
    bounds()
    op.create_table(
        "incidents",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("reply_id", sa.Uuid(), nullable=False),
        sa.Column("thread", sa.Uuid(), nullable=False),
        sa.Column("asker", sa.Uuid(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("appealed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("appeal", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="incidents_pkey"),
    )
    op.create_index("incidents_seq", "incidents", ["seq"], unique=True)
    op.create_index("incidents_reply_id", "incidents", ["reply_id"])
    op.create_index(
        "incidents_thread_asker_seq",
        "incidents",
        ["thread", "asker", "seq"],
        postgresql_where=sa.text("action = 'refuse'"),
    )
    op.create_index("incidents_appealed", "incidents", ["seq"], postgresql_where=sa.text("appealed_at IS NOT NULL"))


def downgrade() -> None:
    bounds()
    op.drop_table("incidents")
