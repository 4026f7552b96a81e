"""A short run of every fuzzer; the long one is a command, `python -m tests.fuzz --n 100000`."""

from __future__ import annotations

import pytest

from emodiss.errors import EmodissError
from tests.fuzz.__main__ import as_bytes, placed, tried
from tests.fuzz.readers import fuzzers

FUZZERS = fuzzers()


@pytest.mark.parametrize("name", FUZZERS)
def test_sound_inputs_are_read(name, tmp_path):
    fuzzer = FUZZERS[name]
    for seed in fuzzer.seeds:
        path = placed(fuzzer, tmp_path)
        path.write_bytes(as_bytes(seed))
        fuzzer.read(path)


@pytest.mark.parametrize("name", FUZZERS)
def test_any_other_input_gives_a_result_or_an_error_of_emodiss(name):
    tally = tried(name, FUZZERS[name], range(24), seed=20)
    assert tally.untyped == {}
    assert tally.returned, "only what is refused is tried"


def test_an_untyped_error_would_be_seen():
    fuzzer = FUZZERS["names"]

    def breaks(path):
        raise KeyError(path)

    broken = type(fuzzer)(fuzzer.file, fuzzer.seeds, breaks)
    assert tried("names", broken, range(3), seed=1).n_untyped == 3
    refuses = type(fuzzer)(fuzzer.file, fuzzer.seeds, lambda path: _refuse(), never=True)
    assert tried("names", refuses, range(3), seed=1).n_untyped == 3


def _refuse() -> None:
    raise EmodissError("no")
