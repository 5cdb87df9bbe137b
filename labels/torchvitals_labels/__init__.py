"""Ground truth: labels that come later are joined with predictions, in a database, and counted for Prometheus."""
