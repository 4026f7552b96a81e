"""What people and language models said about a run, as tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emodiss.errors import RunError
from emodiss.runs import fetching
from emodiss.runs.reviews import ReviewFile
from emodiss.runs.run import Run, load
from emodiss.study.interventions import InterventionFile
from emodiss.study.judgements import JudgementFile

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Study:
    """What was said about a run, read from its folder each time it is asked for.

    Parameters
    ----------
    run
        As `emodiss.load` returns it, or its folder. `Run` is what was measured,
        `Study` what was said.
    """

    run: Run

    def __post_init__(self) -> None:
        object.__setattr__(self, "run", load(self.run))

    @property
    def root(self) -> Path:
        """The run folder."""
        return self.run.root

    @property
    def has_responses(self) -> bool:
        """Whether a model was ever asked for interventions."""
        return InterventionFile(self.root).path.is_file()

    @property
    def responses(self) -> pd.DataFrame:
        """What models answered, one row each; columns as in `emodiss.interventions.responses`.

        Raises
        ------
        RunError, InterventionError
            If there are no interventions, or a line cannot be read.
        """
        from emodiss import interventions

        file = InterventionFile(self.root)
        lines = file.read()
        if not lines:
            raise RunError(
                f"The run '{self.root.name}' has no interventions yet.",
                next_step="Ask a model for them: emodiss intervene.",
            )
        return interventions.responses(lines, file.prompts.read())

    @property
    def judgements(self) -> pd.DataFrame:
        """What judges said about the responses; columns in `emodiss.judging.COLUMNS`.

        Raises
        ------
        RunError, RatingsError
            If there are none, or the file cannot be read.
        """
        found = JudgementFile(self.root).read()
        if found is None:
            raise RunError(
                f"The run '{self.root.name}' has no judgements yet.",
                next_step="Ask a judge for them: emodiss judge.",
            )
        return found

    @property
    def reviews(self) -> pd.DataFrame:
        """Every review ever made: video_id, kind, target, value, state, by, at, note.

        States: `in force`, `pending` (the tables are older; the next resume takes it in),
        `replaced`, `taken back`, `lost` (its target is not there any more).
        """
        import pandas as pd

        from emodiss.study.reviewing import sessions

        columns = ("video_id", "kind", "target", "value", "state", "by", "at", "note")
        rows = [row for session in sessions(self.run) for row in session.listing()]
        return pd.DataFrame(rows, columns=list(columns))

    @property
    def role_labels(self) -> pd.DataFrame:
        """What a language model last made of each voice.

        Columns video_id, speaker, role (missing where it abstained or is not believed),
        confidence in [0, 1], quotes and reason (why there is no role).
        """
        import pandas as pd

        columns = ("video_id", "speaker", "role", "confidence", "quotes", "reason")
        labels = ReviewFile(self.root).read_labels()
        rows = [
            {"video_id": video, **label.to_dict()} for video, of in labels.items() for label in of
        ]
        return pd.DataFrame(rows, columns=list(columns))

    @property
    def decay(self) -> pd.DataFrame:
        """Addresses that died: id, url, code, since (the day on which it was first seen)."""
        import pandas as pd

        rows = fetching.decay(self.root).read()
        return pd.DataFrame(rows, columns=list(fetching.DECAY_COLUMNS), dtype="str")

    @property
    def answer_times(self) -> pd.DataFrame:
        """One row per answer of a language model that stands: asked, identity, seconds.

        `asked` is `role_labels`, `interventions` or `judgements`; seconds run from request to full
        answer, NaN when nobody timed it. A judgement is one row, however many answers its score
        was read from. Failed requests and pauses before retries are on record nowhere.
        """
        import pandas as pd

        table = pd.DataFrame(list(self._answers()), columns=["asked", "identity", "seconds"])
        return table.astype({"asked": "str", "identity": "str", "seconds": "float64"})

    def _answers(self) -> Iterator[tuple[str, str, float]]:
        labels = ReviewFile(self.root).role_labels.read()
        for line in {line["video_id"]: line for line in labels}.values():
            yield "role_labels", str(line.get("identity")), _seconds(line)
        timed: set[tuple[object, ...]] = set()
        for line in InterventionFile(self.root).read():
            if line.get("same_answer_as"):
                continue
            # Prompts that read alike share one kept answer, and its time.
            answer = (line["identity"], line["answered_at"], line["latency_s"])
            if not (line["from_cache"] and answer in timed):
                yield "interventions", str(line["identity"]), _seconds(line)
            timed.add(answer)
        judgements = JudgementFile(self.root).read()
        if judgements is not None:
            judged = judgements[judgements["status"] != "unanswered"]
            for identity, seconds in zip(judged["identity"], judged["latency_s"], strict=True):
                yield "judgements", str(identity), float(seconds)


def _seconds(line: Mapping[str, Any]) -> float:
    seconds = line.get("latency_s")
    return float("nan") if seconds is None else float(seconds)
