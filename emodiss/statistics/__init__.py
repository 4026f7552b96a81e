"""Statistics of rating studies: what the paper did, and what its crossed design asks for.

`variance` and `ranks` compare groups, `gains` gives the paper's Figure 5, `mixed` the linear
mixed model, `kappa`, `alpha` and `reliability` say how far raters agree (Figure 6), `judges`,
`correlation` and `bland_altman` put a judge beside them (Table 3), `report` runs everything on one
table. Intervals over videos come
from the cluster bootstrap in `bootstrap`.
"""

from emodiss.statistics.alpha import Alpha, krippendorff_alpha
from emodiss.statistics.bland_altman import BlandAltman, bland_altman
from emodiss.statistics.bootstrap import RESAMPLES, StatisticsError
from emodiss.statistics.correlation import Correlation, correlation
from emodiss.statistics.gains import block_means, condition_means, gains
from emodiss.statistics.judges import judge_correlations, judge_pairs
from emodiss.statistics.kappa import Kappa, cohen_kappa, intra_rater, pairwise_kappa
from emodiss.statistics.mixed import MixedModel, mixed_model
from emodiss.statistics.ranks import Friedman, friedman, holm, wilcoxon
from emodiss.statistics.reliability import ICC_FORMS, Icc, icc, icc_forms, severity
from emodiss.statistics.report import Evaluation, evaluate
from emodiss.statistics.variance import (
    Anova,
    Tukey,
    anova_from_summary,
    anova_oneway,
    tukey_from_summary,
    tukey_hsd,
)

__all__ = [
    "ICC_FORMS",
    "RESAMPLES",
    "Alpha",
    "Anova",
    "BlandAltman",
    "Correlation",
    "Evaluation",
    "Friedman",
    "Icc",
    "Kappa",
    "MixedModel",
    "StatisticsError",
    "Tukey",
    "anova_from_summary",
    "anova_oneway",
    "bland_altman",
    "block_means",
    "cohen_kappa",
    "condition_means",
    "correlation",
    "evaluate",
    "friedman",
    "gains",
    "holm",
    "icc",
    "icc_forms",
    "intra_rater",
    "judge_correlations",
    "judge_pairs",
    "krippendorff_alpha",
    "mixed_model",
    "pairwise_kappa",
    "severity",
    "tukey_from_summary",
    "tukey_hsd",
    "wilcoxon",
]
