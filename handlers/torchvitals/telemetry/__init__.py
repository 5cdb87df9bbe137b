"""The catalogue of metrics, and what makes values of calls, predictions, drift and memory."""
