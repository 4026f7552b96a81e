"""A run's interventions on disk: added one by one, in order at the end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emodiss.runs import layout
from emodiss.runs.files import write_json
from emodiss.runs.journal import Journal, Line, canonical


@dataclass(frozen=True, slots=True)
class InterventionFile:
    """Answers of a run folder, prompts and bill; who writes holds the lock of the folder."""

    root: Path

    @property
    def path(self) -> Path:
        """One line per prompt, model and sample."""
        return self.root / layout.INTERVENTIONS

    @property
    def answers(self) -> Journal[Line]:
        """What stands in `path`."""
        return Journal(self.path, next_step=_advice(self.path), decode=_answer)

    @property
    def prompts(self) -> Journal[Line]:
        """The prompts as they were asked; a line's `sha256` is what answers name."""
        path = self.root / layout.ASKED_PROMPTS
        return Journal(path, next_step=_advice(path))

    def read(self) -> list[Line]:
        """Return all answers."""
        return self.answers.read()

    def append(self, line: Mapping[str, Any]) -> None:
        """Add an answer, as `Answer.to_dict` gives it."""
        self.answers.append([dict(line)])

    def sort(self, videos: Sequence[str]) -> None:
        """Bring the answers into order: model, video as in the manifest, window, condition."""
        place = {video: index for index, video in enumerate(videos)}

        def order(line: Line) -> tuple[Any, ...]:
            window = [str(name).rjust(12) for name in line["window"]]
            return (
                line["model"],
                place.get(line["video_id"], len(place)),
                line["video_id"],
                window[-1:],
                window,
                line["condition"],
                line["sample"],
                line["request_sha256"],
            )

        self.answers.upsert([], key=lambda line: line["request_sha256"], order=order)

    def keep_prompts(self, prompts: Iterable[Mapping[str, Any]]) -> None:
        """Keep the prompts that are asked, beside those asked before."""
        self.prompts.upsert([dict(line) for line in prompts], key=canonical)

    def write_ledger(self, record: Mapping[str, Any]) -> None:
        """Write the bill."""
        write_json(self.root / layout.CHAT_LEDGER, record)


def _answer(line: Line) -> Line:
    """Refuse a line that is no answer."""
    names = ("model", "identity", "video_id", "condition", "request_sha256")
    if not all(isinstance(line[name], str) for name in names):
        raise TypeError
    if not isinstance(line["window"], list) or not isinstance(line["sample"], int):
        raise TypeError
    totals([line])
    return line


def _advice(path: Path) -> str:
    return f"Take the line out, or move {path.name} away; cached answers are free."


def totals(lines: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Add up what answers took, by the identity of the model.

    An answer that several conditions share counts once, and as `shared` for each further one.
    Answers from the cache cost nothing again; `cost_usd` is None when that of another is unknown.
    """
    found: dict[str, dict[str, Any]] = {}
    for line in lines:
        total = found.setdefault(
            line["identity"],
            {
                "model": line["model"],
                "answers": 0,
                "shared": 0,
                "from_cache": 0,
                "truncated": 0,
                "failures": {},
                "prompt_tokens": 0,
                "completion_tokens": 0,
                "answers_without_usage": 0,
                "answers_of_unknown_cost": 0,
                "cost_usd": 0.0,
            },
        )
        if line.get("same_answer_as"):
            total["shared"] += 1
            continue
        total["answers"] += 1
        total["truncated"] += line["finish_reason"] in ("length", "max_tokens", "MAX_TOKENS")
        for failure in line["failures"]:
            total["failures"][failure] = total["failures"].get(failure, 0) + 1
        if line["from_cache"]:
            total["from_cache"] += 1
            continue
        if line["prompt_tokens"] is None or line["completion_tokens"] is None:
            total["answers_without_usage"] += 1
        total["prompt_tokens"] += line["prompt_tokens"] or 0
        total["completion_tokens"] += line["completion_tokens"] or 0
        if line["cost_usd"] is None:
            total["answers_of_unknown_cost"] += 1
        else:
            total["cost_usd"] += line["cost_usd"]
    for total in found.values():
        known = round(total["cost_usd"], 9)
        total["cost_usd"] = None if total["answers_of_unknown_cost"] else known
    return found
