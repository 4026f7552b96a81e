"""Transcripts as other programs write them: read right, or one error that says how to get there."""

from __future__ import annotations

import json

import pytest

from emodiss.errors import TranscriptError
from emodiss.transcript import read, read_report

VTT = "WEBVTT\n\n{}00:00:03.120 --> 00:00:05.890\n{}\n\n{}00:00:06.120 --> 00:00:08.890\n{}\n\n"
SAID = ("How was your week?", "It was bad.")

READ = {
    # File, voices.
    "teams.vtt": (
        VTT.format(
            "a/1-0\n", f"<v Ruiz, Ana>{SAID[0]}</v>", "a/2-0\n", f"<v Kemp, Bo>{SAID[1]}</v>"
        ),
        ("Ruiz, Ana", "Kemp, Bo"),
    ),
    "webex.vtt": (
        VTT.format('1 "Ana Ruiz" (123)\n', SAID[0], '2 "Bo Kemp" (765)\n', SAID[1]),
        ("Ana Ruiz", "Bo Kemp"),
    ),
    "meet.vtt": (
        VTT.format("", f"(Ana Ruiz)\n{SAID[0]}", "", f"(Bo Kemp)\n{SAID[1]}")
        + "00:00:09.120 --> 00:00:10.890\n(Ana Ruiz)\nI see.\n",
        ("Ana Ruiz", "Bo Kemp", "Ana Ruiz"),
    ),
    "descript.vtt": (
        VTT.format("", f"<v Ana>{SAID[0]}", "", f"<v Bo>{SAID[1]}"),
        ("Ana", "Bo"),
    ),
    "sonix.srt": (
        "1\n00:00:03,120 --> 00:00:05,890\nSpeaker1: How was your week?\n\n"
        "2\n00:00:06,120 --> 00:00:08,890\nSpeaker2: It was bad.\n",
        ("Speaker1", "Speaker2"),
    ),
    "premiere.srt": (
        '\ufeff1\n00:00:03,120 --> 00:00:05,890\n<font color="#fff">How was your week?</font>\n\n'
        "2\n00:00:06,120 --> 00:00:08,890\n<i>It was bad.</i>\n",
        ("speaker", "speaker"),
    ),
    "whisper_cpp.csv": (
        'start,end,speaker,text\n3120,5890,"0"," How was your week?"\n'
        '6120,8890,"1"," It was bad."\n',
        ("0", "1"),
    ),
    "nvivo.csv": (
        "Timespan,Content,Speaker\n0:00:03.12 - 0:00:05.89,How was your week?,Ana\n"
        "0:00:06.12 - 0:00:08.89,It was bad.,Bo\n",
        ("Ana", "Bo"),
    ),
    "praat.tsv": (
        "tmin\ttier\ttext\ttmax\n3.12\tAna\tHow was your week?\t5.89\n"
        "6.12\tBo\tIt was bad.\t8.89\n",
        ("Ana", "Bo"),
    ),
    "elan.tsv": (
        "Tier\tBegin Time - hh:mm:ss.ms\tBegin Time - msec\t"
        "End Time - hh:mm:ss.ms\tEnd Time - msec\tAnnotation\n"
        "Ana\t00:00:03.120\t3120\t00:00:05.890\t5890\tHow was your week?\n"
        "Bo\t00:00:06.120\t6120\t00:00:08.890\t8890\tIt was bad.\n",
        ("Ana", "Bo"),
    ),
    "faster_whisper.json": (
        json.dumps(
            [
                {"start": 3.12, "end": 5.89, "text": " How was your week?"},
                {"start": 6.12, "end": 8.89, "text": " It was bad."},
            ]
        ),
        ("speaker", "speaker"),
    ),
}


@pytest.mark.parametrize("name", READ)
def test_what_other_programs_write_is_read(tmp_path, name):
    text, voices = READ[name]
    (tmp_path / name).write_text(text, encoding="utf-8")
    found, problems = read_report(tmp_path / name)
    assert problems == []
    assert [u.speaker for u in found] == list(voices)
    assert [u.text for u in found[:2]] == list(SAID)
    assert [(round(u.start, 2), round(u.end, 2)) for u in found[:2]] == [(3.12, 5.89), (6.12, 8.89)]


OTHERS = {
    # By suffix.
    "otter.txt": ("Ana Ruiz  0:03  \nHow?\n", "plain text", "Export captions"),
    "rev.docx": ("PK\x03\x04", "a document", "Export captions"),
    "trint.rtf": ("{\\rtf1", "a document", "Export captions"),
    "sheet.xlsx": ("PK\x03\x04", "a workbook", "CSV UTF-8"),
    "x.cha": ("@UTF8\n@Begin\n", "CLAN", "chat2srt"),
    "x.TextGrid": ('File type = "ooTextFile"\n', "Praat", "Down to Table"),
    "x.trs": ("<Trans/>", "Transcriber", "Export to STM"),
    "x.eaf": ("<ANNOTATION_DOCUMENT/>", "ELAN", "Tab-delimited"),
    "x.srv3": ("<timedtext/>", "YouTube", "json3"),
    "x.ttml": ("<tt/>", "captions in another format", "Subtitle Edit"),
    "x.sbv": ("0:00:03.120,0:00:05.890\nHow?\n", "captions in another format", "Subtitle Edit"),
    "x.ass": ("[Script Info]\n", "captions in another format", "ffmpeg -i x.ass x.srt"),
    "x.rttm": ("SPEAKER f 1 0 1 <NA> <NA> A <NA> <NA>", "without words", "with words"),
    "x.ctm": ("f 1 0.1 0.2 how", "words with times", "WhisperX"),
    # By content, under a suffix of another format.
    "xml.vtt": ('<?xml version="1.0"?><timedtext format="3"/>', "YouTube", "json3"),
    "page.srt": ("<!DOCTYPE html><html></html>", "a document", "Export captions"),
    "grid.csv": ('File type = "ooTextFile"\n', "Praat", "Down to Table"),
    "vtt.json": ("WEBVTT\n\n", "WebVTT", "Rename it to end in .vtt"),
    "json.vtt": ('{"events": []}', "JSON", "Rename it to end in .json"),
    "sbv.srt": ("0:00:03.120,0:00:05.890\nHow?\n", "another format", "Subtitle Edit"),
    # JSON by its keys.
    "cpp.json": ('{"transcription": [{"text": "How"}]}', "whisper.cpp", "--output-srt"),
    "ff.json": ('[{"sentence": "How?", "startTime": "00:03"}]', "Fireflies", "SRT"),
    "aai.json": ('{"utterances": []}', "AssemblyAI", "SRT"),
    "rev.json": ('{"monologues": []}', "Rev", "SRT"),
    "aws.json": ('{"results": {}}', "Amazon", "SRT"),
    "hf.json": ('{"text": "x", "chunks": []}', "Transformers", "rename"),
    "text.json": ('{"text": "How was your week?"}', "text alone", "segments with times"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_not_read_is_named_with_the_way_out(tmp_path, name):
    text, what, how = OTHERS[name]
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(TranscriptError) as caught:
        read(tmp_path / name)
    said = str(caught.value)
    assert what in said and how in said
    assert "more fault" not in said
