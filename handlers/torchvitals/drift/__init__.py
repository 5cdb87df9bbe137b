"""The rolling window, its comparison with the baseline, and the verdict."""
