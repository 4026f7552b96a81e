"""Reviews: what people and language models say about a session, laid over what was measured.

Nothing is written into results: a review finds its target by where it lies in time.
"""

from emodiss.arguments import explain
from emodiss.reviews.overlay import differences, place, reviewed_roles, reword
from emodiss.reviews.places import SAME_PLACE, find_utterance, find_voice, shared, voices
from emodiss.reviews.records import (
    KINDS,
    NOTHING_SAID,
    FacePlace,
    Overlay,
    Place,
    Review,
    Standing,
    in_force,
    now,
    standing,
)
from emodiss.reviews.replay import Replay, Unit, replay
from emodiss.reviews.role_labels import RoleLabel

__all__ = [
    "KINDS",
    "NOTHING_SAID",
    "SAME_PLACE",
    "FacePlace",
    "Overlay",
    "Place",
    "Replay",
    "Review",
    "RoleLabel",
    "Standing",
    "Unit",
    "differences",
    "find_utterance",
    "find_voice",
    "in_force",
    "now",
    "place",
    "replay",
    "reviewed_roles",
    "reword",
    "shared",
    "standing",
    "voices",
]

explain(__name__)
