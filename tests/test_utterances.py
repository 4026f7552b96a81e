"""The table and its schema; every missing value has its reason."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
import pytest

from emodiss import utterances
from emodiss.media import Audio
from emodiss.people import Person
from emodiss.settings import Settings
from emodiss.stages import BY_NAME
from emodiss.transcript import Transcript, Utterance
from emodiss.utterances import SCHEMA, TableError, conform, measure_speech, validate
from tests import fakes, make

RULE = Settings().speech_affect


def sound(*parts: np.ndarray) -> Audio:
    return Audio((np.concatenate(parts) * 32767).astype(np.int16), 16_000, 0.0)


def said(*rows: tuple[float, float, float]) -> Transcript:
    return Transcript(tuple(Utterance(s, e, "Ada", "x", overlap_s=o) for s, e, o in rows), "given")


def test_each_way_of_not_hearing_a_voice_has_its_name():
    audio = sound(make.tone(2.0), np.zeros(32_000), make.tone(4.0))
    found = measure_speech(
        audio=audio,
        transcript=said((0, 2, 0), (0.5, 1.4, 0), (2, 4, 0), (4, 6, 1.5), (6, 8, 0.9)),
        model=fakes.Speech(),
        settings=RULE,
    )
    assert found.status == ("ok", "too_short", "silent", "overlap", "ok")
    assert np.isnan(found.valence).tolist() == [False, True, True, True, False]
    # Raw 0.25 on [0, 1] is -0.5 on the house scale; 0.25 stays beside it.
    assert (found.valence[0], found.valence_raw[0]) == (-0.5, 0.25)
    empty = measure_speech(
        audio=Audio(np.zeros(0, np.int16), 16_000, 0.0),
        transcript=said((0, 2, 0)),
        model=fakes.Speech(),
        settings=RULE,
    )
    assert empty.status == ("no_audio",)


def test_the_models_own_minimum_counts_too():
    class Slow(fakes.Speech):
        min_duration_s = 1.8

    audio = sound(make.tone(3.0))
    found = measure_speech(
        audio=audio, transcript=said((0, 1.5, 0), (0, 2, 0)), model=Slow(), settings=RULE
    )
    assert found.status == ("too_short", "ok")


def test_values_past_the_scale_are_clamped_and_counted():
    class Loud(fakes.Speech):
        def predict(self, signal, sample_rate):
            from emodiss.affect import SpeechAffect

            return SpeechAffect(1.3, 0.5, -0.2, self.scale)

    found = measure_speech(
        audio=sound(make.tone(2.0)), transcript=said((0, 2, 0)), model=Loud(), settings=RULE
    )
    assert (found.valence[0], found.dominance[0], found.n_clamped) == (1.0, -1.0, 2)
    assert found.valence_raw[0] == 1.3


@pytest.fixture
def table() -> pd.DataFrame:
    rows = [
        {"video_id": "a", "utterance_id": "u0001", "start": 0.0, "end": 1.0, "speaker": "Ada",
         "text": "", "speech_status": "ok", "face_status": "unbound", "speech_valence": 0.2,
         "speech_arousal": 0.1, "dissonance_reason": "face:unbound"}
    ]  # fmt: skip
    return conform(pd.DataFrame(rows), SCHEMA)


def test_conform_gives_every_column_its_type_and_leaves_gaps_as_gaps(table):
    assert list(table.columns) == [c.name for c in SCHEMA]
    assert table["dissonant"].dtype == "boolean" and table["dissonant"].isna().all()
    assert table["track_id"].dtype == "Int64" and table["track_id"].isna().all()
    validate(table)
    empty = conform(pd.DataFrame(), SCHEMA)
    assert len(empty) == 0
    validate(empty)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("speech_valence", 1.5, r"speech_valence = .*1\.5.*expected a number from -1 to 1"),
        ("face_status", "gone", "face_status = 'gone'"),
        ("end", 0.0, "not after its start"),
        ("face_coverage", -0.1, "face_coverage"),
    ],
)
def test_what_does_not_fit_is_named_with_row_column_and_range(table, column, value, message):
    table[column] = value
    with pytest.raises(TableError, match=message):
        validate(table)


def test_a_table_without_a_column_says_what_it_would_hold(table):
    with pytest.raises(TableError, match="lacks the column 'sentiment'"):
        validate(table.drop(columns="sentiment"))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("speech_valence", np.nan),
        ("speech_status", "too_short"),
        ("face_status", "ok"),
        ("dissonance_reason", None),
        ("dissonant", False),
    ],
)
def test_nothing_is_missing_without_its_reason_nor_reasoned_away(table, column, value):
    table[column] = pd.Series([value], dtype=table[column].dtype)
    with pytest.raises(TableError, match="does not fit its values"):
        validate(table)


def test_the_schema_covers_the_design():
    names = {c.name for c in SCHEMA}
    for channel in ("speech", "face"):
        assert {f"{channel}_valence", f"{channel}_arousal", f"{channel}_status"} <= names
        assert {f"{channel}_valence_raw", f"{channel}_arousal_raw", f"{channel}_label"} <= names
    assert {"dissonance_score", "dissonant", "dissonance_axis", "dissonance_reason"} <= names
    assert {"track_id", "binding_confidence", "face_coverage", "n_face_frames"} <= names
    assert all(c.meaning for c in (*SCHEMA, *utterances.FRAME_SCHEMA))


def test_a_large_face_that_a_stride_steps_over_is_not_called_small():
    from emodiss.utterances.measures import face_reason

    media, tracks = make.media(), make.tracks()
    person = Person("Ada", (1,), 0.99, "measured")
    rule = Settings().face_affect
    for seen, reason in {
        (9, 9, 9): "ok",
        (9, 9, 0): "too_few_frames",  # every tick lies between two strides
        (9, 0, 0): "too_small",
        (0, 0, 0): "off_screen",
    }.items():
        within = np.zeros(9, np.int64)
        assert face_reason(media, person, tracks, within, seen, rule) == reason


def test_other_columns_raise_the_version_of_the_stage_that_writes_them():
    columns = ";".join(f"{column.name}:{column.dtype}" for column in SCHEMA)
    digest = hashlib.sha256(columns.encode()).hexdigest()[:12]
    # Where this fails, raise the version in emodiss/stages.py: older tables lack the column.
    assert (BY_NAME["utterances"].version, digest) == (6, "07f8d1d2668e")
