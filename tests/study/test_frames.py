"""The condition video: frames of a window, from the run's media, sent with the dialogue."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import math
import shutil
import socket
import stat
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import emodiss
from emodiss import study as verbs
from emodiss.chat import ChatParams, Endpoint
from emodiss.cli import app
from emodiss.errors import SettingsError
from emodiss.interventions import request_hash
from emodiss.interventions.answers import question
from emodiss.prompts import Prompt, PromptError, build, build_all
from emodiss.ratings import build_study
from emodiss.runs import layout, seals
from emodiss.runs.run import Run, load
from emodiss.study import evaluate
from emodiss.study.frames import times_of
from emodiss.study.intervene import requests
from tests import fakes, make
from tests.chat import chat_server as s, tiny_llava
from tests.chat.scripted import Scripted, table
from tests.study.test_judge import Judge

Image = pytest.importorskip("PIL.Image", reason="needs the extra models")

PATIENT = (1.3, 2.8)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Folder with a run of three videos: a grows lighter, b has no picture, c is gone."""
    from emodiss.models import catalog

    folder = tmp_path_factory.mktemp("video")
    ramp = [make.grey(20 + 3 * i, size=(1024, 576)) for i in range(75)]
    sound = make.tone(3.0, level=0.2)
    make.write_media(folder / "a.mp4", frames=ramp, sound=sound)
    make.write_media(folder / "b.m4a", sound=sound)
    make.write_media(
        folder / "c.mp4", frames=[make.grey(90 + i % 3) for i in range(75)], sound=sound
    )
    said = [("Ada", 0.0, 1.2, "How was it?"), ("Bo", *PATIENT, "I do not know. A good week.")]
    lines = ["id,path,roles"]
    for name in ("a.mp4", "b.m4a", "c.mp4"):
        make.write_stm(folder / f"{name[0]}.stm", said)
        lines.append(f"{name[0]},{name},Ada=therapist;Bo=patient")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        for name, entry in fakes.ENTRIES.items():
            patch.setitem(catalog.CATALOG, name, entry)
        emodiss.annotate(
            folder / "manifest.csv",
            out=folder / "run",
            preset="lite",
            settings=fakes.SETTINGS,
            workers=0,
        )
    (folder / "c.mp4").unlink()
    return folder


@pytest.fixture
def run(made, tmp_path) -> Run:
    return load(shutil.copytree(made / "run", tmp_path / "run"))


@pytest.fixture
def server():
    with s.serving() as running:
        yield running


def greys(prompt: Prompt) -> list[float]:
    """Number of the frame that each picture shows, as `made` drew them."""
    return [(float(np.mean(np.asarray(one.pixels()))) - 20) / 3 for one in prompt.pictures]


def test_the_papers_conditions_keep_their_bytes_and_keys():
    # Of prompts, questions and requests as they were before there were pictures.
    params = ChatParams(max_tokens=20)
    said = [
        [p.to_dict(), (q := question(p)).id, q.sha256, request_hash(p, Scripted(), params, 0)]
        for p in build_all(table("v1", "v2"))
    ]
    found = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
    assert found == "66aeafac5de4f1c4db289b017ff024f3d8dd4b56f7ed9c7f29b716f47fde25aa"


def test_frames_are_the_middles_of_equal_parts_of_the_windows_end():
    prompt = build(table("v1"), "video", window=3)  # 2.0 to 7.5 s
    assert (prompt.start, prompt.end) == (2.0, 7.5)
    assert times_of(prompt, 2, 60.0) == [3.375, 6.125]
    assert times_of(prompt, 4, 2.0) == [5.75, 6.25, 6.75, 7.25]


def test_a_window_gets_its_frames_and_other_videos_say_why_not(run):
    found = verbs.prompts(run, "video", n_frames=4)
    assert {v: e.code for v, e in found.refused.items()} == {
        "b": "prompt_no_picture",
        "c": "prompt_no_media",
    }
    (prompt,) = found.prompts
    # Window 0 to 2.8 s at 25 FPS: middles 0.35, 1.05, 1.75, 2.45 s, on display since 8/25 s ...
    assert np.allclose(greys(prompt), [8, 26, 43, 61], atol=0.7)
    assert [(one.width, one.height) for one in prompt.pictures] == [(768, 432)] * 4
    for one in prompt.pictures:
        assert one.path.parent == run.root / layout.PROMPT_FRAMES / "a"
        assert stat.S_IMODE(one.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(one.path.parent.stat().st_mode) == 0o700
    assert "The pictures are frames" in prompt.text and "Patient: I do not know" in prompt.text
    again = Prompt.from_dict(json.loads(json.dumps(prompt.to_dict())))
    assert again == prompt and str(run.root) not in json.dumps(prompt.to_dict())
    assert question(prompt).sha256 == prompt.sha256
    (last,) = verbs.prompts(run, "video", n_frames=2, frame_seconds=1.0, video="a").prompts
    assert (
        np.allclose(greys(last), [51, 63], atol=0.7) and last.sha256 != prompt.sha256
    )  # 2.05, 2.55


def test_frames_are_taken_once_and_a_damaged_one_again(run):
    first = verbs.prompts(run, "video", video="a").prompts
    path = first[0].pictures[0].path
    before = path.stat().st_mtime_ns
    assert verbs.prompts(run, "video", video="a").prompts == first
    assert path.stat().st_mtime_ns == before
    path.write_bytes(path.read_bytes()[:200])
    assert verbs.prompts(run, "video", video="a").prompts == first


def test_no_other_condition_takes_frames(run):
    assert len(verbs.prompts(run).prompts) == 12
    assert not (run.root / layout.PROMPT_FRAMES).exists()


def test_a_template_of_ones_own_of_that_name_stays_text(run, tmp_path):
    (tmp_path / "video.jinja").write_text("{% for turn in turns %}{{ turn.text }} {% endfor %}")
    found = verbs.prompts(run, str(tmp_path / "video.jinja"))
    assert len(found.prompts) == 3 and not any(p.pictures for p in found.prompts)


def test_windows_after_the_last_frame_are_left_out_and_the_others_stay(run):
    path = run.root / "utterances.parquet"
    rows = pd.read_parquet(path)
    own = rows[rows["video_id"] == "a"]
    late = own.assign(start=own["start"] + 90, end=own["end"] + 90)
    late["utterance_id"] = ["u9001", "u9002"]
    nowhen = own.assign(start=math.nan, end=math.nan, utterance_id=["u9003", "u9004"])
    settings = run.settings.prompts.changed(every=True, window=1)
    pd.concat([own, late]).to_parquet(path)
    seals.forget(path)
    found = verbs.prompts(load(run.root), "video", video="a", settings=settings)
    assert [p.start for p in found.prompts] == [1.3]
    assert found.refused["a"].code == "prompt_no_frames"
    assert "1 of 2 windows" in str(found.refused["a"])
    nowhen.to_parquet(path)
    seals.forget(path)
    found = verbs.prompts(load(run.root), "video", video="a", settings=settings)
    assert not found.prompts and found.refused["a"].code == "prompt_no_frames"


@pytest.mark.parametrize(("count", "seconds"), [(0, 60.0), (8, 0.0), (8, math.nan)])
def test_impossible_frames_are_refused(run, count, seconds):
    with pytest.raises(SettingsError, match="at least 1"):
        verbs.prompts(run, "video", video="a", n_frames=count, frame_seconds=seconds)


def test_a_server_on_this_machine_sees_the_frames_once_and_the_answer_is_one_of_the_study(
    run, server
):
    pytest.importorskip("openai", reason="needs the extra llm")
    options = ["--base-url", server.url, "--model", "tiny", "--quiet"]
    asked = ["intervene", str(run.root), "--kind", "video", "--frames", "3", *options]
    shown = CliRunner().invoke(app, [*asked, "--preview"])
    assert "[picture 768x432 sha256" in shown.output and "base64" not in shown.output
    assert not server.bodies
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 1 and "prompt_no_media" in done.output, done.output  # b and c
    *pictures, text = server.bodies[0]["messages"][0]["content"]
    assert len(pictures) == 3 and text["text"].startswith("Imagine you are")
    data = base64.b64decode(pictures[0]["image_url"]["url"].partition(",")[2])
    assert Image.open(io.BytesIO(data)).size == (768, 432)
    CliRunner().invoke(app, asked)
    assert len(server.bodies) == 1
    ledger = json.loads((run.root / layout.CHAT_LEDGER).read_text())
    assert ledger["last_command"]["answered_before"] == 1
    assert ledger["last_command"]["without_prompts"] == {
        "b": "prompt_no_picture",
        "c": "prompt_no_media",
    }
    row = verbs.Study(run).responses.iloc[0]
    assert (row["condition"], row["technique"]) == ("video", "Reflection")
    assert row["transcript"].splitlines()[1] == "Patient: I do not know. A good week."


def test_a_recording_answers_for_the_same_frames_alone(run):
    prompts = verbs.prompts(run, "video", video="a")
    done = verbs.intervene(run, prompts, Endpoint([Scripted()]))
    recorded = run.root / "recorded.jsonl"
    recorded.write_bytes(done.path.read_bytes())
    again = verbs.intervene(run, prompts, Endpoint(replay=recorded))
    assert again.complete and again.record["last_command"]["answered_now"] == 1
    other = verbs.prompts(run, "video", video="a", n_frames=2)
    assert not verbs.intervene(run, other, Endpoint(replay=recorded)).complete


def test_frames_leave_the_machine_by_both_options_alone(run, monkeypatch):
    pytest.importorskip("openai", reason="needs the extra llm")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    prompts = verbs.prompts(run, "video", video="a")
    looked_up: list[object] = []

    def nobody(host, *_, **__):
        looked_up.append(host)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    url, codes = "https://models.example/v1", []
    for pictures in (False, True):
        place = Endpoint(
            ["m"],
            base_url=url,
            allow_remote=True,
            allow_remote_pictures=pictures,
            tries=1,
        )
        ((_, fault),) = verbs.intervene(run, prompts, place).unanswered
        codes.append(fault.error.code)
        assert bool(looked_up) is pictures
    assert codes[0] == "remote_pictures_refused" != codes[1]


def test_a_local_model_that_sees_answers_by_the_frames(run, tmp_path):
    pytest.importorskip("torch", reason="needs the extra models")
    found = verbs.prompts(run, "video", video="a", n_frames=2)
    (prompt,) = found.prompts
    folder = tiny_llava.build(tmp_path / "llava", [prompt.text])
    place = Endpoint([str(folder)], local=True)
    (shown,) = requests(run, found, place)
    assert len(shown["pictures"]) == 2
    done = verbs.intervene(run, found, place, max_tokens=8)
    assert done.complete
    (line,) = (json.loads(text) for text in done.path.read_text().splitlines())
    assert line["condition"] == "video" and line["prompt_sha256"] == prompt.sha256
    assert line["raw"]


def test_judges_studies_and_figures_take_it_like_any_other(run):
    for kind in ("base", "video"):
        verbs.intervene(run, verbs.prompts(run, kind, video="a"), Endpoint([Scripted()]))
    judge = Judge("n")
    judged = verbs.judge(run, Endpoint([judge]), mode="single", criteria=["empathy"])
    assert all(isinstance(asked, str) for asked in judge.asked)  # words alone
    assert sorted(judged.table["condition"]) == ["base", "video"]
    responses = verbs.Study(run).responses
    shown = ["base", "video"]
    dealt = build_study(
        responses, models=["m"], conditions=shown, raters=["r1", "r2"], n_windows=1, seed=0
    )
    rated = dealt.key[["item", "video", "model", "condition"]].drop_duplicates()
    rated = rated.merge(pd.DataFrame({"rater": ["r1", "r2"], "criterion": "empathy"}), how="cross")
    rated["value"] = np.where(rated["condition"] == "video", 2, 4)
    found = evaluate(run, rated, mixed=False, resamples=10)
    gains = found.tables["gains"]
    gain = gains.loc[(gains["condition"] == "video") & (gains["criterion"] == "empathy"), "gain"]
    assert gain.tolist() == [-2.0]
    assert found.figures()


def test_a_run_without_any_frames_says_why(run):
    with pytest.raises(PromptError, match="sound and no picture"):
        verbs.intervene(run, verbs.prompts(run, "video", video="b"), Endpoint([Scripted()]))
