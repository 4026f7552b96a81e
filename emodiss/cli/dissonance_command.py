"""The command dissonance: other rules and thresholds on a finished run, without any model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emodiss.cli import output
from emodiss.cli.run_commands import AsCsv, AsJson

if TYPE_CHECKING:
    import pandas as pd

    from emodiss.dissonance import Rule
    from emodiss.settings import Settings


def dissonance(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    threshold: Annotated[float | None, typer.Option(help="T; the run's own by default.")] = None,
    quantile: Annotated[
        float | None,
        typer.Option(help="T is this quantile of the run's scores: 0.9, the top 10 %."),
    ] = None,
    compare: Annotated[str | None, typer.Option(help="voice_vs_face or text_vs_nonverbal.")] = None,
    scale: Annotated[str | None, typer.Option(help="house or raw.")] = None,
    baseline: Annotated[str | None, typer.Option(help="none, shift or z, per speaker.")] = None,
    min_coverage: Annotated[
        float | None, typer.Option(help="Least share of an utterance with the face in view.")
    ] = None,
    role: Annotated[
        str | None, typer.Option(help="Count only therapist, patient or other.")
    ] = None,
    video: Annotated[str | None, typer.Option(help="Only this video.")] = None,
    pairings: Annotated[int, typer.Option(help="Re-pairings for what chance gives.", min=1)] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the re-pairings.")] = 0,
    figure: Annotated[
        Path | None, typer.Option("--plot", help="Draw the sweep: PNG, SVG or PDF.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the flagged table: CSV or Parquet.")
    ] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Flag a run's utterances by other rules: flag rates from T = 0.1 to 1.0, against chance."""
    from emodiss.dissonance import reflag, sweep_against_chance
    from emodiss.runs.run import load

    loaded = load(run)
    rule = _rule(
        loaded.settings,
        threshold=threshold,
        quantile=quantile,
        compare=compare,
        scale=scale,
        baseline=baseline,
        min_coverage=min_coverage,
    )
    table = loaded.session(video) if video else loaded.utterances
    # A speaker's baseline is taken before roles are chosen, which leave speakers whole anyway.
    table = _of_role(table, role)
    flagged = reflag(table, rule)
    used = float(flagged["dissonance_threshold"].iloc[0]) if len(flagged) else rule.threshold
    swept = sweep_against_chance(table, rule=rule, n_pairings=pairings, seed=seed)
    if out is not None:
        _write_table(flagged, out)
    if figure is not None:
        _draw(swept, used, figure)
    summary = _summary(table, flagged, rule, used, pairings, seed)
    if as_json:
        rows = swept.astype(object).where(swept.notna(), None).to_dict("records")
        typer.echo(json.dumps({**summary, "sweep": rows}, indent=2, ensure_ascii=False))
        return
    if as_csv:
        typer.echo(swept.to_csv(index=False), nl=False)
        return
    columns = ["threshold", "n_flagged", "n_determined", "rate", "null_low", "null_high", "p_value"]
    output.show(swept[columns].to_dict("records"))
    typer.echo(_sentence(summary))
    for path in (out, figure):
        if path is not None:
            output.say(str(path))


def _rule(settings: Settings, **changes: Any) -> Rule:
    """Put the run's own rule and what the command line changes together."""
    from dataclasses import replace

    from emodiss.dissonance import Rule

    given = {name: value for name, value in changes.items() if value is not None}
    if "threshold" in given and "quantile" not in given:
        given["quantile"] = None
    if "compare" in given and "scale" not in given and given["compare"] == "text_vs_nonverbal":
        given["scale"] = "house"
    return replace(Rule.of(settings.dissonance), **given)


def _of_role(table: pd.DataFrame, role: str | None) -> pd.DataFrame:
    from emodiss.errors import SettingsError, nearest
    from emodiss.manifest import ROLES

    if role is None:
        return table
    if role not in ROLES:
        raise SettingsError(f"There is no role '{role}'.", next_step=nearest(role, ROLES))
    return table[table["role"] == role].reset_index(drop=True)


def _summary(
    table: pd.DataFrame, flagged: pd.DataFrame, rule: Rule, used: float, pairings: int, seed: int
) -> dict[str, Any]:
    from dataclasses import asdict

    from emodiss.dissonance import chance

    null = chance(table, threshold=_finite(used), rule=rule, n_pairings=pairings, seed=seed)
    n_known = int(flagged["dissonant"].notna().sum())
    n_flagged = int(flagged["dissonant"].fillna(False).sum())
    reasons = flagged["dissonance_reason"].value_counts()
    likely = flagged.loc[flagged["dissonant"].fillna(False), "dissonance_probability"].dropna()
    return {
        "rule": asdict(rule),
        "threshold": _finite(used),
        "utterances": len(flagged),
        "determined": n_known,
        "dissonant": n_flagged,
        "undetermined": {str(name): int(count) for name, count in reasons.items()},
        "by_axis": {
            str(name): int(count)
            for name, count in flagged["dissonance_axis"].value_counts().items()
        },
        "flags_surer_than_0.95": int((likely > 0.95).sum()),
        "chance": {name: _finite(value) for name, value in asdict(null).items()},
    }


def _finite(value: float) -> float | None:
    return value if value == value else None


def _sentence(summary: dict[str, Any]) -> str:
    n, known, flagged = summary["utterances"], summary["determined"], summary["dissonant"]
    if not known:
        return f"{n} utterances, none of which can be decided"
    text = (
        f"{flagged} of {known} utterances dissonant at T = {summary['threshold']:.3g}, "
        f"{n - known} undetermined; {summary['flags_surer_than_0.95']} flags stay with a "
        f"probability above 0.95 given the face's standard errors"
    )
    chance = summary["chance"]
    if chance["null_rate"] is None:
        return f"{text}; chance: nobody has two utterances to pair"
    return (
        f"{text}; re-paired: {chance['null_rate']:.1%} "
        f"({chance['low']:.1%} to {chance['high']:.1%}, p = {chance['p_value']:.3f})"
    )


def _write_table(table: pd.DataFrame, path: Path) -> None:
    from emodiss.errors import SettingsError
    from emodiss.runs.codecs import to_parquet
    from emodiss.runs.store import write_atomically

    suffix = path.suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise SettingsError(
            f"A table is written as .csv or .parquet, got '{path.name}'.",
            next_step="Give --out such a name.",
        )
    data = to_parquet(table) if suffix == ".parquet" else table.to_csv(index=False).encode()
    write_atomically(path, data)


def _draw(swept: pd.DataFrame, used: float, path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from emodiss.plots import figures
    from emodiss.plots.sweep import plot_sweep

    figures.save(plot_sweep(swept, threshold=used).figure, path)  # pyright: ignore[reportArgumentType]
