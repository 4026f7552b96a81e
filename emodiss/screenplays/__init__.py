"""Screenplays: dialogues with stage directions, and what the client's face shows with a line."""

from emodiss.screenplays.records import Expression, Line, Screenplay, Speaker

__all__ = ["Expression", "Line", "Screenplay", "Speaker"]
