"""How Alembic meets the database: core.store.schema hands over a connection that holds the migration lock."""

from alembic import context

from core.store.tables import metadata

connection = context.config.attributes.get("connection")
if connection is None:
    raise SystemExit("Migrations are run by: parley db upgrade")

context.configure(
    connection=connection,
    target_metadata=metadata,
    compare_type=True,
    compare_server_default=False,  # identity and now() never compare equal to how they were written
    transaction_per_migration=True,
    on_version_apply=context.config.attributes.get("on_step"),
)
with context.begin_transaction():
    context.run_migrations()
