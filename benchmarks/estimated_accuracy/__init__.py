"""Estimated accuracy against the truth, on data sets that come with scikit-learn and on flights."""
