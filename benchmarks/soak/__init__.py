"""Half an hour of load, plain and monitored side by side: does memory grow, is every request counted."""
