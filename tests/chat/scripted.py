"""A model that follows a script, and invented talk to ask about."""

from __future__ import annotations

import threading

import pandas as pd

from emodiss.chat.model import ChatParams, Completion, Usage
from tests.chat import chat_server as s

ROWS = [
    ("Ada", "therapist", "How was your week, Bo?"),
    ("Bo", "patient", "It was fine. Ada, I slept badly every single night."),
    ("Ada", "therapist", "Tell me about the nights."),
    ("Bo", "patient", "My sister Carla calls at three."),
]


def table(*videos: str) -> pd.DataFrame:
    """Invented sessions with every column that the four conditions read."""
    rows = [
        {
            "video_id": video,
            "utterance_id": f"u{i:04d}",
            "start": 2.0 * i,
            "end": 2.0 * i + 1.5,
            "speaker": speaker,
            "role": role,
            "text": f"{text} ({video})",
            "speech_label": "sad",
            "face_label": "happy",
            "speech_valence": -0.5,
            "speech_arousal": 0.1,
            "face_valence": 0.6,
            "face_arousal": 0.2,
            "dissonant": role == "patient",
        }
        for video in videos
        for i, (speaker, role, text) in enumerate(ROWS)
    ]
    return pd.DataFrame(rows)


class Scripted:
    """Answers, or raises what its script holds."""

    identity, name = "scripted m", "m"

    def __init__(self, *script):
        self.script = list(script)
        self.seen: list[tuple[str, ChatParams, int]] = []
        self.lock = threading.Lock()

    def generate(self, messages, params, *, sample=0):
        with self.lock:
            self.seen.append((messages[0]["content"], params, sample))
            step = self.script.pop(0) if self.script else None
        if isinstance(step, Exception):
            raise step
        text = s.REPLY if step is None else step
        return Completion(text, "m-served", "stop", Usage(5, 4), 0.1)
