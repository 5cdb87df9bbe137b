"""Servers that are monitored, one a file."""
