"""One question, one answer: conditions that ask the same are asked once.

A window without a flag has the same prompt in the base and in the dissonance condition. Asked
twice, a model might answer twice, and its whims would pass for an effect of the condition.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emodiss.interventions.answers import request_hash
from emodiss.registry import KINDS

if TYPE_CHECKING:
    from emodiss.chat.model import ChatParams, Named
    from emodiss.prompts import Prompt


@dataclass(frozen=True, slots=True)
class Twin:
    """A prompt whose answer is that of another condition: its condition, and its `request_hash`."""

    condition: str
    request_sha256: str

    def line(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """Write the answer down for this condition; `same_answer_as` names the line paid for."""
        source = answer.get("same_answer_as") or answer["request_sha256"]
        own = {"condition": self.condition, "request_sha256": self.request_sha256}
        return {**answer, **own, "same_answer_as": source, "requests": 0, "cost_usd": 0.0}


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked, and what is taken over.

    Parameters
    ----------
    prompts
        One per question: the base prompt where it is among them.
    done
        Hashes of samples that need not be asked.
    twins
        Hash of an answer, there already or to come, to the prompts that take it over.
    """

    prompts: list[Prompt]
    done: set[str]
    twins: dict[str, list[Twin]]


def questions(prompts: Iterable[Prompt]) -> list[list[Prompt]]:
    """Put together the prompts that ask the same about the same window.

    Parameters
    ----------
    prompts
        Any.

    Returns
    -------
    list of list of Prompt
        In order of first appearance; within a question the paper's conditions come first, base
        before all, and each prompt once.
    """
    found: dict[tuple[Any, ...], dict[str, Prompt]] = {}
    for prompt in prompts:
        asked = (prompt.video_id, prompt.window, prompt.sha256)
        found.setdefault(asked, {})[prompt.condition] = prompt

    def place(condition: str) -> int:
        return KINDS.index(condition) if condition in KINDS else len(KINDS)

    return [[same[c] for c in sorted(same, key=place)] for same in found.values()]


def plan(
    prompts: Iterable[Prompt],
    model: Named,
    *,
    params: ChatParams,
    samples: int,
    done: Collection[str],
) -> Plan:
    """Decide which prompts are asked and which take over an answer.

    Parameters
    ----------
    model, params, samples
        As they go to `ask`.
    done
        Hashes of the answers that are there. An answer to the same question under any of the
        paper's conditions counts, whether or not that condition is asked for now.
    """
    made = Plan([], set(done), {})
    for same in questions(prompts):
        first = same[0]
        made.prompts.append(first)
        of_kind = [dataclasses.replace(first, condition=kind) for kind in KINDS]
        for sample in range(samples):
            keys = [request_hash(prompt, model, params, sample) for prompt in (*same, *of_kind)]
            own = dict(zip(keys, (prompt.condition for prompt in same), strict=False))
            source = next((key for key in keys if key in done), keys[0])
            if source in done:
                made.done.add(keys[0])
            others = [
                Twin(condition, key)
                for key, condition in own.items()
                if key != source and key not in done
            ]
            if others:
                made.twins[source] = others
    return made
