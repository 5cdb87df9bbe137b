"""A flight delay model on real data, served and monitored from end to end."""
