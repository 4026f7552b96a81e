"""Failures and lengths of simulated sessions: just inside and just outside each rule."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from emodiss.encounters import Reply, failure_counts, failures, lengths, reply_lengths
from emodiss.encounters.lengths import counter
from emodiss.errors import SettingsError
from tests.mirror.people import PROFILES
from tests.mirror.sessions import encounter, failed

PROFILE = PROFILES[0]
assert PROFILE.distorted_thought == "I ruin everything that I touch"


def session(*more, therapist="ours", **fields):
    made = encounter(PROFILE, "none", therapist, "base", more=more)
    return replace(made, **fields)


def kinds(made):
    return [(row.line, row.failure) for row in failures([made]).itertuples()]


@pytest.mark.parametrize(
    ("therapist", "client", "expected"),
    [
        ("And then?", "Then I slept.", []),
        ("I see.\nClient: Yes, you do.", "Hm.", [(4, "role_label")]),
        ("I see. Nora: Yes, you do.", "Hm.", [(4, "role_label")]),
        ("I see. **Client:** Yes.", "Hm.", [(4, "role_label")]),
        ("As your client: who pays?", "Hm.", []),
        ("What a client wants: rest.", "Hm.", []),
        ("And then?", "Nothing. Counselor: I see.", [(5, "role_label")]),
        ("And then?", "My counselor: the best.", []),
        ("I ruin everything that I touch.", "Hm.", [(4, "role_thought")]),
        ("Well, i ruin everything, that I touch!", "Hm.", [(4, "role_thought")]),
        ('You said "I ruin everything that I touch".', "Hm.", []),
        ("You said “I ruin everything that I touch”.", "Hm.", []),
        ("Do you ruin everything that you touch?", "Hm.", []),
        ("And then?", "I ruin everything that I touch.", []),
        ("word " * 100, "Hm.", []),
        ("word " * 101, "Hm.", [(4, "too_long")]),
        ("And then?", "word " * 101, [(5, "too_long")]),
    ],
)
def test_lines_fail_by_rule(therapist, client, expected):
    assert kinds(session(therapist, client)) == expected


def test_a_reply_after_the_end_is_found_however_the_tag_is_kept():
    plain = session("Is that all?", "Yes. [/END]", "Good bye.", "Bye.")
    assert kinds(plain) == [(6, "after_end")]
    tagged = session("Is that all?", "Yes.", "Good bye.", "Bye.")
    lines = list(tagged.lines)
    lines[5] = replace(lines[5], directions=("/END",))
    assert kinds(replace(tagged, lines=tuple(lines))) == [(6, "after_end")]
    raw = Reply(5, "0", "Client: Yes. [/END]")
    assert kinds(replace(tagged, replies=(raw,))) == [(6, "after_end")]
    caption = Reply(5, "1", "She looks relieved.", None, ("caption",))
    assert kinds(replace(tagged, replies=(raw, caption))) == [(6, "after_end")]
    assert kinds(session("Is that THE END?", "The END is near", "So?", "No.")) == []
    assert kinds(session("Is that all?", "Yes. [/END]")) == []


def test_flags_of_replies_and_broken_sessions_are_counted():
    flagged = session(replies=(Reply(2, "0", "x", "length", ("truncated", "several_turns")),))
    assert kinds(flagged) == [(2, "truncated"), (2, "several_turns")]
    other = session(replies=(Reply(2, "0", "Client: x", "stop", ("other_role",)),))
    assert kinds(other) == [(2, "role_label")]
    broken = failed(PROFILE, "none", "ours", "base")
    table = failures([broken])
    assert table[["failure", "detail"]].to_numpy().tolist() == [["failed", "http_500"]]
    assert table["line"].isna().all()
    long = session("word " * 101, "word " * 101)
    other = session(therapist="other")
    counts = failure_counts([broken, flagged, long, other]).set_index(["model", "failure"])
    assert counts.loc[("ours", "too_long"), ["n", "n_sessions", "of"]].to_list() == [2, 1, 3]
    assert counts.loc[("ours", "failed"), "share"] == pytest.approx(1 / 3)
    assert counts.loc["other", "n"].sum() == 0
    assert failures([]).empty
    assert failure_counts([]).empty


def test_lengths_leave_the_opening_out():
    one = session("one two three", "x", "four five", "y")  # after "Tell me more. ... base"
    first = len(one.lines[2].words.split())
    two = session("six", "z", therapist="other")
    table = reply_lengths([one, two, failed(PROFILE, "none", "ours", "base")]).set_index("model")
    assert table.loc["ours", ["n_replies", "longest"]].to_list() == [3, first]
    assert table.loc["ours", "length"] == pytest.approx((first + 3 + 2) / 3)
    assert table["arm"].to_list() == ["vision", "vision"]
    found = lengths([one, session("seven " * 30, "x"), two]).set_index("model")
    assert found.loc["ours", "mean"] == pytest.approx((2 * first + 3 + 2 + 30) / 5)
    assert found.loc["ours", "max"] == pytest.approx((first + 30) / 2)
    assert found.loc["ours", "longest"] == 30
    assert set(found["tokenizer"]) == {"words"}


def test_a_session_without_a_reply_has_no_length():
    short = replace(session(), lines=session().lines[:2])
    assert np.isnan(reply_lengths([short])["length"]).all()
    assert np.isnan(lengths([short])["mean"]).all()


def test_tokenizers(tmp_path):
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import CharDelimiterSplit

    read = Tokenizer(WordLevel({"[UNK]": 0, "a": 1}, unk_token="[UNK]"))
    read.pre_tokenizer = CharDelimiterSplit("-")
    path = tmp_path / "tokenizer.json"
    read.save(str(path))
    assert counter(path)("a-b-c") == 3
    assert set(lengths([session()], path)["tokenizer"]) == {"tokenizer.json"}
    assert counter()("a-b c") == 3
    with pytest.raises(SettingsError, match="no tokenizer 'gibberish'"):
        counter("gibberish")
    path.write_text("{}")
    with pytest.raises(SettingsError, match=r"'tokenizer\.json' is no tokenizer"):
        counter(path)
