"""Transcripts of other programs that are not read: what they are, and how to get one that is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_DOCUMENT = (
    "Export captions (SRT, WebVTT) from the service that wrote it, or make it a table with the "
    "columns speaker, start, end and text and save that as CSV UTF-8."
)
_CONVERTED = "Convert it: ffmpeg -i {name} {stem}.srt"
_EDITED = "Open it in a subtitle editor, such as Subtitle Edit or Aegisub, and save it as SRT."
_YOUTUBE = "Load the captions anew: yt-dlp --write-subs --sub-format json3 --skip-download URL"

SUFFIXES: Mapping[str, tuple[str, str]] = {
    "txt": (
        "plain text, in which no two programs write names and times alike",
        f"If it is a table with tabs, name it .tsv. {_DOCUMENT}",
    ),
    **dict.fromkeys(
        ("docx", "doc", "odt", "rtf", "pdf", "html", "htm", "otr", "md"), ("a document", _DOCUMENT)
    ),
    **dict.fromkeys(
        ("xlsx", "xls", "ods", "numbers"), ("a workbook", "Open it and save it as 'CSV UTF-8'.")
    ),
    **dict.fromkeys(
        ("ass", "ssa", "smi", "sami", "sub", "mpl", "lrc", "scc", "vplayer", "jss"),
        ("captions in another format", _CONVERTED),
    ),
    **dict.fromkeys(
        ("ttml", "dfxp", "xml", "sbv", "stl", "itt"), ("captions in another format", _EDITED)
    ),
    **dict.fromkeys(("srv1", "srv2", "srv3"), ("captions of YouTube in XML", _YOUTUBE)),
    "textgrid": (
        "a TextGrid of Praat",
        "In Praat: Down to Table (with tier names), then save it as tab-separated file, as .tsv.",
    ),
    "eaf": (
        "annotations of ELAN",
        "In ELAN: File, Export As, Tab-delimited Text, with column labels; name it .tsv.",
    ),
    "cha": ("a transcript of CLAN", "In CLAN: chat2srt FILE. Give the .srt that it writes."),
    "trs": ("a transcript of Transcriber", "In Transcriber: File, Export to STM."),
    "rttm": ("who spoke when, without words (RTTM)", "Give a transcript with words, or none."),
    "ctm": ("words with times, without sentences", "Give STM, or WhisperX JSON with its words."),
    "mx24": ("a project of MAXQDA", "In MAXQDA: export the transcript as SRT."),
}
"""What files of other programs are, and what to do, by their suffix."""

_CONTENT = (
    (re.compile(r"\A\s*<\?xml[^>]*>\s*<timedtext|\A\s*<(?:timedtext|transcript)\b"), "srv3"),
    (re.compile(r"\A\s*(?:<\?xml[^>]*>\s*)?<(?:\w+:)?tt[\s>]"), "ttml"),
    (re.compile(r"\A\s*(?:<\?xml[^>]*>\s*)?(?:<!DOCTYPE Trans[^>]*>\s*)?<Trans\b"), "trs"),
    (re.compile(r"\A\s*(?:<\?xml[^>]*>\s*)?<ANNOTATION_DOCUMENT"), "eaf"),
    (re.compile(r"\A\s*<SAMI", re.IGNORECASE), "smi"),
    (re.compile(r"\A\s*(?:<!DOCTYPE html|<html)", re.IGNORECASE), "html"),
    (re.compile(r"\A\s*<\?xml"), "xml"),
    (re.compile(r"\A\s*File type = \"oo(?:Text|Binary)File"), "textgrid"),
    (re.compile(r"\A@(?:UTF8|Begin|Font)"), "cha"),
    (re.compile(r"\A\[Script Info\]"), "ass"),
    (re.compile(r"\AScenarist_SCC"), "scc"),
    (re.compile(r"\A\{\\rtf"), "rtf"),
    (re.compile(r"\A%PDF-"), "pdf"),
    (re.compile(r"\ASPEAKER \S+ \d+ [\d.]+ [\d.]+ <NA>"), "rttm"),
    (re.compile(r"\A\s*\d+:\d\d:\d\d\.\d{3},\d+:\d\d:\d\d\.\d{3}\n"), "sbv"),
)
_READABLE = (
    (re.compile(r"\AWEBVTT(?:[ \t\n]|$)"), "WebVTT", "vtt"),
    (re.compile(r"\A\s*\d+\s*\n[\d:]+,\d{3} --> "), "SRT", "srt"),
    (re.compile(r"\A\s*[{\[]\s*[\"{]"), "JSON", "json"),
)

_JSON_OF = {
    "transcription": "whisper.cpp: run it with --output-srt or --output-vtt",
    "utterances": "AssemblyAI or Deepgram: ask for the captions as SRT",
    "monologues": "Rev: download the captions as SRT or WebVTT",
    "sentences": "Fireflies: download the transcript as SRT or CSV",
    "chunks": "Transformers: rename 'chunks' to 'segments', 'timestamp' to 'start' and 'end'",
    "results": "a cloud service (Amazon, Google, Deepgram): ask for SRT or WebVTT",
    "recognizedPhrases": "Azure: ask for SRT or WebVTT",
    "transcript": "Sonix or Trint: download the captions as SRT or WebVTT",
    "sentence": "Fireflies: download the transcript as SRT or CSV",
    "text": "a recogniser that was asked for text alone: ask it for segments with times",
}


def advice(suffix: str, name: str) -> tuple[str, str] | None:
    """Tell what a suffix stands for, if it is of a known program, and how to go on."""
    found = SUFFIXES.get(suffix.lower())
    if found is None:
        return None
    what, how = found
    return what, how.format(name=name, stem=name.rpartition(".")[0])


def told(text: str, kind: str) -> str:
    """Say what a file holds in truth that could not be read as `kind`; empty where unknown."""
    for pattern, suffix in _CONTENT:
        if pattern.match(text):
            what, how = SUFFIXES[suffix]
            return f"holds {what}, whatever its suffix says. {how.format(name='FILE', stem='OUT')}"
    for pattern, what, suffix in _READABLE:
        if suffix != kind.removesuffix("3") and pattern.match(text):
            return f"holds {what}, whatever its suffix says. Rename it to end in .{suffix}"
    return ""


def json_of(data: Any) -> str:
    """Say which program writes JSON like this, and what to ask it for; empty where unknown."""
    if isinstance(data, list):
        data = data[0] if data else None
    known = (key for key in _JSON_OF if isinstance(data, dict) and key in data)
    return next((f"looks like JSON of {_JSON_OF[key]}" for key in known), "")
