"""Records come back from their files as they went in, and the same record gives the same bytes."""

from __future__ import annotations

import io
import math
import tracemalloc
import wave
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

from emodiss.errors import MediaError, RunError
from emodiss.media import Audio
from emodiss.media.records import DecodedSignal
from emodiss.runs import codecs
from emodiss.transcript import Transcript, Utterance, Word


@dataclass(frozen=True, eq=False)
class Inner:
    name: str
    values: np.ndarray


@dataclass(frozen=True, eq=False)
class Outer:
    parts: tuple[Inner, ...]
    by_name: dict[str, float]
    maybe: int | None
    pair: tuple[int, str]


def round_trip(kind, value, folder):
    for name, content in codecs.encode(value).items():
        (folder / name).write_bytes(b"".join(content))
    return codecs.decode(kind, folder)


def test_a_tree_of_records_and_arrays_comes_back(tmp_path):
    value = Outer(
        parts=(Inner("a", np.arange(3)), Inner("b", np.zeros((0, 4), np.float32))),
        by_name={"x": math.nan, "y": 1.5},
        maybe=None,
        pair=(7, "seven"),
    )
    back = round_trip(Outer, value, tmp_path)
    assert [p.name for p in back.parts] == ["a", "b"]
    assert back.parts[0].values.tolist() == [0, 1, 2]
    assert back.parts[1].values.shape == (0, 4) and back.parts[1].values.dtype == np.float32
    assert math.isnan(back.by_name["x"]) and back.by_name["y"] == 1.5
    assert back.maybe is None and back.pair == (7, "seven")


words = st.builds(Word, st.text(max_size=5), st.floats(0, 9), st.just(math.nan), st.none())


utterances = st.builds(
    Utterance,
    st.floats(0, 9),
    st.floats(10, 20),
    st.text(max_size=5),
    st.text(),
    st.lists(words, max_size=3).map(tuple),
)


@given(st.lists(utterances, max_size=4))
def test_transcripts_come_back_whatever_was_said(tmp_path_factory, said):
    value = Transcript(tuple(said), "given:stm")
    back = round_trip(Transcript, value, tmp_path_factory.mktemp("t"))
    assert codecs.encode(back) == codecs.encode(value)


def test_the_same_value_gives_the_same_bytes(tmp_path):
    value = Inner("a", np.random.default_rng(0).normal(size=1000))
    assert codecs.encode(value) == codecs.encode(replace(value))
    table = pd.DataFrame({"a": [1.0, math.nan], "b": ["x", None]})
    assert codecs.encode(table) == codecs.encode(table.copy())


def test_sound_comes_back_sample_by_sample(tmp_path):
    value = Audio(np.array([-32768, 0, 32767], np.int16), 16_000, 1.5)
    back = round_trip(Audio, value, tmp_path)
    assert np.asarray(back.signal).tolist() == [-32768, 0, 32767]
    assert np.array_equal(back.as_float(), value.as_float())
    assert (back.sample_rate, back.offset) == (16_000, 1.5)


def test_stored_sound_is_read_a_slice_at_a_time(tmp_path):
    signal = np.arange(-500, 500, dtype=np.int16)
    back = round_trip(Audio, Audio(signal, 16_000, 0.0), tmp_path)
    assert len(back.signal) == 1000
    for part in (np.s_[:], np.s_[3:7], np.s_[990:2000], np.s_[2000:], np.s_[7:3], np.s_[-5:]):
        np.testing.assert_array_equal(back.signal[part], signal[part])
        assert back.signal[part].dtype == np.int16
    np.testing.assert_array_equal(back.cut(0.01, 0.02), signal[160:320] / 32768)


@pytest.mark.parametrize("n", [0, 3])
def test_sound_is_stored_as_the_wave_module_of_python_stores_it(n):
    signal = np.arange(n, dtype=np.int16)
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(signal.tobytes())
    stored = codecs.encode(Audio(signal, 16_000, 0.0))["data.wav"]
    assert b"".join(stored) == buffer.getvalue()


def test_sound_is_stored_without_a_copy_of_it():
    value = Audio(np.zeros(1_000_000, np.int16), 16_000, 0.0)
    tracemalloc.start()
    try:
        files = codecs.encode(value)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sum(map(len, files["data.wav"])) == 44 + value.signal.nbytes
    assert peak < value.signal.nbytes / 10


def test_streamed_sound_is_stored_as_it_is_decoded_and_never_held():
    pieces = [np.full(50_000, k, "<i2").tobytes() for k in range(20)]
    whole = np.repeat(np.arange(20, dtype=np.int16), 50_000)
    streamed = DecodedSignal(len(whole), lambda: iter(pieces))
    assert np.array_equal(streamed, whole)
    stored = codecs.encode(Audio(streamed, 16_000, 0.0))["data.wav"]
    assert b"".join(stored) == b"".join(codecs.encode(Audio(whole, 16_000, 0.0))["data.wav"])
    tracemalloc.start()
    try:
        assert sum(map(len, stored)) == 44 + whole.nbytes
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < whole.nbytes / 10


@pytest.mark.parametrize("n_pieces", [1, 3])
def test_a_file_that_changes_while_it_is_decoded_is_told(n_pieces):
    streamed = DecodedSignal(2_000, lambda: iter([bytes(2_000)] * n_pieces))
    with pytest.raises(MediaError, match="more or less sound"):
        list(codecs.encode(Audio(streamed, 16_000, 0.0))["data.wav"])


def test_a_record_of_another_version_is_refused(tmp_path):
    (tmp_path / "data.json").write_text('{"name": "a"}')
    with pytest.raises(RunError, match="does not fit the record Inner"):
        codecs.decode(Inner, tmp_path)


def test_infinity_is_no_measurement():
    with pytest.raises(RunError, match="inf"):
        codecs.encode({"x": math.inf})


def test_sound_that_is_shorter_than_its_head_says_is_refused_when_it_is_opened(tmp_path):
    for name, content in codecs.encode(Audio(np.arange(9, dtype=np.int16), 16_000, 0.0)).items():
        (tmp_path / name).write_bytes(b"".join(content))
    whole = (tmp_path / "data.wav").read_bytes()
    assert len(codecs.decode(Audio, tmp_path).signal) == 9
    (tmp_path / "data.wav").write_bytes(whole[:-4])
    with pytest.raises(ValueError):
        codecs.decode(Audio, tmp_path)
