"""What is true of the demo session: who speaks, whose face is where, what the script does."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from emodiss.timebase import Seconds, Span
from emodiss.transcript import Utterance

Side = Literal["left", "right"]
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class DemoPerson:
    """One of the two people in the picture, frame by frame."""

    # Label of the voice in the transcript.
    speaker: str
    # `therapist` or `patient`, given out arbitrarily.
    role: str
    side: Side
    # (4,) x1, y1, x2, y2 of the face at rest, in pixels of the frame.
    face: Array
    # (4,) the same of the mouth.
    mouth: Array
    # Stretches during which the face's middle is out of the picture.
    absences: tuple[Span, ...]
    # Stretches during which the face slides out or in and is seen in part.
    moving: tuple[Span, ...]
    # (n, 2) displacement of the middle of the face from rest in each frame, pixels.
    offset: Array
    # (n,) opening of the mouth in each frame, 0 shut to 1.
    opening: Array
    # (n,) strength of the scripted smile in each frame, 0 to 1.
    smile: Array

    def visible_at(self, time: Seconds) -> bool:
        """Whether the middle of the face is in the picture."""
        return not any(span.contains(time) for span in self.absences)

    def settled_at(self, time: Seconds) -> bool:
        """Whether the face is wholly in or wholly out, rather than sliding."""
        return not any(span.contains(time) for span in self.moving)


@dataclass(frozen=True, slots=True, eq=False)
class DemoTruth:
    """What is true of the demo session.

    Parameters
    ----------
    duration
        Seconds.
    frame_times
        (n,) seconds at which each frame begins.
    smile_span
        Stretch of the full smile, or None if the session is too short for it.
    """

    duration: Seconds
    frame_times: Array
    people: tuple[DemoPerson, DemoPerson]
    utterances: tuple[Utterance, ...]
    smile_span: Span | None

    def person(self, name: str) -> DemoPerson:
        """Look a person up by speaker, role or side.

        Raises
        ------
        KeyError
            If nobody goes by that name.
        """
        for person in self.people:
            if name in (person.speaker, person.role, person.side):
                return person
        raise KeyError(name)

    def speaker_at(self, time: Seconds) -> str | None:
        """Who speaks at an instant, by the transcript; None in a pause."""
        return next((u.speaker for u in self.utterances if u.start <= time < u.end), None)

    def face_visible(self, name: str, time: Seconds) -> bool:
        """Whether the face of a speaker, role or side is in the picture at an instant."""
        return self.person(name).visible_at(time)

    def face_box(self, name: str, time: Seconds) -> Array:
        """Where a face is at an instant, (4,) x1, y1, x2, y2 in pixels; may lie outside."""
        return self._moved(self.person(name), self.person(name).face, time)

    def mouth_box(self, name: str, time: Seconds) -> Array:
        """Where a mouth is at an instant, (4,) x1, y1, x2, y2 in pixels."""
        return self._moved(self.person(name), self.person(name).mouth, time)

    def absences(self, name: str) -> tuple[Span, ...]:
        """When the face of a speaker, role or side is out of the picture."""
        return self.person(name).absences

    def diverging(self) -> tuple[int, ...]:
        """Numbers of the utterances spoken wholly under the scripted smile, from 0."""
        smile = self.smile_span
        if smile is None:
            return ()
        who = self.person("patient").speaker
        return tuple(
            number
            for number, u in enumerate(self.utterances)
            if u.speaker == who and smile.start <= u.start and u.end <= smile.end
        )

    def _moved(self, person: DemoPerson, box: Array, time: Seconds) -> Array:
        frame = int(np.searchsorted(self.frame_times, time + 1e-9, side="right")) - 1
        return box + np.tile(person.offset[max(frame, 0)], 2)

    @classmethod
    def read(cls, path: Path) -> DemoTruth:
        """Read the truth that `build` wrote."""
        return cls.from_json(json.loads(path.read_text(encoding="utf-8")))

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> DemoTruth:
        """Make the record from the content of a `truth.json`."""
        left, right = (_person(entry) for entry in data["people"])
        smile = data["smile_span"]
        return cls(
            duration=float(data["duration"]),
            frame_times=np.arange(data["n_frames"]) / data["fps"],
            people=(left, right),
            utterances=tuple(Utterance(**utterance) for utterance in data["utterances"]),
            smile_span=None if smile is None else Span(*smile),
        )


def _person(data: dict[str, Any]) -> DemoPerson:
    def array(name: str) -> Array:
        return np.array(data[name], np.float64)

    return DemoPerson(
        speaker=data["speaker"],
        role=data["role"],
        side=data["side"],
        face=array("face"),
        mouth=array("mouth"),
        absences=tuple(Span(*bounds) for bounds in data["absences"]),
        moving=tuple(Span(*bounds) for bounds in data["moving"]),
        offset=array("offset"),
        opening=array("opening"),
        smile=array("smile"),
    )


@dataclass(frozen=True, slots=True)
class DemoSession:
    """The files of a demo session, and its truth.

    Parameters
    ----------
    video, transcript, manifest, truth_path
        `demo.mp4`, `demo.stm`, `manifest.csv`, `truth.json`.
    """

    folder: Path
    video: Path
    transcript: Path
    manifest: Path
    truth_path: Path
    truth: DemoTruth
