"""A migration a file."""
