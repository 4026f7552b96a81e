"""The pipeline on one screen.

Each stage is a pure function of small records. What it reads, which settings and which model it
needs and which columns of the manifest matter stand in the table below; an artifact's key is
computed from this table alone, so a result on disk can never vouch for itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from emodiss import registry


@dataclass(frozen=True, slots=True)
class Stage:
    """One step from records to a record."""

    # Of the stage and of the artifact it makes.
    name: str
    # `module:function`; called with keyword arguments only, and only those the row names.
    function: str
    # Artifacts it takes, by name.
    reads: tuple[str, ...] = ()
    # Task in `settings.models` whose model it takes as `model`. A task set to None skips the stage,
    # and what reads it gets None.
    model: str | None = None
    # Group of settings that can change its result, passed as `settings`.
    settings: str | None = None
    # Single settings of other groups, `group.name`; each is passed by its own name.
    also: tuple[str, ...] = ()
    # Manifest columns that can change its result; the row is passed as `row`.
    row: tuple[str, ...] = ()
    # Whether it takes the media file, passed as `source`.
    source: bool = False
    # Kinds of review that can change its result (`emodiss.reviews.KINDS`); those in force for the
    # video are passed as `reviews`.
    reviews: tuple[str, ...] = ()
    # Whether it takes what a language model said about the voices, passed as `role_labels`.
    role_labels: bool = False
    # Manifest column that makes the stage needless when filled; `voices` stands for a given
    # transcript that names them.
    unless: str | None = None
    # Manifest column without which there is nothing to do, and a setting that must be true.
    only_if: tuple[str, str] | None = None
    # Setting and the value of it that makes the stage needless.
    off: tuple[str, Any] | None = None
    # Settings of its group that cannot change its result; they stay out of its key.
    apart: tuple[str, ...] = ()
    # Artifacts that may have changed since an earlier result of this stage and leave most of it
    # true; that result, or None, is passed as `earlier`, and only what differs is done again. What
    # comes out is the same as without it.
    mends: tuple[str, ...] = ()
    # piece, join: `module:function` each, of a stage that works on a long video piece by piece
    # (`Media.pieces`), on several cores: `piece` does one, passed as `piece`; `join` takes what it
    # made as `parts`, in order, and neither source nor model. The stage's own function does the
    # same at once, to the same bytes.
    piece: str = ""
    join: str = ""
    # Raised whenever the function's results change; makes older artifacts stale.
    version: int = 1

    def load(self, function: str | None = None) -> Callable[..., Any]:
        """Import the function, or one of the other two."""
        return registry.function(function or self.function)


# How utterances are made of what was heard, which itself does not change with it.
_OF_UTTERANCES = (
    *("transcript.max_pause_s", "transcript.max_utterance_s", "transcript.strict"),
    *("transcript.captions", "transcript.align"),
)
_GEOMETRY = ("speaker", "times", "split", "merge", "remove", "add")

STAGES: tuple[Stage, ...] = (
    Stage(
        "media",
        "emodiss.media:probe",
        settings="media",
        row=("start", "end"),
        source=True,
        # They decide which files are there to be probed, not what is found: accepting one file
        # that ends early measures no other anew.
        apart=("media.max_height", "media.allow_truncated"),
        version=5,
    ),
    Stage("audio", "emodiss.media:stream_audio", reads=("media",), source=True, version=6),
    Stage(
        "recognition",
        "emodiss.transcript.stages:recognise",
        reads=("audio",),
        model="asr",
        settings="transcript",
        apart=(*_OF_UTTERANCES, "transcript.num_speakers"),
        row=("language",),
        unless="transcript",
        version=3,
    ),
    Stage(
        "words",
        "emodiss.transcript.stages:time_words",
        reads=("audio", "recognition"),
        model="aligner",
        settings="transcript",
        apart=(*_OF_UTTERANCES, "transcript.num_speakers"),
        unless="transcript",
        version=2,
    ),
    Stage(
        "turns",
        "emodiss.transcript.stages:diarize",
        reads=("audio",),
        model="diarizer",
        settings="transcript",
        apart=(*_OF_UTTERANCES, "transcript.language"),
        unless="voices",
        version=2,
    ),
    Stage(
        "alignment",
        "emodiss.transcript.stages:align",
        reads=("media", "audio"),
        model="aligner",
        settings="transcript",
        row=("transcript", "language"),
        only_if=("transcript", "transcript.align"),
        version=5,
    ),
    Stage(
        "draft",
        "emodiss.transcript.stages:assemble",
        reads=("media", "recognition", "words", "turns", "alignment"),
        settings="transcript",
        row=("transcript",),
        version=10,
    ),
    # What a person corrects comes in where it matters and no earlier: a text or a role costs no
    # second look at the video.
    Stage("transcript", "emodiss.reviews:place", reads=("draft",), reviews=_GEOMETRY, version=3),
    Stage(
        "wording",
        "emodiss.reviews:reword",
        reads=("draft", "transcript"),
        reviews=(*_GEOMETRY, "text"),
        version=3,
    ),
    Stage(
        "roles",
        "emodiss.people.roles:assign",
        reads=("wording",),
        row=("roles",),
        reviews=("role",),
        role_labels=True,
        version=4,
    ),
    Stage(
        "faces",
        "emodiss.faces.stages:detect",
        reads=("media",),
        model="faces",
        settings="faces",
        source=True,
        piece="emodiss.faces.stages:detect_piece",
        join="emodiss.faces.stages:join_pieces",
        version=6,
    ),
    Stage(
        "tracks",
        "emodiss.faces.stages:follow",
        reads=("faces",),
        model="tracker",
        settings="tracks",
        also=("faces.min_score",),
        version=3,
    ),
    Stage(
        "mouths",
        "emodiss.people:watch_mouths",
        reads=("media", "faces", "tracks"),
        source=True,
        version=3,
    ),
    Stage(
        "talking",
        "emodiss.people:score_talking",
        reads=("media", "audio", "tracks"),
        model="active_speaker",
        source=True,
        version=2,
    ),
    Stage(
        "people",
        "emodiss.people:match",
        reads=("media", "transcript", "turns", "tracks", "mouths", "audio", "talking"),
        settings="people",
        row=("faces",),
        reviews=("face",),
        version=8,
    ),
    Stage(
        "speech_affect",
        "emodiss.utterances:measure_speech",
        reads=("audio", "transcript"),
        model="speech_affect",
        settings="speech_affect",
        apart=("speech_affect.window_s", "speech_affect.hop_s"),
        mends=("transcript",),
        version=2,
    ),
    Stage(
        "voice_windows",
        "emodiss.utterances:measure_windows",
        reads=("audio", "transcript", "speech_affect"),
        model="speech_affect",
        settings="speech_affect",
        off=("speech_affect.window_s", None),
        version=2,
    ),
    Stage(
        "face_affect",
        "emodiss.utterances:measure_faces",
        reads=("media", "transcript", "tracks", "people"),
        model="face_affect",
        settings="face_affect",
        apart=("face_affect.who",),
        mends=("transcript", "people"),
        source=True,
        piece="emodiss.utterances:measure_faces_piece",
        join="emodiss.utterances:join_faces",
        version=5,
    ),
    Stage(
        "listener_affect",
        "emodiss.utterances:measure_listeners",
        reads=("media", "transcript", "tracks", "people"),
        model="face_affect",
        settings="face_affect",
        # How often a speaker is looked at says nothing of listeners.
        apart=("face_affect.looks_per_utterance", "face_affect.looks_apart_s"),
        off=("face_affect.who", "speaker"),
        mends=("transcript", "people"),
        source=True,
        piece="emodiss.utterances:measure_listeners_piece",
        join="emodiss.utterances:join_listeners",
        version=4,
    ),
    Stage(
        "utterances",
        "emodiss.utterances:tabulate",
        reads=("wording", "roles", "people", "speech_affect", "face_affect", "listener_affect"),
        settings="dissonance",
        also=("face_affect.min_frames", "face_affect.looks_per_utterance"),
        row=("id",),
        version=6,
    ),
    Stage(
        "prompts",
        "emodiss.prompts.of_session:write",
        reads=("utterances",),
        settings="prompts",
        version=max(row.since for row in registry.CONDITIONS.values()),
    ),
)

BY_NAME: dict[str, Stage] = {stage.name: stage for stage in STAGES}


def most_to_follow_first() -> list[Stage]:
    """Put stages into the order in which they are begun where several can be.

    What the longest chain of stages waits for goes first, so that no long chain is left to one
    worker at the end; among equals what is not cut into pieces goes before what is.
    """
    before_end: dict[str, int] = {}
    for stage in reversed(STAGES):
        later = [before_end[one.name] for one in STAGES if stage.name in one.reads]
        before_end[stage.name] = 1 + max(later, default=-1)
    return sorted(STAGES, key=lambda stage: (-before_end[stage.name], bool(stage.piece)))
