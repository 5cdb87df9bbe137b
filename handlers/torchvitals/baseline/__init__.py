"""The baseline as data: its schema, its file, its bins, and which of its features are compared."""
