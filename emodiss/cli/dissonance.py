"""The command dissonance: other rules and thresholds on a finished run, without any model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emodiss.cli import output
from emodiss.cli.options import AsCsv, AsJson
from emodiss.vocabulary import ROLES

if TYPE_CHECKING:
    import pandas as pd

    from emodiss.dissonance import Overview
    from emodiss.runs.run import Run
    from emodiss.settings import DissonanceSettings, Settings


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
    by: Annotated[
        str | None,
        typer.Option(help="Compare groups instead: role, phase, session, or several: role,phase."),
    ] = None,
    null: Annotated[
        str, typer.Option(help="Re-pair by shift (keeps the order in time) or permutation.")
    ] = "shift",
    pairings: Annotated[int, typer.Option(help="Re-pairings for what chance gives.", min=1)] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the re-pairings.")] = 0,
    figure: Annotated[
        Path | None, typer.Option("--plot", help="Draw the sweep, or the groups: PNG, SVG or PDF.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the flagged table: CSV or Parquet.")
    ] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Flag a run's utterances by other rules: flag rates from T = 0.1 to 1.0, against chance.

    With --by, rates and mean signed differences of groups, with intervals over sessions.
    """
    from emodiss.dissonance import NULL_WORDS, overview
    from emodiss.dissonance.chance import default_thresholds, sweep_of
    from emodiss.dissonance.columns import NEEDED, Columns
    from emodiss.dissonance.rules import flags_of
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
    if role is not None:
        _one_of(role, ROLES, what="role")
    pairing = _one_of(null, NULL_WORDS, what="null")
    if by is not None or out is not None:
        flagged = _flagged_table(loaded, rule, role, video)
        if out is not None:
            _write_table(flagged, out)
        if by is not None:
            _compare_groups(flagged, by, seed, figure, as_json=as_json, as_csv=as_csv)
            return
    # Without pandas, whose import takes longer than all of this.
    columns = Columns.of_lists(loaded.lists("utterances", NEEDED, video=video))
    if role is not None:
        columns = columns.where("role", role)
    flags = flags_of(columns, rule)
    at = default_thresholds()
    swept = sweep_of(columns, at, rule=rule, null=pairing, n_pairings=pairings, seed=seed)
    found = overview(columns, rule, null=pairing, n_pairings=pairings, seed=seed)
    if figure is not None:
        _draw(swept, found.threshold, figure)
    rows = [
        {name: output.plain(value) for name, value in zip(swept, row, strict=True)}
        for row in zip(*swept.values(), strict=True)
    ]
    if as_json:
        output.show_json({**_summary(flags, rule, found), "sweep": rows})
        return
    if as_csv:
        output.show(rows, as_csv=True)
        return
    shown = ("threshold", "n_flagged", "n_determined", "rate", "null_low", "null_high", "p_value")
    output.show(rows, columns=shown)
    output.tell("\n".join(found.sentences() + _certainty(flags)))
    for path in (out, figure):
        if path is not None:
            output.say(str(path))


def _flagged_table(
    run: Run, rule: DissonanceSettings, role: str | None, video: str | None
) -> pd.DataFrame:
    """Flag the run's whole table, or the rows of a role and a video."""
    from emodiss.dissonance import reflag

    table = run.session(video) if video else run.utterances
    # A speaker's baseline is taken after roles are chosen, which leave speakers whole.
    if role is not None:
        table = table[table["role"] == role].reset_index(drop=True)
    return reflag(table, rule)


def _rule(settings: Settings, **changes: Any) -> DissonanceSettings:
    """Put the run's own rule and what the command line changes together."""
    given = {name: value for name, value in changes.items() if value is not None}
    if "threshold" in given and "quantile" not in given:
        given["quantile"] = None
    if "compare" in given and "scale" not in given and given["compare"] == "text_vs_nonverbal":
        given["scale"] = "house"
    return settings.dissonance.changed(**given)


def _one_of(name: str, known: Collection[str], *, what: str) -> Any:
    from emodiss.errors import SettingsError, nearest

    if name not in known:
        raise SettingsError(f"There is no {what} '{name}'.", next_step=nearest(name, known))
    return name


def _summary(flags: Mapping[str, Any], rule: DissonanceSettings, found: Overview) -> dict[str, Any]:
    import math
    from dataclasses import asdict

    def counts(name: str) -> dict[str, int]:
        return dict(Counter(value for value in flags[name] if value is not None).most_common())

    known = [p for p in flags["dissonance_probability"].tolist() if p == p]

    def plain(record: Any) -> Any:
        return record and {name: output.plain(value) for name, value in asdict(record).items()}

    return {
        "rule": rule.model_dump(),
        "threshold": output.plain(found.threshold),
        "utterances": found.n,
        "determined": found.n_determined,
        "dissonant": found.n_flagged,
        "rate": output.plain(found.rate),
        "undetermined": counts("dissonance_reason"),
        "by_axis": counts("dissonance_axis"),
        "probability_basis": counts("dissonance_probability_basis"),
        "expected_dissonant": math.fsum(known) if known else None,
        "chance": plain(found.chance),
        "centred": {
            "determined": found.n_centred,
            "dissonant": found.n_flagged_centred,
            "rate": output.plain(found.rate_centred),
            "chance": plain(found.chance_centred),
        },
    }


_BASIS_WORDS = {
    "no_error:speech": "no error of the speech model is known (dissonance.error_speech_*)",
    "no_error:face": "no error of the face model is known (dissonance.error_face_*)",
    "no_error:frames": "the face was seen in fewer than two distinct frames, or all were alike",
    "no_error:text": "no error of the sentiment is known",
    "no_error:scale": "the raw scale of a model is not known",
}


def _certainty(flags: Mapping[str, Any]) -> list[str]:
    """Say what the flags' probabilities rest on, or why there are none."""
    probability, dissonant = flags["dissonance_probability"], flags["dissonant"]
    p = [p for p, flag in zip(probability.tolist(), dissonant, strict=True) if flag and p == p]
    basis = [value for value in flags["dissonance_probability_basis"] if value is not None]
    said: list[str] = []
    if p:
        said.append(
            f"Given the errors of both models and of few frames, {sum(p):.1f} of {len(p):,} "
            f"flags are expected to be true (probabilities {min(p):.2f} to {max(p):.2f})."
        )
    if "flat" in basis:
        said.append(
            "The models' errors are larger than the differences in this table, which therefore "
            "says little."
        )
    reasons = sorted({r for b in basis for r in b.split(";") if r in _BASIS_WORDS})
    if reasons:
        n = sum(value.startswith("no_error") for value in basis)
        said.append(f"{n:,} have no probability: {'; '.join(_BASIS_WORDS[r] for r in reasons)}.")
    return said


def _compare_groups(
    flagged: pd.DataFrame, by: str, seed: int, figure: Path | None, *, as_json: bool, as_csv: bool
) -> None:
    """Show rates and mean differences of groups."""
    from emodiss.statistics import Bootstrap, dissonance_by

    names = [name.strip() for name in by.split(",") if name.strip()]
    found = dissonance_by(flagged, names, bootstrap=Bootstrap(seed=seed))
    if figure is not None:
        from emodiss.plots.dissonance_by import plot_dissonance_by
        from emodiss.plots.registry import save

        save(plot_dissonance_by(found), figure)
    if as_json:
        parts = {"groups": found.groups, "effects": found.effects}
        told: dict[str, Any] = {name: output.records(part) for name, part in parts.items()}
        told |= {"by": list(found.by), "n_sessions": found.n_sessions, "notes": list(found.notes)}
        output.show_json(told)
    elif as_csv:
        output.tell(found.groups.to_csv(index=False), end="")
    else:
        output.show(output.records(found.groups))
        if len(found.effects):
            output.show(output.records(found.effects))
        for note in found.notes:
            output.tell(note)
    if figure is not None:
        output.say(str(figure))


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


def _draw(swept: Mapping[str, Any], used: float, path: Path) -> None:
    import pandas as pd

    from emodiss.plots.registry import save
    from emodiss.plots.sweep import plot_sweep

    figure = plot_sweep(pd.DataFrame(dict(swept)), threshold=used).figure
    save(figure, path)  # pyright: ignore[reportArgumentType]
