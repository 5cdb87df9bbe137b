"""Building a baseline from files."""
