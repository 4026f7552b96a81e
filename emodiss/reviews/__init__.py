"""Reviews: what people and language models say about a session, laid over what was measured.

Nothing is written into results: a review finds its target by where it lies in time.
"""

from emodiss.reviews.overlay import (
    N_PLACES,
    SAME_PLACE,
    differences,
    find_utterance,
    find_voice,
    place,
    reviewed_roles,
    reword,
    voices,
)
from emodiss.reviews.records import KINDS, NOTHING_SAID, Overlay, Place, Review, in_force, now
from emodiss.reviews.role_labels import RoleLabel

__all__ = [
    "KINDS",
    "NOTHING_SAID",
    "N_PLACES",
    "SAME_PLACE",
    "Overlay",
    "Place",
    "Review",
    "RoleLabel",
    "differences",
    "find_utterance",
    "find_voice",
    "in_force",
    "now",
    "place",
    "reviewed_roles",
    "reword",
    "voices",
]
