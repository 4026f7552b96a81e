"""Interventions out of answers: what a model was asked, what it said, and where it comes from."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emodiss.chat.model import Answered, ChatParams, Completion, Named, Question, Unanswered
from emodiss.interventions.parsing import parse
from emodiss.interventions.records import Intervention

if TYPE_CHECKING:
    from emodiss.prompts import Prompt


@dataclass(frozen=True, slots=True)
class Answer:
    """An intervention, and where it comes from.

    Parameters
    ----------
    request_sha256
        Hash of what was asked: prompt, model, place, parameters, sample.
    identity
        Of the model: adapter, place and model.
    """

    intervention: Intervention
    request_sha256: str
    identity: str
    completion: Completion
    requests: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON: the intervention's fields and, beside them, its origin."""
        return {
            **self.intervention.to_dict(),
            "request_sha256": self.request_sha256,
            "identity": self.identity,
            "served_model": self.completion.model,
            "raw_id": self.completion.raw_id,
            "answered_at": self.completion.answered_at,
            "from_cache": self.completion.from_cache,
            "cost_usd": self.completion.cost_usd,
            "requests": self.requests,
            "same_answer_as": None,
        }


def request_hash(prompt: Prompt, model: Named, params: ChatParams, sample: int) -> str:
    """Hash what is asked, so that a recorded answer can be recognised."""
    content = {
        "video_id": prompt.video_id,
        "condition": prompt.condition,
        "window": list(prompt.window),
        "prompt_sha256": prompt.sha256,
        "identity": model.identity,
        "model": model.name,
        "params": params.to_dict(),
        "sample": sample,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def question(prompt: Prompt) -> Question:
    """Put a prompt as a question; its id names video, condition, window and text."""
    about = {
        "video": prompt.video_id,
        "condition": prompt.condition,
        "window": "-".join(map(str, prompt.window)),
    }
    return Question(
        json.dumps([*about.values(), prompt.sha256]), prompt.text, about, pictures=prompt.pictures
    )


def read(prompt: Prompt, answered: Answered, request_sha256: str) -> Answer:
    """Read the answer to a prompt."""
    said = answered.completion
    intervention = Intervention(
        video_id=prompt.video_id,
        condition=prompt.condition,
        window=prompt.window,
        prompt_sha256=prompt.sha256,
        model=answered.model,
        sample=answered.sample,
        # The words of the dialogue, for the detection of echoes.
        reply=parse(
            said.text, context=[line.partition(": ")[2] for line in prompt.dialogue.splitlines()]
        ),
        finish_reason=said.finish_reason,
        prompt_tokens=said.usage.prompt_tokens,
        completion_tokens=said.usage.completion_tokens,
        latency_s=said.latency_s,
        parameters=answered.parameters,
    )
    return Answer(intervention, request_sha256, answered.identity, said, answered.requests)


def unanswered_line(prompt: Prompt, fault: Unanswered) -> dict[str, Any]:
    """Say of a prompt why it has no answer, as plain values for JSON."""
    return {
        "video_id": prompt.video_id,
        "condition": prompt.condition,
        "window": list(prompt.window),
        "prompt_sha256": prompt.sha256,
        "model": fault.model,
        "sample": fault.sample,
        "code": fault.error.code,
        "what": fault.error.what,
        "next_step": fault.error.next_step,
    }
