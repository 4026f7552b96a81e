"""A run's interventions on disk: appended one by one, whole after a kill, in order at the end."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emodiss.runs import jsonlines
from emodiss.runs.jsonlines import Line
from emodiss.runs.store import write_atomically, write_json


@dataclass(frozen=True, slots=True)
class InterventionFile:
    """`interventions.jsonl` of a run folder, the prompts that were asked, and the bill.

    Parameters
    ----------
    root
        The run folder. Written to only by who holds its lock.
    """

    root: Path

    @property
    def path(self) -> Path:
        """One line per prompt, model and sample."""
        return self.root / "interventions.jsonl"

    @property
    def prompts_path(self) -> Path:
        """The prompts as they were asked, one line each; a line's `sha256` is what answers name."""
        return self.root / "asked_prompts.jsonl"

    @property
    def ledger_path(self) -> Path:
        """Tokens and cost."""
        return self.root / "chat_ledger.json"

    def read(self) -> list[Line]:
        """Return all lines; [] when there are none. A last line torn by a kill is left out.

        Raises
        ------
        RunError
            If a line before the last one cannot be read.
        """
        return _read(self.path)

    def append(self, line: Mapping[str, Any]) -> None:
        """Add a line and force it to the disk.

        Parameters
        ----------
        line
            As `Answer.to_dict` gives it.
        """
        jsonlines.append(self.path, [line])

    def mend(self) -> None:
        """Cut off a last line that was torn by a kill, so that the next one starts afresh."""
        jsonlines.mend(self.path)

    def sort(self, videos: Sequence[str]) -> None:
        """Bring the lines into their order: model, video, window, condition, sample.

        Parameters
        ----------
        videos
            Ids in the manifest's order.
        """
        place = {video: index for index, video in enumerate(videos)}
        lines = {line["request_sha256"]: line for line in self.read()}

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

        _write(self.path, sorted(lines.values(), key=order))

    def keep_prompts(self, prompts: Iterable[Mapping[str, Any]]) -> None:
        """Keep the prompts that are asked, beside those asked before.

        Parameters
        ----------
        prompts
            As `Prompt.to_dict` gives them.
        """
        jsonlines.mend(self.prompts_path)
        kept = {json.dumps(line, sort_keys=True): line for line in _read(self.prompts_path)}
        kept.update({json.dumps(line, sort_keys=True): dict(line) for line in prompts})
        _write(self.prompts_path, kept.values())

    def write_ledger(self, record: Mapping[str, Any]) -> None:
        """Write the bill.

        Parameters
        ----------
        record
            Plain values.
        """
        write_json(self.ledger_path, record)


def totals(lines: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Add up what answers took, by model and place.

    Parameters
    ----------
    lines
        Of `interventions.jsonl`.

    Returns
    -------
    dict
        Identity to counts. An answer that several conditions share counts once, and as `shared`
        for each further one. Answers from the cache are counted and cost nothing again;
        `cost_usd` is None when the cost of any other answer is unknown.
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


def _read(path: Path) -> list[Line]:
    advice = f"Take the line out, or move {path.name} away; cached answers are free."
    return jsonlines.read(path, next_step=advice)


def _write(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    text = "".join(json.dumps(line, ensure_ascii=False, sort_keys=True) + "\n" for line in lines)
    write_atomically(path, text.encode())
