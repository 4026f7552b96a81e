"""Presets: model names and parameters, nothing else."""

from __future__ import annotations

from typing import Any

from emodiss.errors import SettingsError, nearest

PRESETS: dict[str, dict[str, Any]] = {
    # The models of paper A, every tick of the clock, on one declared scale.
    "paper": {},
    # The same without rescaling the speech values, as the paper probably compared them
    # (research decision A1).
    "paper-raw": {"dissonance.scale": "raw"},
    # Embedded models, nothing to download; strided so that a laptop keeps up. Between two searches
    # faces are followed, which finds them in the same boxes (`scripts/bench_faces.py --accuracy`).
    "lite": {
        "models.asr": "whisper-tiny-en",
        "models.aligner": "whisper-tiny-en-attention",
        "models.diarizer": "campplus",
        "models.faces": "mtcnn-onnx",
        "models.speech_affect": "ser-lite",
        "models.face_affect": "fer-lite",
        "faces.mode": "follow",
        "faces.scan_every": 30,
        "faces.stride": 3,
        "faces.min_face": 40,
        "face_affect.stride": 2,
    },
    # The models of the paper with everything that makes them fast; see the guide for what it does
    # to their values.
    "fast": {
        "models.faces": "mtcnn-onnx",
        "faces.mode": "follow",
        "faces.scan_every": 30,
        "faces.stride": 3,
        "faces.min_face": 40,
        "face_affect.stride": 6,
        "face_affect.looks_per_utterance": 10,
        "emonet.precision": "bfloat16",
    },
}

DEFAULT = "lite"
"""Of a new run for which nobody names another: it needs nothing but the package itself."""

DEFAULT_SAID = (
    "preset lite, the models that come with emodiss; for those of the paper: --preset paper"
)
"""The line that says so before work begins."""


def changes_of(preset: str) -> dict[str, Any]:
    """Return what a preset changes, as dotted setting names to values, or raise a SettingsError."""
    try:
        return dict(PRESETS[preset])
    except KeyError:
        raise SettingsError(
            f"There is no preset '{preset}'.", next_step=nearest(preset, PRESETS)
        ) from None
