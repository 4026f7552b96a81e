"""Which screenplays are fit for use: measured once, judged by every filter, counted."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emodiss.chat.endpoint import Endpoint
from emodiss.chat.model import Answered
from emodiss.errors import EmodissError
from emodiss.faces.drawn import FacePicture
from emodiss.faces.pictures import read_picture
from emodiss.faces.protocols import FaceDetector
from emodiss.judging.sessions import dialogue_sha256
from emodiss.mirror import layout
from emodiss.mirror.experiment import Decoding, Experiment, Progress, Say, asked, file_hash
from emodiss.mirror.faces import face_file, reference_pictures
from emodiss.mirror.judge import read_scores, spoken
from emodiss.models import catalog
from emodiss.runs.journal import Journal
from emodiss.screening import PRINTED, Limits, PictureMeasures, Record, Verdict
from emodiss.screening.filters import chosen, directions_text
from emodiss.screening.protocols import (
    FaceAttributes,
    FaceEmbedder,
    ImageTextModel,
    NsfwClassifier,
    SafetyClassifier,
    Tagger,
    cosine,
)
from emodiss.screening.safety import parse_levels, safety_question
from emodiss.screenplays import Line, Screenplay
from emodiss.settings import resolve

if TYPE_CHECKING:
    import pandas as pd

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Instruments:
    """What measures; None leaves a measure out, and what needs it is counted as not measured.

    Parameters
    ----------
    image_text, embedder, nsfw, attributes, detector, tagger
        As in `emodiss.screening.protocols`; `detector` finds faces.
    detector_identity
        Name of the detector, with all that can change a box.
    safety
        Language models that are asked for the safety of lines, or a classifier of them.
    """

    image_text: ImageTextModel | None = None
    embedder: FaceEmbedder | None = None
    nsfw: NsfwClassifier | None = None
    attributes: FaceAttributes | None = None
    detector: FaceDetector | None = None
    detector_identity: str = "detector"
    safety: Endpoint | SafetyClassifier | None = None
    tagger: Tagger | None = None


@dataclass(frozen=True, slots=True)
class Screening:
    """What the filters say of all dialogues.

    Parameters
    ----------
    verdicts
        By case and filter, in the order of the dialogues and of the paper.
    limits
        Of the filters.
    unanswered
        Why the safety of a dialogue is not known, by case.
    """

    verdicts: Mapping[str, Mapping[str, Verdict]]
    limits: Limits
    unanswered: Mapping[str, EmodissError] = field(default_factory=dict)

    @property
    def kept(self) -> tuple[str, ...]:
        """Cases that no filter rejects."""
        return tuple(case for case in self.verdicts if not self._reasons(case))

    @property
    def filters(self) -> tuple[str, ...]:
        """The filters that were run."""
        return tuple(next(iter(self.verdicts.values()), {}))

    def table(self) -> pd.DataFrame:
        """Lay the verdicts out: one row per dialogue, and for each filter its word and score."""
        import pandas as pd

        rows: list[dict[str, Any]] = []
        for case, found in self.verdicts.items():
            reasons = self._reasons(case)
            verdict = "exclude" if reasons else "keep"
            row = {"id": case, "verdict": verdict, "measured": verdict}
            row |= {"reasons": ";".join(reasons)}
            for name, each in found.items():
                word = {True: "keep", False: "reject", None: "not measured"}[each.keep]
                row |= {name: word, f"{name}_score": each.score, f"{name}_reason": each.reason}
            rows.append(row)
        return pd.DataFrame(rows, columns=None if rows else ["id", "verdict", "reasons"])

    def rates(self) -> pd.DataFrame:
        """Count for each filter: dialogues, measured, rejected, rate of those measured, printed."""
        import pandas as pd

        rows: list[dict[str, Any]] = []
        for name in self.filters:
            words = [found[name].keep for found in self.verdicts.values()]
            rejected, measured = words.count(False), len(words) - words.count(None)
            row: dict[str, Any] = {"filter": name, "dialogues": len(words), "measured": measured}
            row |= {"rejected": rejected, "rate": rejected / measured if measured else math.nan}
            rows.append(row | {"printed": PRINTED.get(name, math.nan)})
        return pd.DataFrame(rows)

    def waterfall(self) -> pd.DataFrame:
        """Count what each filter takes of what the ones before left, in the paper's order."""
        from emodiss.corpus.curation import waterfall

        steps = waterfall(self.table(), order=self.filters)
        return steps[~steps["step"].isin(["kept_by_person", "excluded_by_person"])].reset_index(
            drop=True
        )

    def overlap(self) -> pd.DataFrame:
        """Count the dialogues that two filters reject at once; the diagonal counts each."""
        from emodiss.corpus.curation import overlap

        return overlap(self.table(), order=self.filters)

    def _reasons(self, case: str) -> list[str]:
        return [name for name, each in self.verdicts[case].items() if each.keep is False]


def screen(
    experiment: Experiment,
    instruments: Instruments | None = None,
    *,
    limits: Limits | None = None,
    filters: Iterable[str] | None = None,
    say: Say = None,
    progress: Progress = None,
) -> Screening:
    """Judge all screenplays by all filters; nothing is deleted.

    What was measured is kept in `measures.jsonl`, so that another limit measures nothing anew.
    Verdicts go to `screening.jsonl`.

    Parameters
    ----------
    experiment
        With screenplays; pictures and scores are used where they are.
    instruments
        What measures; with none, only the form of dialogues, copies and known scores are judged.
    limits
        Of the filters; the defaults if None.
    filters
        Names; all but `age` if None.
    say, progress
        Are told what a user should know, and how far it is.

    Raises
    ------
    RunError
        If there are no screenplays.
    SettingsError
        If there is no filter of a name.
    """
    wanted, stated = chosen(filters), limits or Limits()
    tools = instruments or Instruments()
    with experiment.alone():
        plays = experiment.need(experiment.screenplays, "screenplays")
        levels, unanswered = _safety(experiment, plays, tools.safety, say)
        measuring = _Measuring(experiment, tools)
        alliance = _alliance(experiment, plays)
        verdicts: dict[str, dict[str, Verdict]] = {}
        lines: list[dict[str, Any]] = []
        for n, play in enumerate(plays, start=1):
            record = Record(
                play,
                measuring.pictures(play),
                levels.get(play.case.id, {}),
                alliance.get(play.case.id, math.nan),
                _tags(play, tools.tagger),
            )
            found = {name: each(record, stated) for name, each in wanted.items()}
            verdicts[record.id] = found
            said = {name: each.to_dict() for name, each in found.items()}
            keep = all(each.keep is not False for each in found.values())
            lines.append({"case_id": record.id, "keep": keep, "verdicts": said})
            if progress is not None:
                progress("dialogues", n, len(plays))
        experiment.lines(layout.SCREENING).write(lines)
        experiment.book("screen", {"limits": stated.model_dump(), "models": measuring.identities})
    return Screening(verdicts, stated, unanswered)


def instruments(
    *,
    image_text: str | None = None,
    embedder: str | None = None,
    nsfw: str | None = None,
    detector: str | None = "mtcnn",
    safety: Endpoint | SafetyClassifier | None = None,
    options: Iterable[str] = (),
) -> Instruments:
    """Open models by their names in `emodiss models list`; None leaves a measure out."""
    settings = resolve({}, options)

    def opened(name: str | None, task: str) -> Any:
        if name is None:
            return None
        catalog.entry_of(name, task=task)
        return catalog.load(name, settings)

    finder = opened(detector, "faces")
    return Instruments(
        image_text=opened(image_text, "image_text"),
        embedder=opened(embedder, "face_embedder"),
        nsfw=opened(nsfw, "nsfw"),
        detector=finder,
        detector_identity=catalog.entry_of(detector).identity_with(settings) if detector else "",
        safety=safety,
    )


class _Measuring:
    """Measures pictures, each once."""

    def __init__(self, experiment: Experiment, tools: Instruments) -> None:
        self.root, self.tools = experiment.root, tools
        self.file: Journal[dict[str, Any]] = experiment.lines(layout.MEASURES, "key", "value")
        self.known = {line["key"]: line["value"] for line in self.file.read()}
        self.references = reference_pictures(experiment)
        self.drawn: dict[str, list[FacePicture]] = {}
        for each in face_file(experiment).read():
            if each.path is not None:
                self.drawn.setdefault(each.case_id, []).append(each)
        self._faces: dict[Path, NDArray[np.float32] | None] = {}

    @property
    def identities(self) -> dict[str, str]:
        """Who measured, by measure."""
        named = {name: getattr(self.tools, name) for name in _NAMED}
        found = {name: model.identity for name, model in named.items() if model is not None}
        return found | ({"detector": self.tools.detector_identity} if self.tools.detector else {})

    def pictures(self, play: Screenplay) -> dict[int, PictureMeasures]:
        """Measure the pictures of a dialogue, by the line that each was drawn for."""
        lines = {line.index: line for line in play.lines}
        reference = self.references.get(play.case.profile.id)
        return {
            each.line: self._measure(self.root / str(each.path), lines[each.line], reference)
            for each in self.drawn.get(play.case.id, [])
            if each.line in lines
        }

    def _measure(self, path: Path, line: Line, reference: Path | None) -> PictureMeasures:
        try:
            content = path.read_bytes()
        except OSError:
            return PictureMeasures(face_found=False)
        pixels = read_picture(content)
        if pixels is None:
            return PictureMeasures(face_found=False)
        shown, tools = hashlib.sha256(content).hexdigest(), self.tools

        def of(what: str, identity: str, measure: Callable[[], Any], *more: str) -> Any:
            key = json.dumps([what, identity, shown, *more], ensure_ascii=False)
            if key not in self.known:
                self.known[key] = measure()
                self.file.append([{"key": key, "value": self.known[key]}])
            return self.known[key]

        found: dict[str, Any] = {}
        if (detector := tools.detector) is not None:
            found["face_found"] = of(
                "face_found",
                tools.detector_identity,
                lambda: bool(len(detector.detect([pixels])[0])),
            )
        if (model := tools.image_text) is not None and line.directions:
            text = directions_text(line.directions)
            found["image_text"] = of(
                "image_text", model.identity, lambda: _plain(model.similarity(pixels, text)), text
            )
        if (embedder := tools.embedder) is not None and reference is not None:
            found["identity"] = of(
                "identity",
                embedder.identity,
                lambda: _plain(cosine(embedder.embed(pixels), self._reference(reference))),
                file_hash(reference),
            )
        if (guess := tools.attributes) is not None:
            said = of("attributes", guess.identity, lambda: _guess(guess, pixels))
            found["gender"], found["age"] = said
        if (nsfw := tools.nsfw) is not None:
            said = of("nsfw", nsfw.identity, lambda: [_plain(v) for v in nsfw.scores(pixels)])
            found["nsfw"], found["normal"] = said
        # A file of JSON has no NaN.
        for name in ("image_text", "identity", "age", "nsfw", "normal"):
            if found.get(name, 0) is None:
                found[name] = math.nan
        return PictureMeasures(**found)

    def _reference(self, path: Path) -> NDArray[np.float32] | None:
        if path not in self._faces:
            try:
                pixels = read_picture(path.read_bytes())
            except OSError:
                pixels = None
            embedder = self.tools.embedder
            known = None if pixels is None or embedder is None else embedder.embed(pixels)
            self._faces[path] = known
        return self._faces[path]


_NAMED = ("image_text", "embedder", "attributes", "nsfw")


def _safety(
    experiment: Experiment,
    plays: Iterable[Screenplay],
    judge: Endpoint | SafetyClassifier | None,
    say: Say,
) -> tuple[dict[str, Mapping[int, str | None]], dict[str, EmodissError]]:
    """Classify the lines of all dialogues, those of both roles."""
    found: dict[str, Mapping[int, str | None]] = {}
    unanswered: dict[str, EmodissError] = {}
    by_case = {play.case.id: play for play in plays if play.lines}
    if judge is None:
        return found, unanswered
    if not isinstance(judge, Endpoint):
        return {case: judge.classify(play.lines) for case, play in by_case.items()}, unanswered
    longest = max((len(play.lines) for play in by_case.values()), default=0)
    params = Decoding(max_tokens=64 + 16 * longest).params(judge.only())
    questions = [safety_question(case, play.lines) for case, play in by_case.items()]
    with experiment.opened(judge, say) as ready:
        model = next(iter(ready.models.values()))
        for _, answer in asked(questions, model, params, judge):
            case = answer.question.id
            if isinstance(answer, Answered):
                found[case] = parse_levels(answer.completion.text, by_case[case].lines)
            else:
                unanswered[case] = answer.error
        experiment.book("screen_safety", ready.ledger.to_dict())
    return found, unanswered


def _alliance(experiment: Experiment, plays: Iterable[Screenplay]) -> dict[str, float]:
    """Average the items of the Working Alliance Inventory by case, where it was judged as it is."""
    from emodiss.judging import alliance_scores

    table = read_scores(experiment, "screenplays")
    lines = {play.case.id: play.lines for play in plays}
    judged = zip(table["item"], table["directions"], table["dialogue_sha256"], strict=True)
    now = [
        dialogue_sha256(spoken(lines.get(item, ()), directions=bool(shown))) == digest
        for item, shown, digest in judged
    ]
    table = table[np.array(now, dtype=bool)]
    table = alliance_scores(table).dropna(subset=["score"])
    total = (table["score"] * table["n_items"]).groupby(table["item"]).sum()
    n = table.groupby("item")["n_items"].sum()
    return {str(case): float(mean) for case, mean in (total / n).items()}


def _tags(play: Screenplay, tagger: Tagger | None) -> dict[int, list[str]] | None:
    if tagger is None:
        return None
    return {line.index: list(tagger.tags(line.words)) for line in play.lines}


def _guess(model: FaceAttributes, pixels: Pixels) -> list[Any]:
    gender, age = model.predict(pixels)
    return [gender, _plain(age)]


def _plain(value: float) -> float | None:
    """Write a number as JSON can: None for one that is not finite."""
    return float(value) if math.isfinite(value) else None
