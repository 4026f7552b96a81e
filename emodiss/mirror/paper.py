"""An experiment told like a small paper: what was compared, what came out, and how sure it is."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from emodiss.mirror import layout
from emodiss.mirror.evaluate import Evaluation
from emodiss.mirror.experiment import Experiment
from emodiss.mirror.screen import Screening

if TYPE_CHECKING:
    import pandas as pd

SCRIPTED = """\
## What is only scripted

Writer, describer, client, therapists, judge and raters are programs of a few lines. Their answers
were written so that `adviser` lectures, `listener` lectures every third time and `seer` asks; the
judge counts questions and adds chance, and the raters do the same. The order in the tables is
therefore an input of this demo and no finding. Captions are the stage directions themselves, a
perfect captioner. The clients are invented; the faces are drawn by warping two portraits in the
public domain and a mixture of both, and show nothing of these people. No filter that needs weights
was run. What the demo does show: every step runs on this machine without a network, what was
asked can be read in the folder, and the intervals are as wide as three clients allow.
"""

_WARNING = (
    "*Simulated sessions for research. No simulated therapist is fit to treat anyone, and no "
    "number below says that one is.*"
)


def paper(experiment: Experiment, evaluation: Evaluation, screening: Screening | None) -> str:
    """Write an experiment's text, Markdown."""
    sessions = experiment.encounters.read()
    tables = evaluation.tables
    parts = [
        "# Simulated sessions with resistant clients",
        _WARNING,
        "## What was compared",
        _design(experiment, sessions),
        _table(
            [
                {
                    "therapist": name,
                    "given": next(e.variant for e in sessions if e.therapist == name),
                    "sessions": n,
                    "failed": sum(e.therapist == name and e.status == "failed" for e in sessions),
                    "ended by": _ended(e.ended_by for e in sessions if e.therapist == name),
                }
                for name, n in Counter(e.therapist for e in sessions).items()
            ]
        ),
    ]
    if "table2_tests" in tables:
        parts += [
            "## Skills of the therapists (Table 2)",
            "Means from 0 to 6 over the three types that resist, then the change from the same "
            "clients without resistance. `*`: paired t-test, p < .05 unadjusted, as printed; `†`: "
            "the same after Holm over therapists and criteria.",
            _frame(tables["table2"]),
            _differences(tables["table2_tests"]),
            "## Alliance (Table 3)",
            "Working Alliance Inventory, 1 to 5, high is strong; the rest as above.",
            _frame(tables["table3"]),
            _differences(tables["table3_tests"]),
        ]
    if "win_rate_means" in tables:
        parts += [
            "## Side by side (Tables 4 to 6)",
            "How often a therapist was preferred, in per cent, a tie as half a win for each; "
            "intervals by bootstrap over cases.",
            _table(
                [
                    {
                        "question": row["criterion"],
                        "therapist": row["model"],
                        "preferred": _interval(row["rate"], row["low"], row["high"], 1),
                        "comparisons": row["n"],
                    }
                    for row in _rows(tables["win_rate_means"])
                ]
            ),
        ]
    parts += ["## Length of replies", _frame(tables["lengths"])]
    if "length_correlation" in tables:
        parts.append(_correlation(tables["length_correlation"]))
    if screening is not None:
        parts += [
            "## Screenplays and filters",
            f"{len(screening.kept)} of {len(screening.verdicts)} screenplays pass. A filter "
            "without a measurement rejects nothing; printed rates are the paper's.",
            _frame(screening.rates()),
        ]
    notes = [f"- {note}" for note in evaluation.notes]
    parts += ["## Notes", "\n".join(notes), SCRIPTED]
    where = f"Tables and figures: `{layout.EVALUATION}/`; a page per session: `{layout.REPORT}/`."
    return "\n\n".join([*parts[:-1], where, parts[-1]])


def _design(experiment: Experiment, sessions: Sequence[Any]) -> str:
    cases = [case for case in experiment.cases.read() if case.split == "evaluation"]
    people = {case.profile.id for case in cases}
    kinds = list(dict.fromkeys(case.resistance for case in cases))
    models = sorted({each.client_model for each in sessions})
    return (
        f"{len(people)} clients, each with the types {', '.join(kinds)}: {len(cases)} cases. Each "
        f"case talks once with each therapist. The client is played by {', '.join(models)}. All "
        "therapists begin with the same sentence and have the same limit of length; none is told "
        "the client's thought, type or stage directions. Tests are paired by case; the cases of "
        "one client hang together, so the interval over clients is the one to go by."
    )


def _differences(tests: pd.DataFrame) -> str:
    """Tell differences from the reference, with the interval over cases and that over clients."""
    rows = [
        {
            "criterion": row["criterion"],
            "therapist": f"{row['model']} minus {row['reference']}",
            "difference (cases)": _interval(row["difference"], row["low"], row["high"]),
            "95 % over clients": _interval(None, row["profile_low"], row["profile_high"]),
            "n": row["n"],
            "dropped": row["n_dropped"],
            "p": _p(row["p_value"]),
            "p Holm": _p(row["p_holm"]),
        }
        for row in _rows(tests)
    ]
    return _table(rows)


def _correlation(table: pd.DataFrame) -> str:
    rows = [
        {
            "arm": row["arm"],
            "criterion": row["criterion"],
            "pooled": "",
            "within therapists": "",
            "scope": row["scope"],
            "r": _interval(row["r"], row["low"], row["high"]),
        }
        for row in _rows(table)
        if row["method"] == "spearman" and row["scope"] in ("pooled", "within")
    ]
    merged: dict[tuple[str, str], dict[str, str]] = {}
    for row in rows:
        one = merged.setdefault(
            (row["arm"], row["criterion"]), {"arm": row["arm"], "criterion": row["criterion"]}
        )
        one["pooled" if row["scope"] == "pooled" else "within therapists"] = row["r"]
    told = "Spearman's correlation of length and score. Pooled, it mixes therapists with replies."
    return f"{told}\n\n{_table(list(merged.values()))}"


def _ended(rules: Any) -> str:
    return ", ".join(f"{rule} {n}" for rule, n in sorted(Counter(map(str, rules)).items()))


def _interval(value: float | None, low: float, high: float, digits: int = 2) -> str:
    ends = f"[{_number(low, digits)}, {_number(high, digits)}]"
    return ends if value is None else f"{_number(value, digits)} {ends}"


def _number(value: float, digits: int = 2) -> str:
    return "–" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def _p(value: float) -> str:
    return "< 0.0001" if value < 0.0001 else _number(value, 4)


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): v for k, v in row.items()} for row in frame.to_dict("records")]


def _frame(frame: pd.DataFrame) -> str:
    return _table(_rows(frame))


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Write rows as a table in Markdown; what is missing is a dash."""
    if not rows:
        return ""
    names = list(rows[0])
    lines = [names, ["---"] * len(names)]
    lines += [[_cell(row.get(name)) for name in names] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:z.3g}" if math.isfinite(value) else "–"
    return str(value).replace("|", "\\|")
