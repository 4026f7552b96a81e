"""Whole or not at all."""

from __future__ import annotations

import json

import pytest

from emodiss.errors import RunError
from emodiss.manifest import VideoRow
from emodiss.presets import changes_of
from emodiss.prompts import with_templates
from emodiss.runs import keys
from emodiss.runs.files import replaced
from emodiss.runs.store import Outcome, Store, write_atomically
from emodiss.settings import resolve
from emodiss.stages import STAGES


def test_an_artifact_without_its_meta_does_not_exist(tmp_path):
    store = Store(tmp_path)
    store.write("v", "words", {"a": 1}, key="k", facts={})
    assert store.has("v", "words", "k") and not store.has("v", "words", "other")
    assert store.read("v", "words", dict[str, int], key="k") == {"a": 1}
    (store.artifact("v", "words") / "meta.json").unlink()
    assert not store.has("v", "words", "k")
    with pytest.raises(RunError, match="'words' of video 'v'"):
        store.read("v", "words", dict[str, int])


def test_an_artifact_cut_short_does_not_exist(tmp_path):
    store = Store(tmp_path)
    store.write("v", "words", {"a": 1}, key="k", facts={})
    (store.artifact("v", "words") / "data.json").write_bytes(b"{")
    assert not store.has("v", "words", "k")


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    write_atomically(path, b"old")
    monkeypatch.setattr("os.fsync", lambda _h: (_ for _ in ()).throw(OSError(28, "full")))
    with pytest.raises(OSError, match="full"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_what_another_process_is_writing_is_not_swept_away_and_what_was_left_is(tmp_path):
    left = tmp_path / ".0123456789ab.tmp"
    left.write_bytes(b"half")
    with replaced(tmp_path / "a.txt") as file:
        file.write(b"whole")
        with Store(tmp_path).lock():
            assert not left.exists()
    assert (tmp_path / "a.txt").read_bytes() == b"whole"


def test_a_torn_line_of_the_journal_is_passed_over(tmp_path):
    store = Store(tmp_path)
    store.append([Outcome("a", "media", "done")])
    with store.journal.path.open("a") as file:
        file.write('{"video": "b", "sta')
    store.append([Outcome("c", "media", "failed", error={"code": "x"})])
    assert [o.video for o in store.outcomes()] == ["a", "c"]


def plan(settings=(), *, content="1" * 64, transcript="2" * 64, transcript_path=None, **row):
    chosen = resolve(changes_of("lite"), settings)
    names = {n: n for n in chosen.models.model_dump().values() if n}
    return keys.recipes(
        VideoRow(id="v", path="v.mp4", transcript=transcript_path, **row),
        content=content,
        transcript=transcript,
        settings=chosen.model_dump(mode="json"),
        identities=names,
    )


def changed(**options) -> set[str]:
    before, after = plan(), plan(**options)
    return {name for name in before if before[name].key != after[name].key}


def test_a_key_moves_with_what_decides_the_result_and_with_nothing_else():
    everything = {s.name for s in STAGES}
    assert changed() == set()
    assert changed(notes="moved") == set() and changed(license="CC BY") == set()
    assert changed(settings=["dissonance.threshold=0.4"]) == {"utterances", "prompts"}
    assert changed(settings=["prompts.window=4"]) == {"prompts"}
    assert changed(settings=["prompts.scale_line=false"]) == {"prompts"}
    assert changed(settings=["media.allow_truncated=true", "media.max_height=480"]) == set()
    # Who plays which part is no matter for the camera.
    assert changed(roles={"A": "patient"}) == {"roles", "utterances", "prompts"}
    assert changed(content="3" * 64) == everything - {
        *("recognition", "words", "turns", "alignment", "talking", "listener_affect")
    }
    # How utterances are cut out of what was heard makes nobody listen again.
    heard = {"transcript": None, "settings": ["transcript.max_pause_s=2"]}
    before, after = plan(transcript=None), plan(**heard)
    same = {name for name in before if before[name].key == after[name].key}
    assert {"recognition", "words", "turns"} <= same and "draft" not in same
    after_faces = {"faces", "tracks", "mouths", "people", "face_affect", "utterances", "prompts"}
    assert changed(settings=["faces.stride=5"]) == after_faces
    assert changed(transcript="4" * 64) == {
        *("draft", "transcript", "wording", "roles", "people"),
        *("speech_affect", "voice_windows", "face_affect", "utterances", "prompts"),
    }


def test_a_transcript_read_in_another_format_is_another_one():
    def key(path: str) -> str:
        return plan(transcript_path=path)["draft"].key

    assert key("/x/a.csv") == key("/y/b.csv") == key("/x/a.CSV") != key("/x/a.tsv")
    # Of several recordings in one file of STM its name chooses.
    assert key("/x/a.stm") == key("/y/a.stm") != key("/x/b.stm")


def test_who_is_looked_at_and_windows_of_the_voice_measure_no_speaker_anew():
    of_listeners = {"listener_affect", "utterances", "prompts"}
    assert changed(settings=["face_affect.who=all"]) == of_listeners
    assert changed(settings=["speech_affect.hop_s=1"]) == {"voice_windows"}
    assert changed(settings=["speech_affect.window_s=none"]) == {"voice_windows"}
    before, after = (
        plan(["face_affect.who=all", *more])
        for more in ([], ["face_affect.looks_apart_s=1", "face_affect.looks_per_utterance=9"])
    )
    assert before["listener_affect"].key == after["listener_affect"].key
    assert before["face_affect"].key != after["face_affect"].key
    # What does count for speakers counts for all.
    assert changed(settings=["speech_affect.min_duration_s=0.5"]) == {
        *("speech_affect", "voice_windows", "utterances", "prompts")
    }


def test_the_text_of_a_template_is_in_the_key_and_its_place_is_not(tmp_path):
    keys_of = []
    for folder, text in (("a", "{{ turns }}"), ("b", "{{ turns }}"), ("b", "{{ turns }}.")):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "own.jinja").write_text(text)
        keys_of.append(
            plan(with_templates([f"prompts.templates={tmp_path / folder}"]))["prompts"].key
        )
    assert keys_of[0] == keys_of[1] != keys_of[2] != plan()["prompts"].key


def test_a_new_model_or_version_makes_its_artifact_stale():
    other = changed(settings=["models.speech_affect=audeering-w2v2"])
    assert other == {"speech_affect", "voice_windows", "utterances", "prompts"}


def test_stages_without_need_are_skipped_with_a_reason():
    found = plan()
    assert found["turns"].skipped == "voices given" and found["turns"].key == ""
    assert found["words"].skipped == "transcript given"
    assert found["alignment"].skipped == "transcript.align is off"
    assert found["listener_affect"].skipped == "face_affect.who is speaker"
    without = plan(transcript=None, settings=["models.asr=none"])
    assert without["recognition"].skipped == "no model for asr in this preset"
    assert without["turns"].key


def test_meta_is_readable_by_people(tmp_path):
    store = Store(tmp_path)
    store.write("v", "words", {"a": 1}, key="k", facts={"version": 1})
    meta = json.loads((store.artifact("v", "words") / "meta.json").read_text())
    assert meta["version"] == 1 and meta["files"]["data.json"]["bytes"] == 9
