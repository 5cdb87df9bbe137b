"""The statistics, one a file; each knows arrays alone."""

from .gaussian_kl import gaussian_kl_divergence
from .js import js_distance
from .kl import kl_divergence
from .mean_shift import mean_shift_sigmas
from .psi import population_stability_index
from .shares import smoothed_shares
from .significance import benjamini_hochberg, two_sample_p_value
from .wasserstein import wasserstein_distance

__all__ = [
    "benjamini_hochberg",
    "gaussian_kl_divergence",
    "js_distance",
    "kl_divergence",
    "mean_shift_sigmas",
    "population_stability_index",
    "smoothed_shares",
    "two_sample_p_value",
    "wasserstein_distance",
]
