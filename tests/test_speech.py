"""Given transcripts in a run: malformed rows, starts without ends, words without voices."""

from __future__ import annotations

import json

import numpy as np
import pytest

import emodiss
from emodiss import manifest
from emodiss.transcript import Turn, Utterance, Word, tables, tell_apart
from tests import fakes, make
from tests.models.contracts import check_aligner


@pytest.fixture
def annotate(tmp_path, stand_ins):
    """One video of silence with a tone in [2, 3) and [5, 6.5), and a transcript of one's own."""
    sound = np.zeros(8 * 16_000, np.float32)
    for start, end in ((2.0, 3.0), (5.0, 6.5)):
        sound[round(start * 16_000) : round(end * 16_000)] = make.tone(end - start)
    make.write_media(tmp_path / "v.mp4", frames=[make.grey(90)] * 200, sound=sound)

    def run(name: str, text: str, *, stated: bool = False, **changes):
        row = f"v,v.mp4,{name if stated else ''}"
        (tmp_path / "manifest.csv").write_text(f"id,path,transcript\n{row}\n")
        for old in tmp_path.glob("v.*"):
            if old.suffix != ".mp4":
                old.unlink()
        (tmp_path / name).write_text(text)
        return emodiss.annotate(
            tmp_path / "manifest.csv",
            out=tmp_path / "run",
            preset="lite",
            settings={**stand_ins, **changes},
            workers=0,
        )

    return run


STARTS = "Start,Speaker,Utterance\n0:01,T,how are you\n0:05,P,very well\n0:07,T,\n"


def test_the_stand_in_aligns_by_contract():
    check_aligner(fakes.Aligner())


def test_starts_alone_are_taken_and_ends_say_that_they_are_guessed(annotate):
    table = annotate("v.csv", STARTS).session("v")
    assert table["start"].tolist() == [1.0, 5.0, 7.0]
    assert table["end"].tolist()[:2] == [5.0, 7.0]
    assert set(table["timing"]) == {"interpolated"}


def test_starts_alone_are_aligned_to_the_sound_when_asked(annotate):
    options = {"transcript.align": True, "models.aligner": "fake-aligner"}
    run = annotate("v.csv", STARTS, **options)
    table = run.session("v")
    # The file says 1 s and 5 s; the tones are at [2, 3) and [5, 6.5). AAC smears an edge by one
    # of its frames, 1024 samples or 0.064 s.
    assert table["start"].tolist()[:2] == pytest.approx([2.0, 5.0], abs=0.1)
    assert table["end"].tolist()[:2] == pytest.approx([3.0, 6.5], abs=0.1)
    assert table["timing"].tolist() == ["aligned", "aligned", "interpolated"]
    assert run.videos_table["transcript_source"].tolist() == ["given:csv+aligned"]
    words = run.words
    assert words["word"].tolist() == ["how", "are", "you", "very", "well"]
    # Three words of a third of a second each.
    assert words["start"].tolist()[1] == pytest.approx(2 + 1 / 3, abs=0.1)


def test_words_that_are_not_found_stay_interpolated_and_say_so(annotate):
    options = {"transcript.align": True, "models.aligner": "fake-aligner"}
    text = "Start,Speaker,Utterance\n0:02,T,how are you\n0:07.7,P,bye\n"
    table = annotate("v.csv", text, **options).session("v")
    assert table["timing"].tolist() == ["aligned", "interpolated"]
    assert table["flags"].tolist()[1] == "not_aligned"
    assert table["start"].tolist()[1] == 7.7


def test_stated_times_stand_and_no_aligner_is_needed_for_them(annotate):
    options = {"transcript.align": True, "models.aligner": "fake-aligner"}
    text = "v 1 T 1.0 2.0 how are you\nv 1 P 5.0 7.0 very well\n"
    table = annotate("v.stm", text, **options).session("v")
    assert table["start"].tolist() == [1.0, 5.0] and set(table["timing"]) == {"given"}
    # Off by default: no model, and no weights that would have to be here.
    run = annotate("v.stm", text)
    assert run.outcomes["v", "alignment"].notes == ("transcript.align is off",)


def test_a_malformed_row_is_reported_and_the_others_are_used(annotate):
    text = "v 1 T 1.0 2.0 how are you\nv 1 P soon 7.0 secret\nv 1 T 7 8 bye\n"
    run = annotate("v.stm", text)
    assert len(run.session("v")) == 2
    assert run.failures == []
    assert "malformed_rows" in run.outcomes["v", "draft"].notes
    (problem,) = run.artifact("v", "draft").problems
    assert problem.startswith("v.stm, line 2: start: 4 characters") and "secret" not in problem


def test_strict_stops_at_a_malformed_row(annotate):
    text = "v 1 T 1.0 2.0 how are you\nv 1 P soon 7.0 secret\n"
    run = annotate("v.stm", text, **{"transcript.strict": True})
    (failure,) = run.failures
    assert (failure.stage, failure.error["code"]) == ("draft", "transcript")
    assert "v.stm, line 2" in failure.error["what"]


def test_a_file_of_which_nothing_can_be_read_fails_in_any_case(annotate):
    (failure,) = annotate("v.stm", "this is no transcript\n", stated=True).failures
    assert "v.stm, line 1: 4 fields" in failure.error["what"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("v.stm", "this is no transcript\n"),
        ("v.json", '{"_type": "video", "title": "of a downloader", "chapters": []}'),
        ("v.json", '[{"start": 0, "end": 2, "label": "smiles"}]'),
        ("v.json3", '{"events": []}'),
        ("v.csv", "frame,valence\n0,0.5\n"),
        ("v.vtt", "WEBVTT\n\n"),
        ("v.srt", ""),
    ],
)
def test_another_file_beside_the_media_is_left_aside_and_said_so(annotate, name, text, tmp_path):
    run = annotate(name, text)
    assert run.failures == [] and run.videos_table["transcript_source"].tolist() == [
        "voice activity"
    ]
    assert run.outcomes["v", "draft"].notes[-1] == "no_transcript_beside"
    # Nothing is measured anew, and it is said again, when the same is run again.
    assert annotate(name, text).outcomes["v", "draft"].status == "cached"
    assert "no_transcript_beside" in run.outcomes["v", "draft"].notes
    # Stated, the same file fails its video and says why.
    (failure,) = annotate(name, text, stated=True).failures
    assert (failure.stage, failure.error["code"]) == ("draft", "transcript")
    assert name in failure.error["what"]


def test_of_several_files_beside_the_media_the_first_that_is_a_transcript_counts(annotate):
    run = annotate("v.json", "{}")
    folder = run.root.parent
    (folder / "v.csv").write_text(STARTS)
    again = emodiss.annotate(folder / "v.mp4", out=run.root, settings=fakes.SETTINGS, workers=0)
    assert again.videos_table["transcript_source"].tolist() == ["given:csv"]
    assert "no_transcript_beside" not in again.outcomes["v", "draft"].notes


@pytest.mark.parametrize("fault", [ValueError("strange"), KeyError("odd"), RecursionError()])
def test_a_reader_that_breaks_costs_its_video_and_no_other(tmp_path, stand_ins, monkeypatch, fault):
    for name in "abc":
        make.write_media(tmp_path / f"{name}.mp4", frames=[make.grey(90)] * 25, sound=make.tone(1))
        said = f"how are you, {name}"
        (tmp_path / f"{name}.csv").write_text(f'speaker,start,end,text\nT,0.1,0.9,"{said}"\n')
    rows = [{"id": n, "path": f"{n}.mp4", "transcript": f"{n}.csv"} for n in "abc"]
    read = manifest.from_rows(rows, folder=tmp_path)
    real = tables.read_csv

    def breaks(text: str):
        if "you, b" in text:
            raise fault
        return real(text)

    monkeypatch.setattr(tables, "read_csv", breaks)
    out = tmp_path / "run"
    planned = emodiss.plan(read, out=out, preset="lite", settings=stand_ins)
    assert {job.video for job in planned if job.status == "to do"} == set("abc")
    run = emodiss.annotate(read, out=out, preset="lite", settings=stand_ins, workers=0)
    assert [(f.video, f.stage) for f in run.failures if f.status == "failed"] == [("b", "draft")]
    assert set(run.utterances["video_id"]) == {"a", "c"}


def test_captions_without_voices_get_those_of_the_diarizer(annotate):
    events = [
        {"tStartMs": 1000, "dDurationMs": 4000, "segs": [
            {"utf8": "so"}, {"utf8": " how", "tOffsetMs": 500}]},
        {"tStartMs": 3000, "dDurationMs": 2000, "segs": [{"utf8": "you"}]},
    ]  # fmt: skip
    run = annotate("v.json", json.dumps({"events": events}))
    table = run.session("v")
    assert set(table["speaker"]) == {"voice"}  # what the stand-in diarizer calls it
    assert run.videos_table["transcript_source"].tolist() == ["given:json+diarized"]
    # A transcript that names its voices needs no diarizer.
    fakes.LOADED.clear()
    run = annotate("v.stm", "v 1 T 1.0 2.0 how are you\n")
    assert "fake-voices" not in fakes.LOADED
    assert run.outcomes["v", "turns"].notes == ("voices given",)


@pytest.mark.parametrize("wanted", [True, False])
def test_fetched_captions_are_the_transcript_when_wanted(tmp_path, wanted):
    from emodiss.media import fetch
    from emodiss.runs.sources import find_transcript

    url = "http://127.0.0.1/film"
    folder = fetch.folder_of(url, tmp_path)
    folder.mkdir(parents=True)
    for name in ("media.mp4", "media.en.vtt", "media.en.json3", "media.de.vtt"):
        (folder / name).touch()
    read = manifest.from_rows([{"id": "v", "url": url}, {"id": "w", "url": url, "transcript": "t"}])
    found = [find_transcript(row, read, folder / "media.mp4", captions=wanted) for row in read.rows]
    # Word by word is worth more than line by line; what a row names comes first.
    assert found[0] == (folder / "media.en.json3" if wanted else None)
    assert found[1] is not None and found[1].name == "t"


def test_lines_on_a_screen_are_cut_where_the_voice_changes():
    texts = ("how", "are", "you", "fine", "thanks")
    line = [Word(w, i, i + 1, timing="interpolated") for i, w in enumerate(texts)]
    found = tell_apart(
        [Utterance(0, 5, "speaker", "how are you fine thanks", tuple(line))],
        [Turn(0, 3, "A"), Turn(3, 5, "B")],
    )
    assert [(u.speaker, u.text) for u in found] == [("A", "how are you"), ("B", "fine thanks")]


def test_an_utterance_without_word_times_stays_whole():
    found = tell_apart(
        [Utterance(0, 4, "speaker", "a b"), Utterance(9, 10, "speaker", "c d")],
        [Turn(0, 1, "A"), Turn(1, 4, "B")],
    )
    assert [(u.speaker, u.text, u.flags) for u in found] == [
        ("B", "a b", ()),
        ("B", "c d", ("nearest_speaker",)),
    ]
    assert tell_apart([Utterance(0, 1, "speaker", "x")], [])[0].speaker == "speaker"
