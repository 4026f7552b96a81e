"""What a model answered, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args

from emodiss.errors import EmodissError
from emodiss.interventions.techniques import (
    Technique,
    count_sentences,
    count_words,
    normalise_technique,
)

ParseMode = Literal[
    "json",
    "tags",
    "table",
    "bracketed",
    "technique_line",
    "bold",
    "first_line_colon",
    "first_line",
    "none",
]

PARSE_MODES = get_args(ParseMode)
"""How technique and response were told apart; `none` when no technique is named."""


class InterventionError(EmodissError, ValueError):
    """A stored intervention cannot be read back."""

    code = "intervention_record"


@dataclass(frozen=True, slots=True)
class ParsedReply:
    """A reply taken apart."""

    # Technique as the model named it, without brackets, stars and the like; None if unnamed.
    technique: str | None
    # What the therapist would say. Everything that is left when the technique is taken out.
    response: str
    # Flags from `FAILURES`, the gravest first.
    failures: tuple[str, ...]
    parse_mode: ParseMode
    raw: str

    @property
    def failure(self) -> str | None:
        """The gravest failure flag, or None."""
        return self.failures[0] if self.failures else None

    @property
    def named(self) -> Technique | None:
        """The technique in the vocabulary's spelling."""
        return normalise_technique(self.technique) if self.technique else None

    @property
    def n_words(self) -> int:
        """Words of the response."""
        return count_words(self.response)

    @property
    def n_sentences(self) -> int:
        """Sentences of the response."""
        return count_sentences(self.response)


@dataclass(frozen=True, slots=True)
class Intervention:
    """One answer of one model to one prompt.

    Parameters
    ----------
    video_id, condition, window
        Of the prompt: session, condition, utterances shown.
    prompt_sha256
        Hash of the prompt's text (`Prompt.sha256`).
    sample
        Index among several answers to the same prompt, from 0.
    finish_reason
        Why the model stopped, in the endpoint's own word (`stop`, `length`, ...); None if unsaid.
    prompt_tokens, completion_tokens
        As the endpoint counted them; None if it did not.
    latency_s
        Seconds from request to full answer; None when replayed.
    parameters
        Decoding parameters that were asked for (temperature, seed, ...); plain JSON values.
    """

    video_id: str
    condition: str
    window: tuple[str | int, ...]
    prompt_sha256: str
    model: str
    sample: int
    reply: ParsedReply
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    latency_s: float | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def truncated(self) -> bool:
        """Whether the answer was cut off by the token limit."""
        return self.finish_reason in ("length", "max_tokens", "MAX_TOKENS")

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; what can be derived from the reply is written beside it."""
        record = asdict(self)
        reply = record.pop("reply")
        named = self.reply.named
        return {
            **record,
            "window": list(self.window),
            "parameters": dict(self.parameters),
            **{**reply, "failures": list(self.reply.failures)},
            "failure": self.reply.failure,
            "technique_name": named.name if named else None,
            "technique_group": named.group if named else None,
            "n_words": self.reply.n_words,
            "n_sentences": self.reply.n_sentences,
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Intervention:
        """Read back what `to_dict` wrote; the reply is parsed again from its raw text.

        Raises
        ------
        InterventionError
            If a needed field is missing.
        """
        try:
            reply = ParsedReply(
                technique=record["technique"],
                response=record["response"],
                failures=tuple(record["failures"]),
                parse_mode=record["parse_mode"],
                raw=record["raw"],
            )
            values = {f.name: record[f.name] for f in fields(cls) if f.name != "reply"}
        except KeyError as fault:
            raise InterventionError(
                f"A stored intervention lacks the field {fault}.",
                next_step="Ask the model again with 'emodiss intervene'; cached answers are free.",
            ) from None
        values["window"] = tuple(values["window"])
        return cls(reply=reply, **values)
