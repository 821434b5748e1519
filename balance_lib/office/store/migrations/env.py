"""Run migrations on the connection the store hands over; there is no other way in."""

from __future__ import annotations

from alembic import context

from balance_lib.office.store.models import StoreBase

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=StoreBase.metadata)
# The store has begun a transaction: all steps are written together or none.
context.run_migrations()
