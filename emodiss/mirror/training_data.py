"""Screened screenplays of the training side as examples for a therapist's model."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from emodiss.encounters.records import VARIANTS, Variant
from emodiss.errors import RunError, SettingsError, nearest
from emodiss.exports import llava
from emodiss.exports.llava import WINDOW, Form
from emodiss.faces.drawn import FacePicture
from emodiss.mirror import layout
from emodiss.mirror.experiment import Experiment, file_hash, own_file
from emodiss.mirror.faces import face_file, reference_pictures
from emodiss.runs.files import write_atomically
from emodiss.screenplays import Screenplay

LICENCES = "LICENCES.md"
_WAYS_OUT = {
    "no_picture": "Draw pictures: emodiss mirror faces.",
    "no_plan": "Give the profiles a plan (plan_technique, plan), or take a variant without p.",
    "no_words": "Take another variant.",
    "no_direction": "Take another variant.",
}


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What was written."""

    # The file of examples; `LICENCES.md` lies beside it.
    path: Path
    # Counts: `examples`, of them `captions` and `without_picture`; `dialogues`; `left_out` lines
    # and `dialogues_left_out` by reason; and whether dialogues were `screened`.
    record: dict[str, Any]


def training_data(
    experiment: Experiment,
    variant: Variant = "p+ec",
    *,
    form: Form = "llava",
    history: int | None = WINDOW,
    unscreened: bool = False,
    training_only: bool = False,
) -> TrainingData:
    """Write examples to train a therapist's model with to `training/`.

    Parameters
    ----------
    experiment
        With screenplays, and pictures for variants that see. Pictures are named by their path
        below the experiment's folder, and stay where they are.
    variant
        What the therapist is given, as in `simulate`.
    form
        `llava`: one JSON list, as LLaVA's own training reads it; `trl`: JSON lines of messages.
    history
        Lines of history that each example tells; None for all. Simulate with the same number.
    unscreened
        Use every whole dialogue, not those alone that `screen` kept. So it is without a screening.
    training_only
        Leave dialogues of evaluation clients out and count them, where they would be an error.

    Raises
    ------
    RunError
        If there are no screenplays, none can be used, or (`evaluation`) one is about a client that
        is there to evaluate with, under whatever profile.
    SettingsError
        If variant, form or history does not exist.
    """
    for what, one, known in (
        ("variant", variant, VARIANTS),
        ("format", form, get_args(Form)),
    ):
        if one not in known:
            raise SettingsError(f"There is no {what} '{one}'.", next_step=nearest(one, known))
    if history is not None and history < 1:
        raise SettingsError(f"The history is {history} lines long.", next_step="Take 1 or more.")
    with experiment.alone():
        plays, dropped, screened = _chosen(experiment, unscreened, training_only)
        pictures, refused = _pictures(experiment)
        made, left_out = llava.examples(plays, pictures, variant, window=history)
        if not made:
            raise RunError(
                f"No example came of {len(plays)} dialogues: {_told(dropped + left_out)}.",
                next_step=" ".join(_WAYS_OUT[why] for why in left_out if why in _WAYS_OUT)
                or "Screen them anew (emodiss mirror screen), or use --unscreened.",
                code="missing",
            )
        folder = experiment.root / layout.TRAINING
        path = folder / f"{variant}.{'json' if form == 'llava' else 'jsonl'}"
        if form == "llava":
            text = json.dumps([each.to_llava() for each in made], ensure_ascii=False, indent=1)
        else:
            rows = (json.dumps(each.to_trl(), ensure_ascii=False) for each in made)
            text = "\n".join(rows)
        write_atomically(path, f"{text}\n".encode())
        write_atomically(folder / LICENCES, _licences(experiment, plays).encode())
        record = {
            "variant": variant,
            "form": form,
            "history": history,
            "screened": screened,
            "dialogues": len(plays),
            "examples": len(made),
            "captions": sum(each.id.endswith("-caption") for each in made),
            "without_picture": sum(each.picture is None for each in made),
            "left_out": dict(sorted(left_out.items())),
            "dialogues_left_out": dict(sorted(dropped.items())),
            "pictures_refused": refused,
        }
        experiment.book(f"training-data {variant}", record)
    return TrainingData(path, record)


def _chosen(
    experiment: Experiment, unscreened: bool, training_only: bool
) -> tuple[list[Screenplay], Counter[str], bool]:
    """Pick the dialogues: whole, kept by the filters, and of nobody who is evaluated."""
    every = experiment.need(experiment.screenplays, "screenplays")
    evaluated = {c.profile.person for c in experiment.cases.read() if c.split == "evaluation"}
    screening = experiment.lines(layout.SCREENING, "case_id", "keep")
    kept = {str(line["case_id"]): line["keep"] for line in screening.read()}
    screened = bool(kept) and not unscreened
    plays: list[Screenplay] = []
    dropped: Counter[str] = Counter()
    barred = [
        play.case.id
        for play in every
        if play.case.split != "training" or play.case.profile.person in evaluated
    ]
    if barred and not training_only:
        raise RunError(
            f"{len(barred)} of {len(every)} dialogues are about clients who are there to evaluate "
            f"with, such as {barred[0]}.",
            next_step="Nothing may be trained on them: --training-only leaves them out.",
            code="evaluation",
        )
    for play in every:
        if play.case.id in barred:
            dropped["evaluation"] += 1
        elif play.status != "complete":
            dropped[play.status] += 1
        elif screened and not kept.get(play.case.id, False):
            dropped["screened_out" if play.case.id in kept else "not_screened"] += 1
        else:
            plays.append(play)
    return plays, dropped, screened


def _pictures(experiment: Experiment) -> tuple[dict[tuple[str, int], str], int]:
    """Give the drawn pictures that are there and are no reference face; and how many were none."""
    references = {file_hash(path) for path in reference_pictures(experiment).values()} - {""}
    found: dict[tuple[str, int], str] = {}
    refused = 0
    for each in face_file(experiment).read():
        shown = _shown(experiment.root, each)
        if shown in references:
            refused += 1
        elif shown and each.path is not None:
            found[each.case_id, each.line] = each.path
    return found, refused


def _shown(root: Path, each: FacePicture) -> str:
    """Hash of a drawn picture below the folder; empty if there is none, or another by now."""
    if each.status != "drawn" or each.path is None:
        return ""
    place = own_file(root, each.path)
    found = "" if place is None else file_hash(place)
    return found if each.sha256 in (None, found) else ""


def _licences(experiment: Experiment, plays: list[Screenplay]) -> str:
    own = {play.case.profile.id for play in plays}
    pairs = experiment.references.read()
    faces = [pair["face"] for pair in pairs if pair["profile"] in own and pair["face"]]
    drawn = [each.model for each in face_file(experiment).read() if each.status == "drawn"]
    cases = {play.case.id for play in plays}
    return llava.licences(
        faces,
        {
            "dialogues": [play.model for play in plays],
            "expressions": [e.model for e in experiment.expressions.read() if e.case_id in cases],
            "pictures": drawn,
        },
    )


def _told(counts: Counter[str]) -> str:
    return ", ".join(f"{n} {reason}" for reason, n in sorted(counts.items())) or "nothing in them"
