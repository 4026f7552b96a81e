"""A study folder as it is handed out: who sees which item in which order, and what is asked."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from emodiss import tabular
from emodiss.errors import as_path
from emodiss.ratings import sums
from emodiss.ratings.instrument import FILE, Instrument, fit, read_instrument
from emodiss.ratings.pairs import merge_pairs, pair_form
from emodiss.ratings.schema import RatingScale, RatingsError
from emodiss.ratings.sheets import merge

KEY = Path("hidden", "key.csv")
DESIGN = Path("hidden", "design.json")


@dataclass(frozen=True, slots=True)
class Ask:
    """One thing asked about each item: options as (value, label)."""

    name: str
    title: str
    text: str
    options: tuple[tuple[str, str], ...]
    hints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One page of a rater's walk."""

    # The item's code, or `practice-1`, `attention-1`.
    name: str
    kind: Literal["practice", "item", "attention"]
    # Codes of items that show the same words and get the same answer.
    copies: tuple[str, ...] = ()
    # Place of the item in the rater's order, from 1; 0 for the others.
    position: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Handout:
    """A study folder.

    Parameters
    ----------
    folder
        As `write_study` or `write_pairs` made it.
    name
        Of the study.
    kind
        `ratings` of single responses, or `pairs` of dialogues.
    raters
        Rater to group.
    walks
        Rater to the steps in that rater's order.
    shown
        Item to what may be shown: video, start, end, transcript, technique, response; or
        dialogue_a, dialogue_b.
    asks
        What is asked about each item.
    instrument
        What is shown and asked beside.
    key
        What must stay hidden.
    scale
        Of ratings.
    run
        The run whose clips are shown, where the study names it.
    """

    folder: Path
    name: str
    kind: Literal["ratings", "pairs"]
    raters: Mapping[str, str]
    walks: Mapping[str, tuple[Step, ...]]
    shown: Mapping[str, Mapping[str, str]]
    asks: tuple[Ask, ...]
    source: str
    instrument: Instrument
    key: pd.DataFrame
    scale: RatingScale
    run: Path | None

    def table(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Join answers with the key into the long table.

        Parameters
        ----------
        rows
            One row per rater, item and criterion; the answer is in `value`, empty where there is
            none.
        """
        names = [ask.name for ask in self.asks]
        if self.kind == "ratings":
            return merge({"answers": rows}, self.key, criteria=names, scale=self.scale)
        named = rows.rename(columns={"value": "choice"})
        return merge_pairs({"answers": named}, self.key, criteria=names)


def open_study(folder: str | Path) -> Handout:
    """Read a study folder as it is handed out.

    Parameters
    ----------
    folder
        As `emodiss study` writes it; the shipped instrument is used where it holds none.

    Raises
    ------
    RatingsError
        If it is no study, a file is damaged, or its instrument does not fit it.
    """
    folder = as_path(folder, "a study folder")
    design = read_design(folder / DESIGN)
    kind, criteria, scale = design.kind, design.criteria, design.scale
    items = folder / ("pairs.csv" if kind == "pairs" else "items.csv")
    for path in (folder / KEY, items):
        sums.require_as_written(folder / KEY.parent, path)
    found = read_instrument(folder / FILE if (folder / FILE).exists() else None)
    asks, source = _asks(folder, kind, found, criteria, scale)
    shown = {str(row.pop("item")): row for row in _read(items).to_dict("records")}
    key = _key(folder / KEY, kind)
    walks: dict[str, tuple[Step, ...]] = {}
    for rater in design.raters:
        sheet = _read(folder / "sheets" / f"{rater}.csv")
        if strange := set(sheet["item"]) - (set(shown) & set(key["item"])):
            raise RatingsError(
                f"The sheet of '{rater}' names the item '{min(strange)}', which is not there.",
                next_step="Write the study anew; its files belong together.",
            )
        rng = random.Random(f"{design.seed} {rater}")
        walks[rater] = _walk(list(sheet["item"]), shown, key, found, kind, rng)
    return Handout(
        folder=folder,
        name=design.name,
        kind=kind,
        raters=design.raters,
        walks=walks,
        shown=shown,
        asks=asks,
        source=source,
        instrument=found,
        key=key,
        scale=scale,
        run=(folder / design.run).resolve() if design.run is not None else None,
    )


@dataclass(frozen=True, slots=True)
class Design:
    """How a study was drawn, as far as reading its sheets and answers needs it."""

    name: str
    kind: Literal["ratings", "pairs"]
    criteria: tuple[str, ...]
    raters: Mapping[str, str]
    seed: int
    scale: RatingScale
    # As seen from the study's folder.
    run: Path | None


def read_design(path: Path) -> Design:
    """Read the design that lies beside the key of a study."""
    if path.is_file():
        sums.require_as_written(path.parent, path)
    try:
        said: dict[str, Any] = tabular.json_value(path.read_text(encoding="utf-8"))
        kind = said.get("kind", "ratings")
        design = Design(
            name=str(said["study"]),
            kind=kind,
            criteria=tuple(said["criteria"]),
            raters={str(rater): str(group) for rater, group in said["design"]["raters"].items()},
            seed=int(said["design"]["seed"]),
            scale=RatingScale(**said["scale"]) if kind == "ratings" else RatingScale(),
            run=Path(said["run"]) if said.get("run") else None,
        )
        # A code of a rater names a file; see `write_study`.
        if kind not in ("ratings", "pairs") or any(set(r) & set("/\\\0") for r in design.raters):
            raise ValueError
        if not all(isinstance(criterion, str) for criterion in design.criteria):
            raise TypeError
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        folder = path.absolute().parent.parent.name
        raise RatingsError(
            f"'{folder}' holds no study ({DESIGN.as_posix()}: {type(error).__name__}).",
            next_step="Name a folder that emodiss study wrote.",
        ) from error
    return design


def _key(path: Path, kind: str) -> pd.DataFrame:
    key = _read(path)
    key = key.where(key != "")
    needed = {"window", "repeat", "repeat_of"} if kind == "ratings" else set[str]()
    repeat = pd.to_numeric(key["repeat"], errors="coerce") if "repeat" in key.columns else None
    if needed - set(key.columns) or (
        repeat is not None and (repeat.isna() & key["repeat"].notna()).any()
    ):
        raise RatingsError(
            f"'{path.name}' is no key of a study.",
            next_step="Put back the file that emodiss study wrote.",
        )
    return key if repeat is None else key.assign(repeat=repeat)


def _read(path: Path) -> pd.DataFrame:
    table = tabular.read(path, error=RatingsError, what="study", known=("item",), restore=True)
    tabular.require_columns(table, ["item"], error=RatingsError, what="study")
    codes = [row.cells["item"] for row in table.rows]
    if len(set(codes)) < len(codes):
        code, _ = Counter(codes).most_common(1)[0]
        raise RatingsError(
            f"'{path.name}' names the item '{code}' more than once.",
            next_step="Put back the file that emodiss study wrote.",
        )
    return table.frame().reset_index(drop=True)


def _asks(
    folder: Path, kind: str, found: Instrument, criteria: tuple[str, ...], scale: RatingScale
) -> tuple[tuple[Ask, ...], str]:
    if kind == "pairs":
        form = pair_form(folder / "form.json" if (folder / "form.json").exists() else None)
        options = tuple((option, option) for option in form.options)
        asks = tuple(
            Ask(q.name, q.title, q.question, options, (q.objective, q.criteria))
            for q in form.questions
        )
        return asks, form.source
    points = [f"{point:g}" for point in scale.points()]
    statements = fit(found, criteria, scale)
    options = tuple(zip(points, found.anchors, strict=True))
    return tuple(Ask(s.name, s.title, s.text, options) for s in statements), found.source


def _walk(
    order: list[str],
    shown: Mapping[str, Mapping[str, str]],
    key: pd.DataFrame,
    found: Instrument,
    kind: str,
    rng: random.Random,
) -> tuple[Step, ...]:
    """Lay out one rater's steps: practice first, words that read alike once, attention between."""
    columns = ("item", "window", "repeat") if kind == "ratings" else ()
    facts = {item: of for item, *of in zip(*(key[c].tolist() for c in columns), strict=True)}
    first: dict[tuple[object, ...], str] = {}
    copies: dict[str, list[str]] = {}
    for item in order:
        what: tuple[object, ...] = (item,)
        if kind == "ratings" and shown[item].get("response"):
            words = [" ".join(shown[item].get(name, "").split()) for name in _WORDS]
            what = (*facts[item], *words)
        copies.setdefault(first.setdefault(what, item), []).append(item)
    place = {item: n for n, item in enumerate(order, start=1)}
    steps = [Step(item, "item", tuple(same[1:]), place[item]) for item, same in copies.items()]
    for n, _ in enumerate(found.attention if kind == "ratings" else (), start=1):
        steps.insert(rng.randint(len(steps) // 4, len(steps)), Step(f"attention-{n}", "attention"))
    n_practice = len(found.practice) if kind == "ratings" else 0
    return (*(Step(f"practice-{n}", "practice") for n in range(1, n_practice + 1)), *steps)


_WORDS = ("technique", "response")
