"""What the verdict and the alerts see, and what they miss: faults, shifts and quiet traffic, a row each."""
