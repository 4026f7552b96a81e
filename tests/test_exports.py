"""Exports: read by other people's parsers, nothing invented where nothing was measured, and back.

Independent readers: `pyannote.database` for RTTM, `webvtt-py` for WebVTT, `pympi-ling` for EAF and
(its own Praat reader) for TextGrid, which praatio writes.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import example, given, settings, strategies as st

from emodiss.exports import FORMATS, Change, ExportError, items, read_back, write
from emodiss.exports.items import layers, tiers
from emodiss.transcript import read

NAN = float("nan")

ROWS = [
    # id, start, end, speaker, role, text, voice V and A, face V and A, dissonant, axis
    ("u0001", 0.0, 1.2, "Ada B", "therapist", 'Well, "how" are <you> & yours?',
     0.25, -0.5, NAN, NAN, None, None),
    ("u0002", 1.1, 3.4564, "Bo", "patient", "I don\u2019t know \u2014 \u597d.",
     -0.125, 0.1, 0.625, 0.0, True, "valence"),
    ("u0003", 2.0, 2.3, "Ada B", "therapist", "mm-hmm", NAN, NAN, NAN, NAN, None, None),
    ("u0004", 3661.5, 3662.0, "Cy", None, "", NAN, NAN, NAN, NAN, False, None),
]  # fmt: skip


def session(rows=ROWS) -> pd.DataFrame:
    names = ["utterance_id", "start", "end", "speaker", "role", "text"]
    names += ["speech_valence", "speech_arousal", "face_valence", "face_arousal"]
    names += ["dissonant", "dissonance_axis"]
    table = pd.DataFrame(rows, columns=names)
    table.insert(0, "video_id", "s01")
    return table.astype({"dissonant": "boolean"})


def save(folder: Path, kind: str, table: pd.DataFrame | None = None) -> Path:
    path = folder / f"s01{FORMATS[kind].file}"
    path.write_text(write(session() if table is None else table, kind), encoding="utf-8")
    return path


# -- RTTM ----------------------------------------------------------------------------------


def test_rttm_as_pyannote_reads_it(tmp_path: Path) -> None:
    util = pytest.importorskip("pyannote.database.util", reason="the extra 'models' brings it")
    found = util.load_rttm(save(tmp_path, "rttm"))["s01"]
    turns = [
        (s.start, pytest.approx(s.end), who) for s, _, who in found.itertracks(yield_label=True)
    ]
    assert turns == [
        (0.0, 1.2, "Ada_B"),
        (1.1, 3.456, "Bo"),
        (2.0, 2.3, "Ada_B"),
        (3661.5, 3662.0, "Cy"),
    ]


def test_rttm_keeps_names_apart_that_differ_in_a_blank() -> None:
    rows = [(f"u{i}", i, i + 1, who, None, "") + (NAN,) * 4 + (None, None)
            for i, who in enumerate(["A B", "A_B", "A B"])]  # fmt: skip
    labels = [line.split()[7] for line in write(session(rows), "rttm").splitlines()]
    assert labels == ["A_B", "A_B_", "A_B"]
    assert all(len(line.split()) == 10 for line in write(session(rows), "rttm").splitlines())


# -- WebVTT --------------------------------------------------------------------------------


def test_webvtt_as_webvtt_py_reads_it(tmp_path: Path) -> None:
    webvtt = pytest.importorskip("webvtt", reason="webvtt-py is in the group 'dev'")
    cues = webvtt.read(save(tmp_path, "webvtt"))
    assert [(c.identifier, c.start, c.end) for c in cues][:2] == [
        ("u0001", "00:00:00.000", "00:00:01.200"),
        ("u0002", "00:00:01.100", "00:00:03.456"),
    ]
    assert "01:01:01.500" in [c.start for c in cues]
    assert [c.voice for c in cues][:3] == ["Ada B", "Bo", "Ada B"]


def test_webvtt_as_our_own_reader_reads_it(tmp_path: Path) -> None:
    found = read(save(tmp_path, "webvtt"))
    assert [(u.start, u.end, u.speaker, u.text) for u in found] == [
        (0.0, 1.2, "Ada B", ROWS[0][5]),
        (1.1, 3.456, "Bo", ROWS[1][5]),
        (2.0, 2.3, "Ada B", "mm-hmm"),
        (3661.5, 3662.0, "Cy", ""),
    ]


# -- TextGrid ------------------------------------------------------------------------------


def test_textgrid_as_pympi_reads_it(tmp_path: Path) -> None:
    praat = pytest.importorskip("pympi.Praat", reason="pympi-ling is in the group 'dev'")
    pytest.importorskip("praatio", reason="the extra 'export' brings it")
    grid = praat.TextGrid(str(save(tmp_path, "textgrid")))
    found = {tier.name: [i for i in tier.get_intervals() if i[2]] for tier in grid.get_tiers()}
    assert found["therapist"] == [(0.0, 1.2, ROWS[0][5]), (2.0, 2.3, "mm-hmm")]
    assert found["patient"] == [(1.1, 3.456, ROWS[1][5])]
    # Nobody transcribed it; an empty interval would say that nobody speaks.
    assert found["Cy"] == [(3661.5, 3662.0, "[speech]")]
    assert found["therapist: speech valence"] == [(0.0, 1.2, "0.250")]
    assert found["patient: face valence"] == [(1.1, 3.456, "0.625")]
    assert found["patient: face arousal"] == [(1.1, 3.456, "0.000")]
    assert found["patient: dissonance"] == [(1.1, 3.456, "yes (valence)")]
    assert found["Cy: dissonance"] == [(3661.5, 3662.0, "no")]
    # What was not measured has no interval, and what nobody has, no tier.
    assert not {"therapist: face valence", "therapist: dissonance", "Cy: face valence"} & set(found)


def test_a_textgrid_of_silence_is_refused() -> None:
    pytest.importorskip("praatio", reason="the extra 'export' brings it")
    with pytest.raises(ExportError, match="nobody speaks"):
        write(session([]), "textgrid")


# -- EAF -----------------------------------------------------------------------------------


def test_eaf_as_pympi_reads_it(tmp_path: Path) -> None:
    elan = pytest.importorskip("pympi.Elan", reason="pympi-ling is in the group 'dev'")
    eaf = elan.Eaf(str(save(tmp_path, "eaf")))
    assert eaf.get_annotation_data_for_tier("therapist") == [
        (0, 1200, ROWS[0][5]),
        (2000, 2300, "mm-hmm"),
    ]
    assert eaf.get_annotation_data_for_tier("patient") == [(1100, 3456, ROWS[1][5])]
    assert eaf.get_parameters_for_tier("patient")["PARTICIPANT"] == "Bo"
    assert set(eaf.get_child_tiers_for("patient")) == {
        *("id: patient", "speech valence: patient", "speech arousal: patient"),
        *("face valence: patient", "face arousal: patient", "dissonance: patient"),
    }
    assert set(eaf.get_child_tiers_for("therapist")) == {
        *("id: therapist", "speech valence: therapist", "speech arousal: therapist"),
    }
    values = eaf.get_ref_annotation_data_for_tier("dissonance: patient")
    assert [(start, end, value) for start, end, value, *_ in values] == [
        (1100, 3456, "yes (valence)")
    ]


def test_eaf_names_the_video_and_keeps_the_rules_of_its_schema(tmp_path: Path) -> None:
    media = tmp_path / "a film.mp4"
    root = ET.fromstring(write(session(), "eaf", media=media))
    # The order of the parts, required attributes, unique ids and references that lead somewhere.
    assert list(dict.fromkeys(part.tag for part in root)) == [
        *("HEADER", "TIME_ORDER", "TIER", "LINGUISTIC_TYPE", "CONSTRAINT")
    ]
    described = root.find("HEADER/MEDIA_DESCRIPTOR")
    assert described is not None and described.get("MIME_TYPE") == "video/mp4"
    assert described.get("MEDIA_URL", "").endswith("/a%20film.mp4")
    slots = {s.get("TIME_SLOT_ID"): int(s.get("TIME_VALUE", "")) for s in root.iter("TIME_SLOT")}
    assert list(slots.values()) == sorted(slots.values())
    ids = [a.get("ANNOTATION_ID") for a in root.iter() if a.get("ANNOTATION_ID")]
    assert len(ids) == len(set(ids))
    names = [tier.get("TIER_ID") for tier in root.iter("TIER")]
    assert len(names) == len(set(names))
    for annotation in root.iter("ALIGNABLE_ANNOTATION"):
        edges = [slots[annotation.get(f"TIME_SLOT_REF{n}")] for n in (1, 2)]
        assert edges[0] < edges[1]
    assert all(a.get("ANNOTATION_REF") in ids for a in root.iter("REF_ANNOTATION"))
    assert {t.get("PARENT_REF") for t in root.iter("TIER")} - {None} <= set(names)
    types = {t.get("LINGUISTIC_TYPE_ID") for t in root.iter("LINGUISTIC_TYPE")}
    assert {t.get("LINGUISTIC_TYPE_REF") for t in root.iter("TIER")} == types


# -- what is shown -------------------------------------------------------------------------


def test_two_voices_of_one_role_have_a_tier_each() -> None:
    rows = [(f"u{i}", i, i + 1, who, role, "x") + (NAN,) * 4 + (None, None)
            for i, (who, role) in enumerate(
                [("A", "patient"), ("B", "patient"), ("C", "therapist"), ("patient", None)]
            )]  # fmt: skip
    assert [(t.name, t.speaker) for t in tiers(items(session(rows)))] == [
        ("therapist", "C"),
        ("patient (A)", "A"),
        ("patient (B)", "B"),
        ("voice patient", "patient"),
    ]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20)), max_size=12))
def test_layers_hold_everything_once_and_nothing_overlaps(spans: list[tuple[int, int]]) -> None:
    rows = [(f"u{i:02}", a, a + n, "A", None, "x") + (NAN,) * 4 + (None, None)
            for i, (a, n) in enumerate(spans)]  # fmt: skip
    shown = items(session(rows))
    found = layers(shown)
    assert sorted(i.utterance_id for one in found for i in one) == [r[0] for r in rows]
    for one in found:
        assert all(a.end <= b.start for a, b in pairwise(one))
    # As few as it takes: at some instant that many speak at once.
    most = max((sum(a <= t < a + n for a, n in spans) for t in range(80)), default=0)
    assert len(found) == most


def test_characters_no_file_can_hold_are_left_out(tmp_path: Path) -> None:
    rows = [
        ("u0001", 0, 1, "A\tB", None, "a\x00b\x1bc\n\nd --> e\ufffe") + (NAN,) * 4 + (None,) * 2
    ]
    assert (items(session(rows))[0].speaker, items(session(rows))[0].text) == (
        "A B",
        "abc d --> e",
    )
    for kind in (name for name, row in FORMATS.items() if row.of_video):
        if kind != "textgrid":
            write(session(rows), kind).encode()
    assert read(save(tmp_path, "webvtt", session(rows)))[0].text == "abc d --> e"


def test_what_cannot_be_written() -> None:
    with pytest.raises(ExportError, match="no format 'elan'"):
        write(session(), "elan")
    with pytest.raises(ExportError, match="2 videos"):
        write(pd.concat([session(), session().assign(video_id="s02")]), "rttm")
    with pytest.raises(ExportError, match="lacks the column 'text'"):
        write(session().drop(columns="text"), "rttm")


# -- and back ------------------------------------------------------------------------------

BOTH = pytest.mark.parametrize("kind", ["webvtt", "eaf"])


def changed(path: Path, *replacements: tuple[str, str]) -> tuple[list[Change], list[str]]:
    text = path.read_text(encoding="utf-8")
    for old, new in replacements:
        assert old in text, old
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    return read_back(path, items(session()))


@BOTH
def test_a_file_that_nobody_changed_changes_nothing(tmp_path: Path, kind: str) -> None:
    # u0002 ends at 3.4564 s and the file says 3.456.
    assert changed(save(tmp_path, kind)) == ([], [])


@BOTH
def test_a_corrected_text_comes_back(tmp_path: Path, kind: str) -> None:
    found, problems = changed(save(tmp_path, kind), ("mm-hmm", "Mm &amp; hmm."))
    assert (found, problems) == ([Change("text", "u0003", {"text": "Mm & hmm."})], [])


def test_corrected_times_and_voices_come_back_from_webvtt(tmp_path: Path) -> None:
    found, problems = changed(
        save(tmp_path, "webvtt"),
        ("00:00:01.100 -->", "00:00:01.300 -->"),
        ("<v.therapist Ada B>mm", "<v.patient Bo>mm"),
    )
    assert problems == []
    assert found == [
        # The end was not moved and keeps its full precision.
        Change("times", "u0002", {"start": 1.3, "end": 3.4564}),
        Change("speaker", "u0003", {"speaker": "Bo"}),
    ]


def test_corrected_times_and_voices_come_back_from_eaf(tmp_path: Path) -> None:
    path = save(tmp_path, "eaf")
    root = ET.parse(path).getroot()
    slot = next(s for s in root.iter("TIME_SLOT") if s.get("TIME_VALUE") == "1100")
    slot.set("TIME_VALUE", "1300")
    by_name = {t.get("TIER_ID"): t for t in root.iter("TIER")}
    moved = next(
        a for a in by_name["therapist"] if "mm-hmm" in (a.findtext("*/ANNOTATION_VALUE") or "")
    )
    by_name["therapist"].remove(moved)
    by_name["patient"].append(moved)
    path.write_text(ET.tostring(root, encoding="unicode"))
    found, problems = read_back(path, items(session()))
    assert problems == []
    assert found == [
        Change("times", "u0002", {"start": 1.3, "end": 3.4564}),
        Change("speaker", "u0003", {"speaker": "Bo"}),
    ]


def test_elan_may_number_annotations_anew(tmp_path: Path) -> None:
    path = save(tmp_path, "eaf")
    text = re.sub(r'(_ID|_REF)="u(\d+)"', r'\1="a9\2"', path.read_text())
    path.write_text(text.replace("mm-hmm", "Mm."))
    assert read_back(path, items(session()))[0] == [Change("text", "u0003", {"text": "Mm."})]
    # And may lose the tier of ids: the place in time tells.
    root = ET.fromstring(text.replace("mm-hmm", "Mm."))
    for tier in [t for t in root.iter("TIER") if t.get("PARENT_REF")]:
        root.remove(tier)
    path.write_text(ET.tostring(root, encoding="unicode"))
    assert read_back(path, items(session())) == ([Change("text", "u0003", {"text": "Mm."})], [])


def test_a_role_changed_for_a_whole_voice_comes_back(tmp_path: Path) -> None:
    found, problems = changed(save(tmp_path, "eaf"), ('TIER_ID="patient"', 'TIER_ID="other"'),
                              ('PARENT_REF="patient"', 'PARENT_REF="other"'))  # fmt: skip
    assert (found, problems) == ([Change("role", "Bo", {"role": "other"})], [])
    found, problems = changed(save(tmp_path, "webvtt"), ("<v.therapist", "<v.other"))
    assert (found, problems) == ([Change("role", "Ada B", {"role": "other"})], [])
    # For one cue only: a role belongs to a voice.
    found, problems = changed(
        save(tmp_path, "webvtt"), ("<v.therapist Ada B>mm", "<v.other Ada B>mm")
    )
    assert found == []
    assert problems == ["the voice 'Ada B' has several roles in the file; none was taken"]


def test_what_was_added_or_removed_is_reported_and_not_taken_over(tmp_path: Path) -> None:
    path = save(tmp_path, "webvtt")
    text = path.read_text().replace("u0003\n", "").replace("00:00:02.000 --> 00:00:02.300", "")
    text = "\n\n".join(b for b in text.split("\n\n") if "mm-hmm" not in b)
    path.write_text(text + "\n\nnew\n00:00:08.000 --> 00:00:09.000\n<v Bo>secret</v>\n")
    found, problems = read_back(path, items(session()))
    assert found == []
    assert problems == [
        "an utterance was added at 8.000 s; an import adds none",
        "u0003 is not in the file; an import removes none",
    ]


def test_of_two_copies_the_one_in_place_keeps_the_id(tmp_path: Path) -> None:
    path = save(tmp_path, "webvtt")
    path.write_text(path.read_text() + "\nu0002\n00:00:20.000 --> 00:00:21.000\n<v Bo>so</v>\n")
    found, problems = read_back(path, items(session()))
    assert (found, problems) == ([], ["an utterance was added at 20.000 s; an import adds none"])


LATER = ("Bo", 2.1, "Uh-huh.", "other")
"""What a later review made of u0003 (speaker, start, text) and of the role of Ada B."""


def reviewed_since() -> pd.DataFrame:
    table = session()
    speaker, start, text, role = LATER
    table.loc[2, ["speaker", "start", "text", "role"]] = [speaker, start, text, "patient"]
    table.loc[0, "role"] = role
    return table


@BOTH
def test_an_older_file_undoes_no_later_review(tmp_path: Path, kind: str) -> None:
    path = save(tmp_path, kind)
    shown = items(reviewed_since())
    assert read_back(path, shown) == ([], [])
    # What was corrected in it counts, also where something else of the session is newer.
    path.write_text(path.read_text().replace("Well, ", "Oh, "))
    assert read_back(path, shown) == (
        [Change("text", "u0001", {"text": 'Oh, "how" are <you> & yours?'})],
        [],
    )


@BOTH
def test_what_was_changed_in_both_is_left_and_told(tmp_path: Path, kind: str) -> None:
    path = save(tmp_path, kind)
    path.write_text(path.read_text().replace("mm-hmm", "Mm."))
    changes, problems = read_back(path, items(reviewed_since()))
    assert changes == []
    assert [p.partition(":")[0] for p in problems] == ["u0003, text"]
    assert "both in the table and in the file" in problems[0] and "Mm." not in problems[0]
    # The same correction twice is none.
    path.write_text(path.read_text().replace("Mm.", LATER[2]))
    assert read_back(path, items(reviewed_since())) == ([], [])


def test_a_role_changed_in_both_is_left_and_told(tmp_path: Path) -> None:
    path = save(tmp_path, "webvtt")
    path.write_text(path.read_text().replace("<v.therapist", "<v.patient"))
    changes, problems = read_back(path, items(reviewed_since()))
    assert changes == []
    assert [p.partition(":")[0] for p in problems] == ["Ada B, role"]


@BOTH
def test_a_file_without_its_stamp_does_not_touch_what_was_reviewed(
    tmp_path: Path, kind: str
) -> None:
    path = save(tmp_path, kind)
    text = re.sub("<PROPERTY.*?</PROPERTY>|NOTE .*", "", path.read_text(), flags=re.DOTALL)
    assert "u0003:" not in text
    path.write_text(text.replace("Well, ", "Oh, "))
    said = {("text", "u0003"), ("times", "u0003"), ("speaker", "u0003"), ("role", "Ada B")}
    changes, problems = read_back(path, items(reviewed_since()), reviewed=said)
    assert [(c.kind, c.target) for c in changes] == [("text", "u0001")]
    assert sorted(p.partition(":")[0] for p in problems) == [
        *("Ada B, role", "u0003, speaker", "u0003, text", "u0003, times")
    ]


def test_the_stamp_holds_no_words_and_no_names(tmp_path: Path) -> None:
    note = save(tmp_path, "webvtt").read_text().partition("NOTE ")[2]
    assert note.splitlines()[2].startswith("u0002:1100-3456:")
    assert not any(word in note for word in ("Ada", "Bo:", "mm-hmm"))


def test_bad_cues_are_named_by_line(tmp_path: Path) -> None:
    path = save(tmp_path, "webvtt")
    text = path.read_text().replace("<v.patient Bo>", "").replace("<v Cy>", "<v>")
    path.write_text(text.replace("00:00:02.300", "00:00:0x.300"))
    found, problems = read_back(path, items(session()))
    assert found == []
    assert [p.split(":")[0] for p in problems[:3]] == [
        *("s01.vtt, line 8", "s01.vtt, line 12", "s01.vtt, line 16")
    ]
    assert not any("know" in problem for problem in problems)


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("x.eaf", "<a", "is not XML"),
        ("x.eaf", "<a/>", "no EAF file: its root is 'a'"),
        ("x.eaf", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "document type"),
        ("x.eaf", "\xff", "line 1: byte 0xff is not valid"),
        ("x.srt", "", "WebVTT or EAF"),
        ("x.vtt", "WEBVTT\n\n1\n00:50.000 --> 00:51.000\n<v A>hi\n", "belongs to this session"),
    ],
)
def test_files_that_cannot_be_taken(tmp_path: Path, name: str, content: str, match: str) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="latin-1")
    with pytest.raises(ExportError, match=match):
        read_back(path, items(session()))


def test_an_annotation_without_times_is_named(tmp_path: Path) -> None:
    for odd in ('X="1100"', 'TIME_VALUE="²"', f'TIME_VALUE="{"9" * 5000}"'):
        path = save(tmp_path, "eaf")
        text = path.read_text(encoding="utf-8").replace('TIME_VALUE="1100"', odd)
        path.write_text(text, encoding="utf-16")  # and read all the same
        found, problems = read_back(path, items(session()))
        assert found == []
        assert "annotation 'u0002' of tier 'patient' has no times" in problems[0]


said = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
named = st.sampled_from(["therapist", "Patient", "other x", "A'"]) | said.map(lambda who: "S" + who)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 99_999), st.integers(1, 9_999), named, said), max_size=6),
    st.sampled_from(["webvtt", "eaf"]),
)
@example([(0, 1, "therapist", "\u202a"), (0, 1, "Patient", "\u2066yes\u2069")], "webvtt")
def test_any_session_goes_out_and_comes_back_unchanged(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, int, str, str]], kind: str
) -> None:
    made = [(f"u{i:04}", a / 1000, (a + n) / 1000, who, None, text)
            + (NAN,) * 4 + (None, None)
            for i, (a, n, who, text) in enumerate(rows)]  # fmt: skip
    path = tmp_path_factory.getbasetemp() / f"any{FORMATS[kind].file}"
    path.write_text(write(session(made), kind), encoding="utf-8")
    shown = items(session(made))
    if shown:
        assert read_back(path, shown) == ([], [])
