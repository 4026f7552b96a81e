"""AnnoMI: codes in transcripts, the client's face at each such utterance, replayed replies."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

import emodiss
from emodiss import mirror
from emodiss.chat.endpoint import Endpoint
from emodiss.chat.model import Completion, content_sha256
from emodiss.cli import app
from emodiss.errors import ChatError, RunError, SettingsError
from emodiss.manifest.public import read_annomi
from emodiss.mirror.annomi import matched_rows
from tests import make

SAID = [
    ("therapist", 0, "What brings you here?", [("question", "n/a")]),
    ("client", 2, "I like to smoke.", [("n/a", "sustain"), ("n/a", "sustain"), ("n/a", "change")]),
    ("therapist", 4, "You like it.", [("reflection", "n/a")]),
    ("client", 6, "Sometimes I cough.", [("n/a", "change"), ("n/a", "sustain")]),
    ("therapist", 8, "And then?", [("question", "n/a")]),
    ("client", 10, "I will not stop.", [("n/a", "sustain")]),
]


def table(folder, *, codes=True):
    """AnnoMI-full.csv of three sessions: a row for each annotator of an utterance."""
    rows = []
    for number in (3, 4, 5):
        for n, (who, start, text, coded) in enumerate(SAID):
            for behaviour, talk in coded:
                rows.append(
                    f"{number},high,t,https://example.org/{number},smoking,{n},{who},"
                    f"00:00:{start:02d},{text}" + (f",{behaviour},{talk}" if codes else "")
                )
    head = (
        "transcript_id,mi_quality,video_title,video_url,topic,utterance_id,interlocutor,timestamp,"
        "utterance_text" + (",main_therapist_behaviour,client_talk_type" if codes else "")
    )
    path = folder / "AnnoMI-full.csv"
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return path


def test_transcripts_keep_what_most_annotators_say_and_note_ties(tmp_path):
    found = read_annomi(table(tmp_path))
    assert found.transcripts["annomi_003"].splitlines() == [
        "Speaker,Start Time,Utterance,x_client_talk,x_therapist_behaviour",
        "therapist,0,What brings you here?,,question",
        "client,2,I like to smoke.,sustain,",
        "therapist,4,You like it.,,reflection",
        "client,6,Sometimes I cough.,change;sustain,",
        "therapist,8,And then?,,question",
        "client,10,I will not stop.,sustain,",
    ]
    assert found.n_utterances == 18
    assert found.problems == ("3 codes: annotators are divided; all they say stands, ';' between",)
    plain = read_annomi(table(tmp_path, codes=False)).transcripts["annomi_003"]
    assert plain.startswith("Speaker,Start Time,Utterance\n")


def test_an_utterance_finds_its_row_whole_cut_or_not_at_all():
    rows = [{"Utterance": text} for text in ("Yes.", "I did. I went home. Then I slept.", "Yes.")]
    texts = ["yes.", "I did. I went home.", "Then I slept.", "edited", "Yes."]
    found = matched_rows(texts, rows)
    assert [None if row is None else rows.index(row) for row in found] == [0, 1, 1, None, 0]
    assert found[4] is rows[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three sessions: the client left in the picture, nowhere known, and no codes."""
    place = tmp_path_factory.mktemp("annomi")
    found = read_annomi(table(place))
    frames = []
    for n in range(120):  # the client's half grows brighter with time
        frame = np.full((64, 96, 3), 220, np.uint8)
        frame[:, :48] = 40 + n
        frames.append(frame)
    make.write_media(place / "v.mp4", frames=frames, fps=10, sound=make.tone(12.0, level=0.2))
    for name in ("annomi_003", "annomi_004"):
        (place / f"{name}.csv").write_text(found.transcripts[name], encoding="utf-8")
    (place / "other.stm").write_text("o 1 client 0.0 3.0 Hello there.\n")
    rows = [
        "id,path,transcript,roles,faces,topic",
        *(
            f"{name},v.mp4,{name}.csv,therapist=therapist;client=patient,{faces},smoking"
            for name, faces in (
                ("annomi_003", "client=left;therapist=right"),
                ("annomi_004", "client=none;therapist=right"),
            )
        ),
        "other,v.mp4,other.stm,client=patient,,",
    ]
    (place / "manifest.csv").write_text("\n".join(rows) + "\n")
    return place


@pytest.fixture
def run(folder, stand_ins):
    return emodiss.annotate(
        folder / "manifest.csv",
        out=folder / "runs" / "one",  # not beside the manifest
        preset="lite",
        settings={**stand_ins, "models.faces": "fake-two-faces"},
        workers=0,
    )


class Sees:
    """Says of a picture how bright its middle is, and records what it is asked."""

    name = identity = "sees"

    def __init__(self, fault=None) -> None:
        self.asked, self.fault = [], fault

    def generate(self, messages, params, *, sample=0):
        content = messages[-1]["content"]
        text = "".join(part.text for part in content if hasattr(part, "text"))
        (picture,) = [part for part in content if hasattr(part, "path")]
        if self.fault and "assess" not in text:
            raise self.fault
        pixels = cv2.imread(str(picture.path))
        middle = int(pixels[pixels.shape[0] // 2, pixels.shape[1] // 2].mean())
        said = f"grey {middle}" if "assess" in text else f"Therapist: [nods] I see {middle}."
        self.asked.append((text, content_sha256(content), said))
        return Completion(said, "sees", "stop")


def test_the_client_is_seen_at_the_middle_of_each_such_utterance(run, folder):
    model = Sees()
    done = mirror.annomi(run, Endpoint([model]), every=True)
    said = [(m.video_id, m.time, m.status, m.reason) for m in done.moments]
    assert said[0] == ("annomi_003", 3.0, "answered", "")
    assert [each[2:] for each in said[1:]] == [
        ("answered", ""),
        ("skipped", "unbound"),
        ("skipped", "unbound"),
    ]
    assert done.complete
    first = done.moments[0]
    # At 3 s the client's half is 40 + 30; the codec may be off by a few.
    assert abs(int(str(first.reply).split()[-1].strip(".")) - 70) <= 4
    assert first.caption == str(first.reply).replace("I see", "grey").strip(".")
    assert (first.binding_source, first.binding_confidence) == ("manifest", None)
    assert first.history == ("Therapist: What brings you here?", "Client: I like to smoke.")
    prompts = [text for text, _, said in model.asked if "I see" in said]
    # Questions go out side by side, in no order.
    for text in ("Client Emotional State: grey", "Reason for Counseling: smoking", "is not CBT"):
        assert all(text in prompt for prompt in prompts)
    later = "Therapist: And then?\nClient: I will not stop."
    assert sorted(later in prompt for prompt in prompts) == [False, True]
    assert any("other: no codes" in note for note in done.notes)
    assert any("transcript.align" in note for note in done.notes)
    kept = [json.loads(x) for x in (run.root / "annomi/moments.jsonl").read_text().splitlines()]
    assert [each["reply"] for each in kept] == [each.reply for each in done.moments]
    assert kept[2]["binding_confidence"] is None
    page = done.page.read_text(encoding="utf-8")
    assert page.count("<img") == page.count("bound by a person (manifest)") == 2
    assert page.count("Face: none") == 2
    assert "motivational interviewing is not that" in page

    # The same from a recording, by the command, and the first of each session alone.
    recording = folder / "recording.jsonl"
    recording.write_text(
        "".join(
            json.dumps({"prompt_sha256": key, "raw": raw, "model": "sees"}) + "\n"
            for _, key, raw in model.asked
        )
    )
    again = CliRunner().invoke(
        app,
        ["mirror", "annomi", str(run.root), "--talk", "sustain", "--replay", str(recording),
         "--table", str(folder / "AnnoMI-full.csv"), "--json"],
    )  # fmt: skip
    assert again.exit_code == 0, again.output
    rows = json.loads(again.stdout)
    assert [(r["video_id"], r["status"]) for r in rows] == [
        ("annomi_003", "answered"),
        ("annomi_004", "skipped"),
        ("annomi_004", "skipped"),
    ]
    assert rows[0]["reply"] == first.reply


def test_what_cannot_be_shown_or_answered_says_why(run):
    done = mirror.annomi(run, Endpoint([Sees(ChatError("no", code="http_400"))]), variant="base")
    assert [(m.status, m.reason) for m in done.moments][:1] == [("unanswered", "http_400")]
    assert not done.complete
    with pytest.raises(RunError, match="No session of the run has neutral talk"):
        mirror.annomi(run, Endpoint([Sees()]), talk="neutral")
    with pytest.raises(SettingsError, match="no talk 'sustained'"):
        mirror.annomi(run, Endpoint([Sees()]), talk="sustained")
