"""The package's unit tests on the oldest Python, with the smallest versions of what the package needs."""
