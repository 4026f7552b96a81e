"""Statistics of rating studies: what the paper did, and what its crossed design asks for.

`variance` and `ranks` compare groups, `gains` gives the paper's Figure 5, `mixed` the linear
mixed model, `kappa`, `alpha` and `reliability` say how far raters agree (Figure 6), `judges`,
`correlation` and `bland_altman` put a judge beside them (Table 3), `rater_groups` does both by
group, `replies` counts failures and techniques, `report` runs everything on one table. Simulated
sessions have `paired` (case by case), `win_rates` (pair by pair) and `lengths`. Intervals over
videos and cases come from the cluster bootstrap in `bootstrap`.

`table` is a long table of ratings (`emodiss.ratings`) where nothing else is said. `confidence` is
the level of an interval, in (0, 1); `base` is the condition that others are compared with. Where a
value is NaN, `reason` says why.
"""

from emodiss.arguments import explain
from emodiss.statistics.alpha import Alpha, krippendorff_alpha
from emodiss.statistics.bland_altman import BlandAltman, bland_altman
from emodiss.statistics.bootstrap import Bootstrap, Estimate, StatisticsError
from emodiss.statistics.correlation import Correlation, correlation
from emodiss.statistics.dissonance import DissonanceBy, dissonance_by
from emodiss.statistics.gains import block_means, condition_means, gains
from emodiss.statistics.judges import judge_correlations, judge_pairs
from emodiss.statistics.kappa import Kappa, cohen_kappa, intra_rater, pairwise_kappa
from emodiss.statistics.lengths import length_correlation
from emodiss.statistics.mixed import MixedModel, mixed_model
from emodiss.statistics.paired import paired, resistance_change, score_means, score_table, wai_table
from emodiss.statistics.ranks import Friedman, friedman, holm, wilcoxon
from emodiss.statistics.rater_groups import judge_by_group, kappa_by_group
from emodiss.statistics.reliability import ICC_FORMS, Icc, adjust_severity, icc, icc_forms, severity
from emodiss.statistics.replies import Proportion, failure_rates, proportion, technique_shares
from emodiss.statistics.report import Evaluation, evaluate, flagged_part
from emodiss.statistics.variance import (
    Anova,
    Tukey,
    anova_from_summary,
    anova_oneway,
    tukey_from_summary,
    tukey_hsd,
)
from emodiss.statistics.win_rates import (
    WinRates,
    bradley_terry,
    pair_agreement,
    side_bias,
    win_rates,
)

__all__ = [
    "ICC_FORMS",
    "Alpha",
    "Anova",
    "BlandAltman",
    "Bootstrap",
    "Correlation",
    "DissonanceBy",
    "Estimate",
    "Evaluation",
    "Friedman",
    "Icc",
    "Kappa",
    "MixedModel",
    "Proportion",
    "StatisticsError",
    "Tukey",
    "WinRates",
    "adjust_severity",
    "anova_from_summary",
    "anova_oneway",
    "bland_altman",
    "block_means",
    "bradley_terry",
    "cohen_kappa",
    "condition_means",
    "correlation",
    "dissonance_by",
    "evaluate",
    "failure_rates",
    "flagged_part",
    "friedman",
    "gains",
    "holm",
    "icc",
    "icc_forms",
    "intra_rater",
    "judge_by_group",
    "judge_correlations",
    "judge_pairs",
    "kappa_by_group",
    "krippendorff_alpha",
    "length_correlation",
    "mixed_model",
    "pair_agreement",
    "paired",
    "pairwise_kappa",
    "proportion",
    "resistance_change",
    "score_means",
    "score_table",
    "severity",
    "side_bias",
    "technique_shares",
    "tukey_from_summary",
    "tukey_hsd",
    "wai_table",
    "wilcoxon",
    "win_rates",
]

explain(__name__)
