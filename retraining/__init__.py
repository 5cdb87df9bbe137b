"""Turns Alertmanager's alerts with the label action="retrain" into one retraining action a model.

``python -m retraining --config FILE`` runs it; docs/retraining.md says how.
"""
