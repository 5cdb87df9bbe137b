"""What a Prometheus with our rules takes for a fleet: seconds of each group, processor, memory and series."""
