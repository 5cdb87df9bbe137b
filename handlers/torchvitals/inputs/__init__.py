"""What inputs other than columns become, and what a row is as a whole; each file knows arrays alone."""
