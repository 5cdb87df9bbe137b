"""What inputs other than columns become; each file knows arrays alone."""
