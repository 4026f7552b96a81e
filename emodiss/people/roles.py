"""Who is the therapist: a small offline classifier over the whole transcript of each speaker.

Therapists ask, say "you" and hand back what they heard ("so you feel ..."); patients say "I" and
talk longer. One utterance tells little, a session tells a lot, so each speaker is described by
shares over the whole transcript, and speakers are compared with each other: the logistic
regression works on differences and has no intercept, so that exchanging two names exchanges two
answers. Shares are drawn towards a common mean by pseudo-counts; little text gives small
differences, a confidence near one half, and so an abstention rather than a guess.

The coefficients are fitted by `scripts/fit_role_classifier.py` on AnnoMI (Wu et al. 2022,
"Anno-MI: A dataset of expert-annotated counselling dialogues", ICASSP) and shipped with the
figures that cross-validation gave; no text is shipped.

Limits: AnnoMI is motivational interviewing in English, mostly shown for teaching. How well the
figures carry over to other schools of therapy has not been measured, so have roles reviewed. In
another language the word lists find nothing, which ends in an abstention or rests on question
marks and talk share.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from emodiss.manifest import Role, VideoRow
from emodiss.reviews import Review, reviewed_roles
from emodiss.reviews.role_labels import RoleLabel, holds
from emodiss.transcript import Utterance, Wording
from emodiss.vocabulary import RoleSource

MIN_CONFIDENCE = 0.8
"""Below this the classifier abstains; chosen so that in cross-validation on windows of twelve
utterances nearly all answers given are right (figures in `data/role_classifier.json`)."""

OTHER_TALK_SHARE = 0.1
"""A third voice with less than this share of the words is `other`: a receptionist, a narrator,
a child passing by. With more it takes part, and is a second patient."""

_I = r"(?:i|i'm|i've|i'd|i'll|im|ive|me|my|mine|myself)"
_YOU = r"(?:you|you're|you've|you'd|you'll|youre|youve|your|yours|yourself)"
_ASKS = (
    r"(?:what|how|why|when|where|who|which|do|does|did|are|is|was|were|can|could|would|will|have"
    r"|has|tell)"
)
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")

_PATTERNS: dict[str, re.Pattern[str]] = {
    name: re.compile(pattern)
    for name, pattern in {
        # shares of words
        "second_person": rf"\b{_YOU}\b",
        "first_person": rf"\b{_I}\b",
        # shares of utterances
        "question_mark": r"\?",
        "question_word": rf"(?:^|[.?!,-] *|\b(?:and|so|but|okay|well) ){_ASKS}\b",
        "reflection": (
            r"\b(?:(?:it |that )?(?:sounds|seems|looks) (?:like|to me|as)|so (?:it's|you|your|what"
            r"|for you|then|part of)|what i(?:'m| am)? hear|you(?:'re| are) (?:saying|feeling"
            r"|worried|concerned|thinking|telling)|you (?:feel|felt|mentioned|said|want|know that)"
            r"|on (?:the )?one hand|in other words|i'm hearing|i hear (?:you|that)"
            r"|if i understand|let me (?:see|make sure))\b"
        ),
        "guidance": (
            r"\b(?:tell me|would you (?:like|be)|is it (?:okay|ok|all right) if|would it be"
            r"|thank you|thanks for|let's|we can|we could|i(?:'d| would) like to"
            r"|i(?:'m| am) wondering|i wonder|i(?:'m| am) curious|how about|what else"
            r"|anything else|scale of|on a scale"
            r"|great|good|excellent|that's (?:great|good)|all right|alright)\b"
        ),
        "self_report": (
            r"\b(?:i don't|i do|i did|i didn't|i can't|i just|i guess|i mean|i know|i was|i have"
            r"|i had|i've been|i feel|i need|i get|my (?:mom|mum|dad|wife|husband|kids|parents"
            r"|friends|doctor|boyfriend|girlfriend|job|life|family|son|daughter|mother|father))\b"
        ),
        "assent": r"^(?:yeah|yes|yep|no|nope|uh-huh|i guess|i don't know|not really|right)\b",
    }.items()
}
_PER_WORD = ("second_person", "first_person")

FEATURES = (*_PATTERNS, "talk_share", "opens")
"""Names of what is compared, in the order of the coefficients."""


@dataclass(frozen=True, slots=True)
class RoleGuess:
    """What the classifier makes of one speaker.

    Parameters
    ----------
    role
        None where it abstains.
    confidence
        In [0, 1]: the probability that the role is right, also of a role too doubtful to be
        given; NaN where nothing could be compared.
    evidence
        Values of `FEATURES` as counted (shares in [0, 1]; `opens` is 1 for who speaks first),
        `n_utterances` and `n_words`; `therapist_score` is the sum that was compared. No text.
    reason
        Why it abstains: `one_speaker`, `no_text`, `too_close`; empty otherwise.
    """

    role: Role | None
    confidence: float
    evidence: Mapping[str, float]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class VoiceRole:
    """The part that one voice plays, and who said so."""

    speaker: str
    # None when nobody knows.
    role: Role | None
    # None without a role.
    source: RoleSource | None
    # In [0, 1]; NaN when a person said it. Without a role: of the best guess there was.
    confidence: float
    # Why there is no role: as in `RoleGuess` and `RoleLabel`, `two_therapists` (somebody else is
    # one already) or `contradicted` (by what was said of another voice); empty otherwise.
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Roles:
    """The parts of all voices of one video."""

    # In order of first appearance.
    voices: tuple[VoiceRole, ...]
    # Roles stated in a review for a voice that is not there any more.
    n_lost_reviews: int = 0
    # Roles stated in the manifest for labels that no voice has.
    n_unheard: int = 0

    def of(self, speaker: str) -> VoiceRole:
        """Return the part of this voice."""
        return next(voice for voice in self.voices if voice.speaker == speaker)

    @property
    def notes(self) -> tuple[str, ...]:
        """Short names of what a reader should know."""
        found = ("lost_review",) if self.n_lost_reviews else ()
        found = (*found, "unheard_role") if self.n_unheard else found
        unknown = any(voice.role is None for voice in self.voices)
        return (*found, "unknown_role") if unknown else found


@dataclass(frozen=True, slots=True, eq=False)
class Coefficients:
    """The fitted part of the classifier."""

    # (n_features,) float64, in the order of `FEATURES`.
    weights: NDArray[np.float64]
    # (n_features,) float64, the common mean that shares are drawn to.
    means: NDArray[np.float64]
    # Utterances' worth of the mean that is added; words count as tenths.
    pseudo_count: float


def assign(
    *,
    wording: Wording,
    row: VideoRow,
    reviews: Sequence[Review],
    role_labels: Sequence[RoleLabel],
) -> Roles:
    """Say which part each voice plays: a person's word first, then a model's.

    Parameters
    ----------
    wording
        The transcript with everything a person corrected.
    row
        Manifest row; its `roles` were stated by a person.
    reviews
        In force for this video, kind `role`; they come before the manifest.
    role_labels
        What a language model said, if one was asked; it comes before the classifier. A label
        whose quotations its voice does not say any more is not used.

    Returns
    -------
    Roles
        A model's word fills in only what is not said yet, never makes a second therapist, and is
        not taken at all when it contradicts what was said of another voice; except that a third
        voice that hardly speaks stays `other`. Where the classifier abstains, one voice that a
        person called the therapist settles the others who take part.
    """
    utterances = wording.utterances
    reviewed, n_lost = reviewed_roles(utterances, reviews)
    guesses = classify_roles(utterances)
    labels = {label.speaker: label for label in role_labels if holds(label, utterances)}
    settled: dict[str, VoiceRole] = {}
    for speaker, role in reviewed.items():
        settled[speaker] = VoiceRole(speaker, role, "review", math.nan)
    for speaker, role in (row.roles or {}).items():
        if speaker in guesses:
            settled.setdefault(speaker, VoiceRole(speaker, role, "manifest", math.nan))
    guesses = _told(guesses, {s: v.role for s, v in settled.items() if v.role is not None})
    _fill_in(settled, labels, "language_model")
    _fill_in(settled, guesses, "classifier")
    n_unheard = len((row.roles or {}).keys() - guesses.keys())
    return Roles(tuple(settled[speaker] for speaker in guesses), n_lost, n_unheard)


def _told(guesses: Mapping[str, RoleGuess], stated: Mapping[str, Role]) -> dict[str, RoleGuess]:
    """Guess again what was too close, given what a person stated.

    The classifier compares who of those that take part is the one therapist. Once that is known,
    nothing is left to compare: the probability that another one is not is 1.
    """
    close = [s for s, guess in guesses.items() if guess.reason == "too_close" and s not in stated]
    if "therapist" in stated.values():
        role: Role = "patient"
    elif len(close) == 1 and set(stated.values()) == {"patient"}:
        role = "therapist"
    else:
        return dict(guesses)
    told = {s: replace(guesses[s], role=role, confidence=1.0, reason="") for s in close}
    return {**guesses, **told}


def _fill_in(
    settled: dict[str, VoiceRole],
    guesses: Mapping[str, RoleGuess] | Mapping[str, RoleLabel],
    source: RoleSource,
) -> None:
    """Add what a model says of voices whose part is not known yet."""
    known = {s: voice.role for s, voice in settled.items() if voice.role is not None}
    refuted = any(s in known and g.role not in (None, known[s]) for s, g in guesses.items())
    for speaker, guess in guesses.items():
        if speaker in known:
            continue
        reason = guess.reason
        if guess.role == "therapist" and "therapist" in known.values():
            reason = "two_therapists"
        elif refuted and guess.role in ("therapist", "patient"):
            reason = "contradicted"
        role = None if reason else guess.role
        settled[speaker] = VoiceRole(
            speaker, role, source if role else None, guess.confidence, reason
        )


def classify_roles(
    utterances: Sequence[Utterance], *, min_confidence: float = MIN_CONFIDENCE
) -> dict[str, RoleGuess]:
    """Tell therapist, patients and others apart by what they say.

    Parameters
    ----------
    utterances
        A whole session; the order matters only for who speaks first.
    min_confidence
        Below it no role is given.

    Returns
    -------
    dict
        One guess per speaker, in order of first appearance. Either exactly one speaker is the
        therapist, or none is and the guesses of all who take part are abstentions.
    """
    counts = count_features(utterances)
    evidence = {
        speaker: {**dict(zip(FEATURES, c.shares(), strict=True)), **c.sizes()}
        for speaker, c in counts.items()
    }
    taking_part = _taking_part(counts)
    fitted = coefficients()
    scores = np.array([score(counts[speaker], fitted) for speaker in taking_part])
    for speaker, value in zip(taking_part, scores, strict=True):
        evidence[speaker]["therapist_score"] = float(value)

    reason = ""
    if sum(c.n_words for c in counts.values()) == 0:
        reason = "no_text"
    elif len(taking_part) < 2:
        reason = "one_speaker"
    if reason:
        return {s: RoleGuess(None, math.nan, evidence[s], reason) for s in counts}

    chances = np.exp(scores - scores.max())
    chances /= chances.sum()
    therapist = taking_part[int(np.argmax(chances))]
    confidence = float(chances.max())
    reason = "too_close" if confidence < min_confidence else ""
    guesses: dict[str, RoleGuess] = {}
    for speaker in counts:
        role: Role = "therapist" if speaker == therapist else "patient"
        sure = confidence
        if speaker not in taking_part:
            role, sure = "other", 1.0 - 0.5 * counts[speaker].talk_share / OTHER_TALK_SHARE
        elif len(taking_part) > 2 and speaker != therapist:
            sure = float(1.0 - chances[taking_part.index(speaker)])
        doubtful = bool(reason) and speaker in taking_part
        guesses[speaker] = RoleGuess(
            None if doubtful else role, sure, evidence[speaker], reason if doubtful else ""
        )
    return guesses


def _taking_part(counts: Mapping[str, Counts]) -> list[str]:
    """Name the two who talk most, and everybody else who does not talk little."""
    ranked = sorted(counts, key=lambda speaker: -counts[speaker].n_words)
    kept = {s for s in ranked[:2] if counts[s].n_words}
    kept |= {s for s in ranked[2:] if counts[s].talk_share >= OTHER_TALK_SHARE}
    return [speaker for speaker in counts if speaker in kept]


@dataclass(slots=True)
class Counts:
    """What one speaker says, counted."""

    # How often each pattern is found, in the order of `FEATURES`: in words, or in utterances.
    hits: NDArray[np.float64]
    # n_utterances, n_words: Utterances with text, and their words.
    n_utterances: int = 0
    n_words: int = 0
    # Share of all words of the session.
    talk_share: float = 0.0
    # 1 for who speaks first, else 0.
    opens: float = 0.0

    def sizes(self) -> dict[str, float]:
        """How much the shares rest on."""
        return {"n_utterances": float(self.n_utterances), "n_words": float(self.n_words)}

    def shares(
        self, means: NDArray[np.float64] | None = None, pseudo_count: float = 0.0
    ) -> list[float]:
        """Give the value of each feature, drawn to the means by pseudo-counts."""
        values: list[float] = []
        for place, name in enumerate(_PATTERNS):
            in_words = name in _PER_WORD
            n = self.n_words if in_words else self.n_utterances
            added = pseudo_count * (10 if in_words else 1)
            prior = 0.0 if means is None else float(means[place])
            values.append((float(self.hits[place]) + added * prior) / max(n + added, 1e-12))
        return [*values, self.talk_share, self.opens]


def count_features(utterances: Sequence[Utterance]) -> dict[str, Counts]:
    """Count what the classifier looks at."""
    counts: dict[str, Counts] = {}
    for utterance in utterances:
        own = counts.setdefault(utterance.speaker, Counts(np.zeros(len(_PATTERNS))))
        text = utterance.text.lower().replace("\u2019", "'").strip()
        n_words = len(_WORD.findall(text))
        if not n_words:
            continue
        own.n_utterances += 1
        own.n_words += n_words
        for place, (name, pattern) in enumerate(_PATTERNS.items()):
            if name in _PER_WORD:
                own.hits[place] += len(pattern.findall(text))
            else:
                own.hits[place] += bool(pattern.search(text))
    total = sum(own.n_words for own in counts.values())
    first = min((u for u in utterances if u.text.strip()), key=lambda u: u.start, default=None)
    for speaker, own in counts.items():
        own.talk_share = own.n_words / total if total else 0.0
        own.opens = float(first is not None and speaker == first.speaker)
    return counts


def score(counts: Counts, fitted: Coefficients) -> float:
    """Say how much one speaker sounds like a therapist, in logits."""
    return float(np.dot(counts.shares(fitted.means, fitted.pseudo_count), fitted.weights))


@cache
def coefficients() -> Coefficients:
    """Load the shipped coefficients."""
    text = resources.files("emodiss").joinpath("data/role_classifier.json").read_text("utf-8")
    stored = json.loads(text)
    order = [stored["features"].index(name) for name in FEATURES]
    return Coefficients(
        weights=np.array(stored["weights"], dtype=np.float64)[order],
        means=np.array(stored["means"], dtype=np.float64)[order],
        pseudo_count=float(stored["pseudo_count"]),
    )
