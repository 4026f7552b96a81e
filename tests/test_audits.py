"""The audit: the same sample for the same seed, and an interval from an independent source."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from hypothesis import given, strategies as st

from emodiss.reviews.audits import COLUMNS, AuditError, Judged, read_sheet, sample, score


def run_table(n_sessions: int = 30) -> pd.DataFrame:
    rows = [
        {
            "video_id": f"s{i:02d}",
            "utterance_id": f"u{k + 1:04d}",
            "start": 2.0 * k,
            "end": 2.0 * k + 1,
            "speaker": "AB"[k % 2],
            "role": ("therapist", "patient")[k % 2],
            "role_source": "classifier",
            "role_confidence": 0.9,
            "text": f"words of {k}",
            "n_words": 3,
        }
        for i in reversed(range(n_sessions))
        for k in range(4)
    ]
    return pd.DataFrame(rows)


def test_ten_percent_of_the_sessions_are_drawn_whole() -> None:
    sheet = sample(run_table(), share=0.1, seed=0)
    assert list(sheet.columns) == list(COLUMNS)
    assert sheet["video_id"].nunique() == 3  # 0.1 of 30, not 4 for a rounding of 0.1
    assert len(sheet) == 6  # one row per voice
    assert set(sheet["n_utterances"]) == {2}
    assert set(sheet["verdict"]) == {""}
    assert sheet["text"].iloc[0] == "words of 0 / words of 2"
    assert sample(run_table(31), share=0.1)["video_id"].nunique() == 4  # at least the share


def test_the_seed_decides_and_the_order_of_the_manifest_does_not() -> None:
    table = run_table()
    one = sample(table, seed=3)
    pd.testing.assert_frame_equal(one, sample(table, seed=3))
    other = sample(table.sort_values("video_id", kind="stable"), seed=3)
    assert set(one["video_id"]) == set(other["video_id"])
    assert {tuple(sample(table, seed=s)["video_id"]) for s in range(20)} != {tuple(one["video_id"])}


def test_every_session_can_be_drawn() -> None:
    drawn = {v for s in range(200) for v in sample(run_table(), seed=s)["video_id"]}
    assert len(drawn) == 30


def test_utterances_may_be_the_unit() -> None:
    sheet = sample(run_table(), share=0.05, unit="utterance", seed=1)
    assert len(sheet) == 6  # of 120
    assert sheet["utterance_id"].str.fullmatch(r"u\d{4}").all()


def test_what_cannot_be_drawn() -> None:
    with pytest.raises(AuditError, match="share"):
        sample(run_table(), share=0.0)
    with pytest.raises(AuditError, match="unit 'sentence'"):
        sample(run_table(), unit="sentence")  # type: ignore[arg-type]
    with pytest.raises(AuditError, match="nothing to draw"):
        sample(run_table().iloc[:0])


def judged(*verdicts: bool | None, video: str = "v") -> list[Judged]:
    return [Judged(video, None, f"{i}", right) for i, right in enumerate(verdicts)]


@pytest.mark.parametrize(
    ("n_right", "n", "low", "high"),
    # Newcombe 1998, Statistics in Medicine 17, 857, table I, method 3 (score, no correction).
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611),
     (1, 29, 0.0061, 0.1718)],
)  # fmt: skip
def test_wilsons_interval_as_published(n_right: int, n: int, low: float, high: float) -> None:
    verdicts = judged(*([True] * n_right + [False] * (n - n_right)))
    (voices,) = [s for s in score(verdicts) if s.unit == "voice"]
    assert (voices.n, voices.n_right) == (n, n_right)
    assert voices.accuracy == n_right / n
    assert [voices.low, voices.high] == pytest.approx([low, high], abs=5e-5)


def test_all_right_is_not_certainty() -> None:
    (session, _) = score([j for i in range(144) for j in judged(True, True, video=str(i))])
    assert (session.n, session.accuracy, session.high) == (144, 1.0, 1.0)
    # By hand: n / (n + z^2) with z = 1.959964.
    assert session.low == pytest.approx(144 / (144 + 1.959964**2), abs=1e-6)


def test_a_session_is_right_when_all_its_voices_are() -> None:
    found = score(
        [
            *judged(True, True, video="a"),
            *judged(True, False, video="b"),
            *judged(True, None, video="c"),
            *judged(False, None, video="d"),
            *judged(None, None, video="e"),
        ]
    )
    assert [(s.unit, s.n, s.n_right, s.n_open) for s in found] == [
        ("session", 3, 1, 2),
        ("voice", 6, 4, 4),
    ]


def test_nothing_judged_is_missing_and_not_zero() -> None:
    (session, _) = score(judged(None, None))
    assert (session.n, session.n_open) == (0, 1)
    assert math.isnan(session.accuracy) and session.to_dict()["low"] is None
    assert score([]) == []
    with pytest.raises(AuditError, match="confidence"):
        score(judged(True), confidence=95)


def test_utterances_are_counted_by_themselves() -> None:
    rows = [Judged("v", f"u{i}", "A", i != 3) for i in range(10)]
    (spoken,) = score(rows)
    assert (spoken.unit, spoken.n, spoken.n_right) == ("utterance", 10, 9)


@given(st.integers(0, 60), st.integers(0, 60))
def test_the_interval_holds_the_accuracy_and_mirrors(n_right: int, n_wrong: int) -> None:
    if n_right + n_wrong == 0:
        return
    (_, one) = score(judged(*([True] * n_right + [False] * n_wrong)))
    (_, other) = score(judged(*([False] * n_right + [True] * n_wrong)))
    assert 0 <= one.low <= one.accuracy <= one.high <= 1
    assert one.low == pytest.approx(1 - other.high)


def test_a_filled_sheet_is_read_as_people_write() -> None:
    rows = [
        {"video_id": "a", "speaker": "A", "verdict": " Right ", "correct_role": "", "note": "ok"},
        {"video_id": "a", "speaker": "B", "verdict": "n", "correct_role": "Client"},
        {"video_id": "b", "utterance_id": "u0001", "speaker": "A", "verdict": None},
    ]
    found = read_sheet(rows, name="sheet.csv")
    assert [(j.right, j.correct_role, j.utterance_id) for j in found] == [
        (True, None, None),
        (False, "patient", None),
        (None, None, "u0001"),
    ]


@pytest.mark.parametrize(
    ("cells", "match"),
    [
        ({"verdict": "Mary was right"}, "row 1: the verdict is 14 characters"),
        ({"verdict": "wrong", "correct_role": "thrapist"}, "Did you mean 'therapist'"),
        ({"verdict": "right", "role": "patient", "correct_role": "other"}, "another role"),
    ],
)
def test_a_sheet_that_contradicts_itself_is_refused(cells: dict[str, str], match: str) -> None:
    with pytest.raises(AuditError, match=match) as caught:
        read_sheet([{"video_id": "a", "speaker": "A", **cells}], name="sheet.csv")
    assert "Mary" not in str(caught.value)


def test_a_sheet_without_verdicts_is_none() -> None:
    with pytest.raises(AuditError, match="lacks the column 'verdict'"):
        read_sheet([{"video_id": "a", "speaker": "A"}], name="sheet.csv")
