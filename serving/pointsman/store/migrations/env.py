"""Run by Alembic: apply the revisions on the connection that `pointsman.store.schema` hands over."""

from alembic import context

from pointsman.store.tables import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
with context.begin_transaction():
    context.run_migrations()
