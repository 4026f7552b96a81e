"""Silero VAD: where somebody speaks."""

from __future__ import annotations

from emodiss.models.card import Card

CARDS = (
    Card(
        name="silero-vad",
        task="diarizer",
        loader="emodiss.models.silero.diarizer:SileroVoiceActivity",
        place="package",
        package="faster_whisper",
        packaged=("assets/silero_vad*.onnx",),
        source="weights inside faster-whisper (Silero VAD v6)",
        revision="1.2.1",
        licence="MIT",
        noncommercial=False,
        size_mb=1.2,
        what="voice activity: stretches of speech by one unknown speaker",
        distributions=("onnxruntime", "faster-whisper"),
    ),
)
