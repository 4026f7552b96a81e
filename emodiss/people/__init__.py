"""People: which face belongs to which voice. Who plays which part is in `emodiss.people.roles`.

A voice is given a face by evidence from the whole session: the mouth of its owner follows its
sound from syllable to syllable, moves while it speaks and rests while it does not. All voices and
faces are weighed at once, and a voice may belong to nobody on screen: one whose face is not shown
must not borrow the listener's. What comes out is a posterior probability.
"""

from emodiss.arguments import explain
from emodiss.people.binding import assign, match, weigh
from emodiss.people.mouths import watch_mouths
from emodiss.people.records import (
    Binding,
    BindingSource,
    FaceMappingError,
    MouthMotion,
    Mouths,
    People,
    Person,
    TalkScores,
    TrackScores,
)
from emodiss.people.roles import RoleGuess, classify_roles
from emodiss.people.talking import score_talking

__all__ = [
    "Binding",
    "BindingSource",
    "FaceMappingError",
    "MouthMotion",
    "Mouths",
    "People",
    "Person",
    "RoleGuess",
    "TalkScores",
    "TrackScores",
    "assign",
    "classify_roles",
    "match",
    "score_talking",
    "watch_mouths",
    "weigh",
]

explain(__name__)
