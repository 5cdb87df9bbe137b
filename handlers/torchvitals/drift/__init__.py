"""Drift: a rolling window of rows, its comparison with the baseline by statistics, and the verdict."""
