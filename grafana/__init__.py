"""Grafana: generated dashboards, the code that generates them, and provisioning."""
