"""No regular expression of the package takes the square of what it is given, or more."""

from __future__ import annotations

import re

import pytest

from tests.fuzz.patterns import Use, slow, slow_uses


def test_no_pattern_backtracks_for_long(tmp_path):
    found = {f"{use.place}: {use.how} of {hit[2]}" for use, hit in slow_uses(tmp_path, 4000)}
    assert found == set()


@pytest.mark.parametrize(
    ("pattern", "how"),
    [
        (r"\s+x", "search"),
        (r"[a-z_]*_*:", "match"),
        (r"<[^>]*>", "finditer"),
        (r"(?:a+)+b", "match"),
        (r"[.!?]+$", "search"),
    ],
)
def test_a_pattern_that_does_is_seen(pattern, how):
    assert slow(Use("here", re.compile(pattern), how), 4000)
    assert not slow(Use("here", re.compile(r"\d{1,9}:\d"), how), 4000)
