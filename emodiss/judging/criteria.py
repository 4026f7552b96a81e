"""What a judge judges by: criteria, and the steps it wrote for each, kept for the next time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from importlib import resources
from pathlib import Path

from emodiss.chat.answers import unwrapped
from emodiss.chat.model import Answered, ChatParams, Question
from emodiss.errors import EmodissError, as_path, nearest
from emodiss.prompts.wording import Template, render
from emodiss.ratings import CRITERIA, LIKERT, RatingScale
from emodiss.tabular import decoded, json_value
from emodiss.vocabulary import counted

_STEPS_TOKENS = 400

_LEAST_STEPS_WORDS = 4
"""Steps in fewer words, such as a bare number, are none."""


class JudgeError(EmodissError, ValueError):
    """A judgement cannot be made or read as asked."""

    code = "judge"


@dataclass(frozen=True, slots=True)
class Criterion:
    """One thing to rate."""

    name: str
    definition: str


@dataclass(frozen=True, slots=True)
class Steps:
    """The evaluation steps that a model wrote for a criterion.

    Parameters
    ----------
    model
        Identity of the model that wrote them.
    prompt_sha256
        Hash of what it was asked: definition, scale and wording.
    """

    criterion: str
    text: str
    model: str
    prompt_sha256: str

    @property
    def sha256(self) -> str:
        """Hash of the text: judgements with equal hashes used the same steps."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def criterion(name: str | Path) -> Criterion:
    """Get one of the paper's criteria by name, or another from a text file.

    Parameters
    ----------
    name
        `applicability`, `empathy`, `comprehensiveness`, or the path of a UTF-8 text file that
        holds the definition; the file's name without suffix is then the criterion's.

    Raises
    ------
    JudgeError
        If there is neither.
    """
    if str(name) in CRITERIA:
        return Criterion(str(name), render(built_in(str(name)), {}))
    path = Path(name)
    if not path.is_file():
        raise JudgeError(
            f"There is no criterion '{path.name}'.",
            next_step=nearest(path.name, CRITERIA) + " Another one is a text file: give its path.",
        )
    try:
        definition = path.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as unread:
        raise JudgeError(
            f"The criterion file '{path.name}' cannot be read: {type(unread).__name__}.",
            next_step="Give a text file in UTF-8.",
        ) from None
    if not definition:
        raise JudgeError(f"The criterion file '{path.name}' is empty.")
    return Criterion(path.stem, definition)


def built_in(name: str) -> Template:
    """Load one of the judge's templates, `judge_<name>.jinja`."""
    file = f"judge_{name}.jinja"
    source = (resources.files("emodiss") / "templates" / file).read_text("utf-8")
    return Template(condition=f"judge_{name}", name=file, source=source)


def steps_question(what: Criterion, *, scale: RatingScale = LIKERT) -> Question:
    """Write what a model is asked for its evaluation steps."""
    values = {"low": f"{scale.low:g}", "high": f"{scale.high:g}", "definition": what.definition}
    text = render(built_in("steps"), values)
    return Question(what.name, text, {"criterion": what.name})


def steps_of(answered: Answered) -> Steps:
    """Take the steps out of the answer to a `steps_question`.

    Parameters
    ----------
    answered
        What the model wrote.

    Raises
    ------
    JudgeError
        If it is fewer than four words.
    """
    name = answered.question.about["criterion"]
    text = unwrapped(answered.completion.text).strip()
    if len(text.split()) < _LEAST_STEPS_WORDS:
        raise JudgeError(
            f"'{answered.model}' wrote no steps for {name}: {counted(len(text.split()), 'word')}.",
            next_step="Ask again with --no-cache, or let another judge write them: its file is for "
            "--steps.",
        )
    return Steps(name, text, answered.identity, answered.question.sha256)


def steps_params(params: ChatParams) -> ChatParams:
    """Return the decoding parameters that steps are asked with: temperature 0 and 400 tokens.

    Parameters
    ----------
    params
        Those that are not set here; temperature or max_tokens None stays None, for models that
        refuse it.
    """
    return replace(
        params,
        temperature=None if params.temperature is None else 0.0,
        max_tokens=None if params.max_tokens is None else _STEPS_TOKENS,
        top_logprobs=None,
    )


def write_steps(steps: Mapping[str, Steps], path: str | Path) -> None:
    """Keep steps in a JSON file.

    Parameters
    ----------
    steps
        From `plan_steps`.
    """
    records = [asdict(each) for each in steps.values()]
    text = json.dumps(records, indent=2, ensure_ascii=False, sort_keys=True)
    Path(path).write_text(text + "\n", encoding="utf-8")


def read_steps(path: str | Path) -> dict[str, Steps]:
    """Read what `write_steps` wrote.

    Raises
    ------
    JudgeError
        If it is missing or no such file.
    """
    path = as_path(path, "a file of steps")
    names = {field.name for field in fields(Steps)}
    if not path.exists():
        raise JudgeError(f"There are no steps at '{path}'.")
    text = decoded(path, error=JudgeError, what="file of steps")
    try:
        records = json_value(text)
        found = [Steps(**{k: str(v) for k, v in record.items()}) for record in records]
    except (ValueError, TypeError, AttributeError):
        raise JudgeError(
            f"'{path.name}' holds no evaluation steps.",
            next_step=f"Expected was a JSON list of objects with {', '.join(sorted(names))}.",
        ) from None
    return {each.criterion: each for each in found}
