"""What TorchVitals costs and what it is worth, measured."""
