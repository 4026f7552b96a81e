"""Screenplays: dialogues with stage directions, and what the client's face shows with a line."""

from emodiss.arguments import explain
from emodiss.screenplays.parsing import format_screenplay, parse_screenplay
from emodiss.screenplays.records import Expression, Line, Screenplay, Speaker
from emodiss.screenplays.wording import question

__all__ = [
    "Expression",
    "Line",
    "Screenplay",
    "Speaker",
    "format_screenplay",
    "parse_screenplay",
    "question",
]

explain(__name__)
