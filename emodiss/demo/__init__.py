"""The demo session: a conversation whose truth is known, made from samples of installed packages.

Two portraits sit side by side as in a video call and are animated by warping. The speaker's
mouth opens with the voice, heads sway, one of the two smiles over a scripted stretch while her
voice goes on as before, and the other one leaves the picture while she talks. So it is known who
speaks when, which face is whose, when a face is missing, and when voice and face diverge; the
tests of the pipeline are held against that.

Nothing is downloaded and nothing is copied into this package. The sources, their credits and
their licences:

- the voices: `sample.wav` and `sample.stm` inside pyannote.audio (CNRS and pyannoteAI, MIT), the
  opening of a telephone call between two strangers who introduce themselves as Diane and Sheila;
- Diane's face: `astronaut.png` inside scikit-image, Eileen Collins, NASA, public domain;
- Sheila's face: `grace_hopper.jpg` inside matplotlib, Grace Hopper, James S. Davis for the United
  States Navy, public domain.

Faces and voices belong to different people, and the roles of therapist and patient are given out
arbitrarily. The session shows the machinery and says nothing about any of these people.
"""

from __future__ import annotations

from emodiss.arguments import explain
from emodiss.demo.comparison import compare, untouched_manifest
from emodiss.demo.session import FPS, HEIGHT, WIDTH, build
from emodiss.demo.truth import DemoSession, DemoTruth

__all__ = [
    "FPS",
    "HEIGHT",
    "WIDTH",
    "DemoSession",
    "DemoTruth",
    "build",
    "compare",
    "untouched_manifest",
]

explain(__name__)
