"""Pictures of the client's face, one for each line, drawn from expressions and a reference."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emodiss.errors import EmodissError
from emodiss.faces.drawn import SIDE, FacePicture, FaceSynthesizer, drawing_seed
from emodiss.manifest.rules import check_id
from emodiss.mirror import layout
from emodiss.mirror.experiment import Experiment, Progress, file_hash, own_file
from emodiss.mirror.expressions import expression_file
from emodiss.models import catalog
from emodiss.runs.files import write_atomically, write_json
from emodiss.runs.journal import Journal
from emodiss.screening.records import Verdict
from emodiss.screenplays import Expression
from emodiss.settings import resolve

MAX_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Check:
    """What a fresh picture must pass."""

    # All that can change what it says.
    identity: str
    # Says it of a picture, (336, 336, 3) RGB, its reference and its expression.
    judge: Callable[[NDArray[np.uint8], Path, Expression], Verdict]


@dataclass(frozen=True, slots=True)
class Faces:
    """What came of drawing.

    Parameters
    ----------
    pictures
        One per expression, in their order.
    """

    pictures: tuple[FacePicture, ...]

    @property
    def complete(self) -> bool:
        """Whether every line has a picture that passed, and there was one."""
        return bool(self.pictures) and all(each.status == "drawn" for each in self.pictures)

    @property
    def counts(self) -> dict[str, int]:
        """How many have each status."""
        found = [each.status for each in self.pictures]
        return {status: found.count(status) for status in sorted(set(found))}


def synthesizer(name: str = "warp", options: Iterable[str] = ()) -> FaceSynthesizer:
    """Open a way to draw faces by its name in `emodiss models list`, with its options."""
    catalog.entry_of(name, task="face_synthesizer")
    return catalog.load(name, resolve({}, options))


def faces(
    experiment: Experiment,
    draw: FaceSynthesizer | str = "warp",
    *,
    attempts: int = MAX_ATTEMPTS,
    check: Check | None = None,
    without_directions: bool = False,
    progress: Progress = None,
) -> Faces:
    """Draw the client's face for each line that has an expression.

    Pictures go to `faces/CASE/LINE.png` with what they were made from beside them, and what became
    of each line to `faces.jsonl`. Pictures that are there are kept; failures are tried again.

    Parameters
    ----------
    experiment
        With expressions and references.
    draw
        What draws, or its name.
    attempts
        How often a line is tried, each time from another seed, until there is a picture that
        passes `check`.
    check
        What a picture must pass; None lets every picture pass.
    without_directions
        Draw the expressions that were made without stage directions, in a folder of their own.
    progress
        Called with "pictures", how many are done and how many there are.

    Raises
    ------
    RunError
        If there are no expressions.
    """
    folder = layout.FACES_WITHOUT if without_directions else layout.FACES
    with experiment.alone():
        wanted = experiment.need(
            expression_file(experiment, without_directions=without_directions),
            "expressions" + (" --without-directions" if without_directions else ""),
        )
        chosen = synthesizer(draw) if isinstance(draw, str) else draw
        cases = {case.id: case for case in experiment.cases.read()}
        references = reference_pictures(experiment)
        file = face_file(experiment, without_directions=without_directions)
        known = {(each.case_id, each.line): each for each in file.read()}
        for n, each in enumerate(wanted, start=1):
            profile = cases[each.case_id].profile if each.case_id in cases else None
            place = references.get(profile.id) if profile else None
            made = draw_line(
                chosen,
                each,
                reference=place,
                gender=profile.gender if profile else "",
                root=experiment.root,
                folder=folder,
                attempts=attempts,
                check=check,
                known=known.get((each.case_id, each.line)),
            )
            if made != known.get((each.case_id, each.line)):
                file.append([made])
                known[each.case_id, each.line] = made
            if progress is not None:
                progress("pictures", n, len(wanted))
        kept = tuple(known[each.case_id, each.line] for each in wanted)
        file.write(kept)
    return Faces(kept)


def draw_line(
    draw: FaceSynthesizer,
    expression: Expression,
    *,
    reference: Path | None,
    gender: str,
    root: Path,
    folder: str = layout.FACES,
    attempts: int = MAX_ATTEMPTS,
    check: Check | None = None,
    known: FacePicture | None = None,
) -> FacePicture:
    """Draw the face of one line, or say why there is no picture; a fault is never raised."""
    case, line = expression.case_id, expression.line
    if expression.status == "partial":
        return FacePicture(case, line, "partial", "expression_partial", model=draw.identity)
    if reference is None:
        return FacePicture(case, line, "no_reference", "no_reference", model=draw.identity)
    asked = _request(draw, expression, reference, gender, attempts, check)
    if known is not None and known.request_sha256 == asked and _is_there(root, known):
        return known
    reasons: list[str] = []
    last: FacePicture | None = None
    for attempt in range(attempts):
        seed = drawing_seed(case, line, attempt)
        try:
            drawn = draw.draw(
                reference, expression.positive, expression.negative, gender=gender, seed=seed
            )
            if drawn.pixels.shape != (SIDE, SIDE, 3) or drawn.pixels.dtype != np.uint8:
                reasons.append("size")
                continue
            verdict = (
                Verdict(True) if check is None else check.judge(drawn.pixels, reference, expression)
            )
        except EmodissError as fault:
            reasons.append(fault.code)
            if fault.code in _HOPELESS:
                break
            continue
        passed = verdict.keep is not False
        content = _png(drawn.pixels)
        path = Path(folder) / _folder_of(case) / f"{line:03d}.png"
        last = FacePicture(
            case_id=case,
            line=line,
            status="drawn" if passed else "rejected",
            reason="" if passed else verdict.reason,
            path=path.as_posix(),
            sha256=hashlib.sha256(content).hexdigest(),
            attempts=attempt + 1,
            seed=seed,
            model=draw.identity,
            prompt=drawn.prompt,
            negative=drawn.negative,
            request_sha256=asked,
            details=dict(drawn.details),
        )
        write_atomically(root / path, content)
        write_json((root / path).with_suffix(".json"), last.to_dict())
        if passed:
            return last
        reasons.append(verdict.reason)
    if last is not None:
        return last
    why = ";".join(dict.fromkeys(reasons))
    return FacePicture(
        case, line, "failed", why, None, None, len(reasons), None, draw.identity, "", "", asked
    )


def reference_pictures(experiment: Experiment) -> dict[str, Path]:
    """Return where the picture of each profile's face lies, by profile."""
    found: dict[str, Path] = {}
    for pair in experiment.references.read():
        if pair["face"] is not None:
            found[pair["profile"]] = experiment.root / pair["face"]["path"]
    return found


def face_file(experiment: Experiment, *, without_directions: bool = False) -> Journal[FacePicture]:
    """Return the file that says what became of each picture."""
    name = layout.FACE_RECORDS_WITHOUT if without_directions else layout.FACE_RECORDS
    return Journal(
        experiment.root / name,
        next_step=f"Move {name} away; pictures are then drawn again.",
        decode=FacePicture.from_dict,
        encode=FacePicture.to_dict,
    )


_HOPELESS = ("no_face", "picture", "no_program", "timeout")
"""Faults of the reference or the program that no other seed mends."""


def _request(
    draw: FaceSynthesizer,
    expression: Expression,
    reference: Path,
    gender: str,
    attempts: int,
    check: Check | None,
) -> str:
    """Hash all that can change a picture: never where the reference lies, but what it shows."""
    shown = file_hash(reference)
    asked = [draw.identity, expression.positive, expression.negative, shown, gender, attempts]
    asked.append("" if check is None else check.identity)
    return hashlib.sha256(json.dumps(asked, ensure_ascii=False).encode()).hexdigest()


def _folder_of(case: str) -> str:
    """Name the folder of a case: its id, or the id's hash where no folder can have that name."""
    try:
        return check_id(case)
    except ValueError:
        return hashlib.sha256(case.encode()).hexdigest()[:16]


def _is_there(root: Path, known: FacePicture) -> bool:
    if known.status not in ("drawn", "rejected") or None in (known.path, known.sha256):
        return False
    place = own_file(root, str(known.path))
    return place is not None and file_hash(place) == known.sha256


def _png(pixels: NDArray[np.uint8]) -> bytes:
    import cv2

    return cv2.imencode(".png", np.ascontiguousarray(pixels[:, :, ::-1]))[1].tobytes()
