"""Faces of those who do not speak: who listens, what counts as silence, what stays untouched."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import emodiss
from emodiss import utterances
from emodiss.errors import RunError
from emodiss.faces import FaceTrack
from emodiss.media import probe
from emodiss.people import People, Person
from emodiss.settings import FaceAffectSettings, Settings
from emodiss.transcript import Transcript, Utterance
from emodiss.utterances import PARTS, TableError, measure_listeners, validate
from tests import fakes, make
from tests.runs.test_annotate import results

# Ada speaks 0 to 1 s and 1.5 to 2 s, Bo 1 to 2 s; nobody from 2 to 3 s.
SPOKEN = Transcript(
    tuple(Utterance(a, b, who, "x") for a, b, who in
          ((0.0, 1.0, "Ada"), (1.0, 2.0, "Bo"), (1.5, 2.0, "Ada"))), "given"
)  # fmt: skip
RULE = FaceAffectSettings()


def face(number: int, first: int, last: int, *, size: int = 40) -> FaceTrack:
    return make.track(number, np.arange(first, last), (5, 5, 5 + size, 5 + size))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "three.mp4"
    make.write_media(path, frames=[make.grey(100 + i) for i in range(90)], fps=30)
    return path, probe(source=path, row=make.VIDEO, settings=Settings().media)


def measured(clip, tracks, persons, *, spoken=SPOKEN, rule=RULE):
    path, media = clip
    return measure_listeners(
        source=path,
        media=media,
        transcript=spoken,
        tracks=make.tracks(*tracks),
        people=People(tuple(Person(*p) for p in persons), ()),
        model=fakes.Face(),
        settings=rule,
    )


def counts(found) -> dict[tuple[int, int, str], int]:
    """Measured ticks by utterance, track and part."""
    keys = zip(found.utterance.tolist(), found.track_id.tolist(), found.part.tolist(), strict=True)
    table: dict[tuple[int, int, str], int] = {}
    for utterance, track, part in keys:
        key = (utterance, track, PARTS[part])
        table[key] = table.get(key, 0) + 1
    return table


BOTH = (("Ada", (1,), 0.99, "measured"), ("Bo", (2,), 0.99, "measured"))
TRACKS = (face(1, 0, 90), face(2, 0, 90), face(3, 30, 90))


def test_a_face_listens_while_another_speaks_and_it_does_not(clip):
    found = measured(clip, TRACKS, BOTH)
    assert counts(found) == {
        (0, 2, "listener"): 30,
        (1, 1, "listener"): 15,  # from 1.5 s on Ada speaks too
        (1, 3, "listener"): 30,
        (2, 3, "listener"): 15,
        **{(-1, track, "silence"): 30 for track in (1, 2, 3)},
    }
    # Of several the one with a voice; where that one talks, the one without.
    assert found.status == ("ok", "ok", "ok")
    assert found.listener == ("Bo", "Ada", "")
    assert found.listener_track.tolist() == [2, 1, 3]
    # Valence is brightness: source frame k of this clip has the grey value 100 + k.
    mine = (found.utterance == 1) & (found.track_id == 1)
    expected = (100 + np.arange(30, 45)) / 127.5 - 1
    np.testing.assert_allclose(found.valence[mine], expected, atol=0.02)
    assert found.time[mine].tolist() == pytest.approx(np.arange(30, 45) / 30)


def test_a_face_without_a_voice_may_be_that_of_who_speaks_unseen(clip):
    unseen = (BOTH[0], ("Bo", (), np.nan, None))
    found = measured(clip, TRACKS, unseen)
    assert counts(found) == {
        (0, 2, "listener"): 30,  # Ada speaks and is seen, so this is somebody else
        (1, 1, "listener"): 15,
        **{(1, track, "unknown"): 30 for track in (2, 3)},
        **{(2, track, "unknown"): 15 for track in (2, 3)},  # Bo speaks at the same time
        **{(-1, track, "silence"): 30 for track in (1, 2, 3)},
    }
    assert found.status == ("ok", "ok", "unbound") and found.listener == ("", "Ada", "")
    # Stated by a person to be never shown, Bo is behind none of the faces.
    never = measured(clip, TRACKS, (BOTH[0], ("Bo", (), np.nan, "manifest")))
    assert "unknown" not in {part for _, _, part in counts(never)}
    assert never.status == ("ok", "ok", "ok")


@pytest.mark.parametrize(
    ("tracks", "persons", "expected"),
    [
        (TRACKS[:1], (BOTH[0], ("Bo", (), np.nan, None)), ("off_screen", "ok", "off_screen")),
        (TRACKS[:2], BOTH, ("ok", "ok", "talking")),
        ((face(1, 0, 90), face(2, 0, 90, size=12)), BOTH, ("too_small", "ok", "talking")),
        ((face(1, 0, 90), face(2, 26, 90)), BOTH, ("too_few_frames", "ok", "talking")),
        ((), BOTH, ("off_screen",) * 3),
    ],
)  # fmt: skip
def test_each_way_of_seeing_no_listener_has_its_name(clip, tracks, persons, expected):
    bound = {track.id for track in tracks}
    persons = [(s, tuple(t for t in own if t in bound), c, b) for s, own, c, b in persons]
    assert measured(clip, tracks, persons).status == expected


def test_nobody_speaks_and_faces_are_measured(clip):
    found = measured(clip, (face(1, 10, 60),), (), spoken=Transcript((), "given"))
    assert counts(found) == {(-1, 1, "silence"): 50}
    strided = measured(
        clip, (face(1, 10, 60),), (), spoken=Transcript((), "given"),
        rule=RULE.changed(stride=4),
    )  # fmt: skip
    assert strided.tick.tolist() == list(range(12, 60, 4))


@pytest.fixture(scope="module")
def dyad(tmp_path_factory):
    """Two faces side by side; Ada is dark and on the left, Bo bright and on the right."""
    folder = tmp_path_factory.mktemp("dyad")
    picture = np.concatenate([make.grey(80), make.grey(180)], axis=1)
    for name, sound in (("talk", make.tone(3.0, level=0.2)), ("mute", None)):
        make.write_media(folder / f"{name}.mp4", frames=[picture] * 90, fps=30, sound=sound)
    make.write_stm(folder / "talk.stm", [("Ada", 0.0, 1.0, "How?"), ("Bo", 1.0, 2.0, "I am well.")])
    (folder / "manifest.csv").write_text(
        "id,path,roles,faces\ntalk,talk.mp4,Ada=therapist;Bo=patient,Ada=left;Bo=right\n"
        "mute,mute.mp4,,\n"
    )
    return folder


def run_of(dyad, out, stand_ins, who):
    changes = {**stand_ins, "models.faces": "fake-two-faces", "face_affect.who": who}
    return emodiss.annotate(
        dyad / "manifest.csv", out=out, preset="lite", settings=changes, workers=0
    )


def test_listeners_come_beside_the_speakers_and_change_nothing_of_them(dyad, tmp_path, stand_ins):
    alone = run_of(dyad, tmp_path / "run", stand_ins, "speaker")
    before, frames = alone.utterances, alone.face_frames
    assert set(before["listener_status"]) == {"not_measured"} and set(frames["part"]) == {"speaker"}
    files = {k: v for k, v in results(alone.root).items() if "/face_affect/" in k}
    fakes.LOADED.clear()
    both = run_of(dyad, tmp_path / "run", stand_ins, "all")
    assert fakes.LOADED == ["fake-face"]  # the detector and the voice are not asked again
    assert files == {k: v for k, v in results(both.root).items() if "/face_affect/" in k}
    after = both.utterances
    validate(after)
    kept = [name for name in after if not str(name).startswith(("listener", "n_listener"))]
    assert after[kept].to_csv() == before[kept].to_csv()
    pd.testing.assert_frame_equal(after[kept], before[kept], check_exact=True)
    mine = both.face_frames[both.face_frames["part"] == "speaker"].reset_index(drop=True)
    pd.testing.assert_frame_equal(mine, frames, check_exact=True)

    dark, bright = 80 / 127.5 - 1, 180 / 127.5 - 1
    assert after["face_valence"].tolist() == pytest.approx([dark, bright], abs=0.02)
    assert after["listener"].tolist() == ["Bo", "Ada"]
    assert after["listener_status"].tolist() == ["ok", "ok"]
    assert after["listener_valence"].tolist() == pytest.approx([bright, dark], abs=0.02)
    # The preset measures every second tick.
    assert after["n_listener_frames"].tolist() == [15, 15]
    assert (after["listener_track_id"] != after["track_id"]).all()

    reactions = both.session_frames("talk", part="listener")
    assert list(reactions.groupby("utterance_id")["person"].first()) == ["Bo", "Ada"]
    with pytest.raises(RunError, match="Did you mean 'listener'"):
        both.session_frames("talk", part="listen")

    quiet = both.session_frames("talk", part="silence")
    assert quiet["utterance_id"].isna().all() and quiet["time"].min() == 2.0
    summary = both.face_summary
    validate(summary, utterances.FACE_SUMMARY_SCHEMA)
    talk = summary[summary["video_id"] == "talk"].set_index(["person", "part"])
    assert talk["seconds"].to_dict() == {
        (who, part): pytest.approx(1.0, abs=0.1) for who in ("Ada", "Bo")
        for part in ("speaker", "listener", "silence")
    }  # fmt: skip
    assert talk.loc[("Bo", "listener"), "valence"] == pytest.approx(bright, abs=0.02)
    # In the clip without speech nobody has a voice: faces go by their tracks.
    mute = summary[summary["video_id"] == "mute"]
    assert mute["person"].isna().all() and set(mute["part"]) == {"silence"}
    assert mute["seconds"].tolist() == pytest.approx([3.0, 3.0], abs=0.1)

    again = run_of(dyad, tmp_path / "run", stand_ins, "speaker")
    pd.testing.assert_frame_equal(again.utterances, before, check_exact=True)


def test_a_listener_without_a_value_needs_its_reason(dyad, tmp_path, stand_ins):
    table = run_of(dyad, tmp_path / "run", stand_ins, "all").utterances
    table.loc[0, "listener_valence"] = np.nan
    with pytest.raises(TableError, match="listener_status"):
        validate(table)


def test_a_frame_of_two_utterances_counts_once_in_the_summary():
    frames = utterances.conform(
        pd.DataFrame(
            {
                "video_id": "v", "utterance_id": ["u0001", "u0002", "u0002"], "track_id": [1, 1, 2],
                "tick": [7, 7, 7], "valence": [0.5, 0.5, -0.1], "part": "listener",
                "person": ["Ada", "Ada", None],
            }
        ),
        utterances.FRAME_SCHEMA,
    )  # fmt: skip
    found = utterances.face_summary(frames, FaceAffectSettings(stride=3))
    assert found["n_face_frames"].tolist() == [1, 1] and found["seconds"].tolist() == [0.1, 0.1]
    assert found["track_id"].isna().tolist() == [True, False]
    assert len(utterances.face_summary(frames.iloc[:0], FaceAffectSettings())) == 0


def test_a_frame_that_is_shown_for_several_ticks_counts_once(tmp_path):
    path = tmp_path / "slow.mp4"
    make.write_media(path, frames=[make.grey(100 + i) for i in range(20)], fps=10)
    media = probe(source=path, row=make.VIDEO, settings=Settings().media)
    # By hand: 0.4 s hold 12 ticks and 4 frames, 0.5 s hold 15 and 5; 5 are asked for.
    spoken = Transcript((Utterance(0, 0.4, "Bo", "x"), Utterance(1, 1.5, "Bo", "x")), "given")
    found = measured((path, media), [face(1, 0, 60)], [("Ada", (1,), 0.99, "measured"),
                     ("Bo", (), np.nan, "review")], spoken=spoken)  # fmt: skip
    assert found.status == ("too_few_frames", "ok")
