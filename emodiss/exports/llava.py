"""Screenplays as examples to train a therapist's model with, in LLaVA's or TRL's form.

The prompts are those of simulated sessions, rendered by the same functions. Pictures are named by
their path below the experiment's folder; none is copied.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from emodiss.encounters.planning import parse_plan, planned_text
from emodiss.encounters.records import Variant
from emodiss.encounters.session import tidy_caption
from emodiss.encounters.wording import IMAGE, caption_prompt, therapist_prompt
from emodiss.exports.items import ExportError
from emodiss.screenplays import Line, Screenplay
from emodiss.screenplays.wording import plan_text

Form = Literal["llava", "trl"]

WINDOW = 6
"""Lines of history that an example tells, as in the released sample."""


@dataclass(frozen=True, slots=True)
class Example:
    """What a model is asked, and what it should answer; the picture lies below the experiment."""

    id: str
    prompt: str
    answer: str
    picture: str | None = None

    def to_llava(self) -> dict[str, Any]:
        """Give the record as LLaVA's training reads it; without `image` if there is none."""
        shown = {} if self.picture is None else {"image": self.picture}
        said = [{"from": "human", "value": self.prompt}, {"from": "gpt", "value": self.answer}]
        return {"id": self.id, **shown, "conversations": said}

    def to_trl(self) -> dict[str, Any]:
        """Give the record as messages with their pictures, as TRL reads it."""
        text = {"type": "text", "text": self.prompt.removeprefix(f"{IMAGE}\n")}
        asked = [text] if self.picture is None else [{"type": "image"}, text]
        return {
            "id": self.id,
            "images": [] if self.picture is None else [self.picture],
            "messages": [
                {"role": "user", "content": asked},
                {"role": "assistant", "content": [{"type": "text", "text": self.answer}]},
            ],
        }


def examples(
    screenplays: Iterable[Screenplay],
    pictures: Mapping[tuple[str, int], str],
    variant: Variant,
    *,
    window: int | None = WINDOW,
) -> tuple[list[Example], Counter[str]]:
    """Turn dialogues into examples.

    Parameters
    ----------
    screenplays
        Whole dialogues of the training side.
    pictures
        Path of the client's picture below the experiment's folder, by case and line. A line that
        has none is left out, for variants that see.
    variant
        What the therapist is given, as in simulated sessions. `ec` adds an example per line of the
        client, whose answer is the stage direction; `p` gives the plan of the profile.
    window
        Lines of history; None for all.

    Returns
    -------
    examples
        In the order of the dialogues. A line of the therapist before the client's first one has
        nobody to see: its example has no picture.
    left_out
        How many lines, by reason: `no_picture`, `no_words`, `no_direction` (no caption to learn),
        `no_plan` (all of a dialogue, if its profile has no plan).

    Raises
    ------
    ExportError
        If a dialogue is one of the evaluation side.
    """
    parts = variant.split("+")
    sees = "text" not in parts
    made: list[Example] = []
    left_out: Counter[str] = Counter()
    for play in screenplays:
        case = play.case
        if case.split != "training":
            raise ExportError(
                f"The case {case.id} is there to evaluate with; nothing may be trained on it.",
                next_step="Write screenplays of the training side: emodiss mirror screenplays.",
                code="evaluation",
            )
        plan = ""
        if "p" in parts:
            # Read and written as a model's own plan is, so that both look the same.
            profile = case.profile
            plan = planned_text(parse_plan(plan_text(profile.plan_technique, profile.plan)))
            if not plan:
                left_out["no_plan"] += sum(line.role == "therapist" for line in play.lines)
                continue
        client: Line | None = None  # as last seen
        for line in play.lines:
            picture = None
            if line.role == "client":
                client = line
            if sees and client is not None:
                picture = pictures.get((case.id, client.index))
            name = f"{case.id}-{line.index}"
            if line.role == "client" and "ec" not in parts:
                continue
            answer = line.words if line.role == "therapist" else caption_of(line)
            if not answer:
                left_out["no_words" if line.role == "therapist" else "no_direction"] += 1
            elif sees and client is not None and picture is None:
                left_out["no_picture"] += 1
            elif line.role == "client":
                made.append(Example(f"{name}-caption", caption_prompt(), answer, picture))
            else:
                prompt = therapist_prompt(
                    case.profile,
                    play.lines[: line.index],
                    pictured=picture is not None,
                    caption=caption_of(client) if "ec" in parts and client else None,
                    plan=plan,
                    window=window,
                )
                made.append(Example(name, prompt, answer, picture))
    return made, left_out


def caption_of(line: Line) -> str | None:
    """Give what a line's stage directions say of the client, as captions are told."""
    return tidy_caption(", ".join(line.directions))


def licences(faces: Sequence[Mapping[str, Any]], models: Mapping[str, Iterable[str]]) -> str:
    """Write what may hinder passing the examples, or a model trained on them, on.

    Parameters
    ----------
    faces
        Source and licence of each reference face.
    models
        Who made what: names of models by what they made.
    """
    stated = Counter(
        (str(face.get("source") or "not stated"), str(face.get("licence") or "not stated"))
        for face in faces
    )
    rows = [f"| {source} | {licence} | {n} |" for (source, licence), n in sorted(stated.items())]
    made = [
        f"- {what}: {', '.join(sorted(set(names))) or 'none'}" for what, names in models.items()
    ]
    return "\n".join(
        [
            "# Licences of this training data",
            "",
            "For research; no model trained on it is fit to treat anyone. Whoever passes it, or",
            "weights made from it, on answers for the terms of all that went into it.",
            "",
            "## Reference faces",
            "",
            "The pictures were drawn after these. No reference face is part of this folder.",
            "",
            *(
                ["| source | licence | faces |", "| --- | --- | --- |", *rows]
                if rows
                else ["None."]
            ),
            "",
            "Faces of CelebA may be used for research that earns nothing, and neither they nor",
            "what is derived from them may be passed on.",
            "",
            "## Profiles",
            "",
            "Profiles made from CACTUS are under the GPL-2.0, and so is text taken from them: the",
            "introduction, the reason for counselling and the plan stand in the prompts.",
            "",
            "## Models",
            "",
            "Some providers forbid to train other models on what theirs wrote.",
            "",
            *made,
            "",
            "## Prompts",
            "",
            "Quoted from Kim et al. (2025), MIRROR, EMNLP 2025, under CC BY 4.0.",
            "",
        ]
    )
