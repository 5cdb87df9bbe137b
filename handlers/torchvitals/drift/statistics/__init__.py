"""The statistics, one a file; each knows arrays alone.

`STATISTICS` lists them. Reports, series, docs and dashboards have them in this order.
"""

from .exceedance import FAR_OUT, ExceedanceRatio
from .gaussian_kl import GaussianKLDivergence, gaussian_kl_divergence
from .js import JSDistance, js_distance
from .kl import KLDivergence, kl_divergence
from .mean_shift import MeanShift, mean_shift_sigmas
from .missing import MissingRatio
from .narrowing import Narrowing
from .p_value import PValue
from .psi import PopulationStabilityIndex, population_stability_index
from .quantile_grid import QuantileGrid
from .registry import Statistics
from .share_change import ShareChange
from .shares import smoothed_shares
from .significance import benjamini_hochberg, two_sample_p_value
from .statistic import Compared, Statistic
from .wasserstein import WassersteinDistance, wasserstein_distance

STATISTICS = Statistics(
    (
        KLDivergence(),
        GaussianKLDivergence(),
        PopulationStabilityIndex(),
        JSDistance(),
        WassersteinDistance(),
        MeanShift(),
        MissingRatio(),
        PValue(),
        ShareChange(),
        Narrowing(),
        ExceedanceRatio(),
    )
)

__all__ = [
    "FAR_OUT",
    "STATISTICS",
    "Compared",
    "ExceedanceRatio",
    "PValue",
    "PopulationStabilityIndex",
    "QuantileGrid",
    "ShareChange",
    "Statistic",
    "Statistics",
    "WassersteinDistance",
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
