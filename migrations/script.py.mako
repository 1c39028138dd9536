"""${message}

Revision ID: ${up_revision}
Revises: ${down_revision | comma,n}
"""

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def bounds() -> None:
    """A migration never makes the running release wait: it gives up on a lock and is run again."""
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("SET LOCAL statement_timeout = '60s'")


def upgrade() -> None:
    bounds()
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    bounds()
    ${downgrades if downgrades else "pass"}
