"""TorchVitals beside other drift detectors, on the same data and windows."""
