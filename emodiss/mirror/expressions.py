"""What the client's face shows with each line, asked of a language model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from emodiss.chat.endpoint import Endpoint
from emodiss.chat.model import Question, Unanswered
from emodiss.errors import EmodissError
from emodiss.mirror import layout
from emodiss.mirror.experiment import (
    Decoding,
    Experiment,
    Progress,
    Say,
    asked,
    request_hash,
    shown,
)
from emodiss.runs.journal import Journal
from emodiss.screenplays import Expression
from emodiss.screenplays.expressions import expression_question, parse_expression

DECODING = Decoding(temperature=0.7, top_p=0.9, max_tokens=128)
"""Of the released code."""


@dataclass(frozen=True, slots=True)
class Expressions:
    """What came of asking for expressions.

    Parameters
    ----------
    expressions
        One per line of a client, in the order of the dialogues.
    unanswered
        Why a line has no answer, by case and line.
    """

    expressions: tuple[Expression, ...]
    unanswered: dict[str, EmodissError]

    @property
    def complete(self) -> bool:
        """Whether every line has both descriptions, and there was one."""
        whole = all(each.status == "complete" for each in self.expressions)
        return bool(self.expressions) and whole and not self.unanswered


def expressions(
    experiment: Experiment,
    models: Endpoint,
    *,
    without_directions: bool = False,
    decoding: Decoding = DECODING,
    say: Say = None,
    progress: Progress = None,
) -> Expressions:
    """Ask what the client's face shows with each line of the screenplays.

    Answers go to `expressions.jsonl` as they come; what is there is not asked for again.

    Parameters
    ----------
    experiment
        With screenplays.
    models
        One model.
    without_directions
        Hide stage directions from the model; the answers go to a file of their own (Figure 14).
    decoding
        How the model decodes; the default is that of the released code.
    progress
        Called with "lines", how many are done and how many there are.

    Raises
    ------
    RunError
        If there are no screenplays.
    SettingsError
        If not one model is named.
    """
    params = decoding.params(models.only())
    with experiment.alone(), experiment.opened(models, say) as ready:
        questions = _questions(experiment, directions=not without_directions)
        file = expression_file(experiment, without_directions=without_directions)
        # Two dialogues may begin alike: what was asked does not tell whose line it was.
        known = {(each.case_id, each.line, each.request_sha256): each for each in file.read()}
        model = next(iter(ready.models.values()))
        unanswered: dict[str, EmodissError] = {}
        wanted = {
            (each.about["case"], int(each.about["line"]), request_hash(each, model, params)): each
            for each in questions
        }
        n = sum(place in known for place in wanted)
        new = [question for place, question in wanted.items() if place not in known]
        for digest, found in asked(new, model, params, models):
            if isinstance(found, Unanswered):
                unanswered[found.question.id] = found.error
            else:
                about = found.question.about
                positive, negative = parse_expression(found.completion.text)
                made = (about["case"], int(about["line"]), positive, negative)
                known[*made[:2], digest] = Expression(*made, found.identity, digest)
                file.append([known[*made[:2], digest]])
            n += 1
            if progress is not None:
                progress("lines", n, len(questions))
        kept = tuple(known[place] for place in wanted if place in known)
        file.write(kept)  # in the order of the dialogues, without what was asked of others
        experiment.book("expressions", ready.ledger.to_dict())
    return Expressions(kept, unanswered)


def requests(
    experiment: Experiment,
    models: Endpoint,
    *,
    without_directions: bool = False,
    decoding: Decoding = DECODING,
) -> list[dict[str, Any]]:
    """Show what `expressions` would send, given the same; nobody is asked."""
    params = decoding.params(models.only())
    questions = _questions(experiment, directions=not without_directions)
    return shown(models, questions, params)


def expression_file(experiment: Experiment, *, without_directions: bool) -> Journal[Expression]:
    """Return the file of expressions, or that of those made without stage directions."""
    if not without_directions:
        return experiment.expressions
    return Journal(
        experiment.root / layout.EXPRESSIONS_WITHOUT,
        decode=Expression.from_dict,
        encode=Expression.to_dict,
    )


def _questions(experiment: Experiment, *, directions: bool) -> Sequence[Question]:
    """One per line of a client in a whole screenplay."""
    return [
        expression_question(play.case.id, play.lines[:n], line, directions=directions)
        for play in experiment.need(experiment.screenplays, "screenplays")
        if play.status == "complete"
        for n, line in enumerate(play.lines)
        if line.role == "client"
    ]
