"""Writing calls down on the request path: durations, small copies, nothing else."""
