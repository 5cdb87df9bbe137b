"""The migrations of the store, in alembic's form."""
