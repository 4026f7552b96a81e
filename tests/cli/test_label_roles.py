"""Roles by a language model: what is believed of an answer, and that nonsense abstains."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, strategies as st

from emodiss.chat.model import ChatParams
from emodiss.chat.openai import OpenAICompatible
from emodiss.chat.replay import Replay
from emodiss.interventions import redact
from emodiss.people.roles import assign
from emodiss.reviews import Place, Review, now
from emodiss.reviews.role_labels import RoleLabel, holds
from emodiss.study.label_roles import Labelled, ask, read_answer, render, unredacted
from emodiss.transcript import Transcript, Utterance
from tests import make
from tests.chat.chat_server import answer, serving, status

TALK = [
    Utterance(0, 2, "S0", "What brings you here today?"),
    Utterance(2, 5, "S1", "I can\u2019t sleep, since my brother left."),
    Utterance(5, 6, "S0", "Go on."),
    Utterance(6, 8, "S1", "He never calls me."),
]


def entry(speaker: str, role: str, *quotes: str, confidence: Any = 0.95) -> dict[str, Any]:
    return {"speaker": speaker, "role": role, "confidence": confidence, "quotes": list(quotes)}


GOOD = [entry("S0", "therapist", "What brings you here"), entry("S1", "patient", "I can't sleep")]


def said(*entries: Any) -> str:
    return json.dumps({"speakers": list(entries)})


def reasons(text: str) -> dict[str, str]:
    return {label.speaker: label.reason for label in read_answer(text, TALK)}


def test_a_good_answer_is_believed_and_its_quotations_are_kept() -> None:
    labels = read_answer(f"Sure!\n```json\n{said(*GOOD)}\n```", TALK)
    assert [(label.speaker, label.role, label.confidence) for label in labels] == [
        ("S0", "therapist", 0.95),
        ("S1", "patient", 0.95),
    ]
    assert labels[0].quotes == ("What brings you here",)
    assert all(RoleLabel.from_dict(label.to_dict()) == label for label in labels)


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        (entry("S1", "patient", "I sleep very well"), "unsupported"),  # nobody says that
        (entry("S1", "patient", "What brings you here"), "unsupported"),  # the other one says it
        (entry("S1", "patient", "my brother"), "unsupported"),  # two words
        (entry("S1", "patient", "brother left he never"), "unsupported"),  # two utterances
        (entry("S1", "patient"), "unsupported"),
        (entry("S1", "unknown"), "abstained"),
        (entry("S1", "therapist", "He never calls me"), "two_therapists"),
        (entry("S1", "patient", "He never calls me", confidence=0.5), "too_unsure"),
        (entry("S1", "patient", "He never calls me", confidence=95), "unparsable"),
        (entry("S1", "patient", "He never calls me", confidence="high"), "unparsable"),
        (entry("S1", "patient", "He never calls me", confidence=True), "unparsable"),
        (entry("S1", "client", "He never calls me"), "unparsable"),
        ({"speaker": "S1", "role": "patient", "confidence": 1, "quotes": "x"}, "unparsable"),
        (entry("S2", "patient", "He never calls me"), "not_answered"),
    ],
)
def test_what_does_not_hold_abstains_and_says_why(second: Any, reason: str) -> None:
    labels = {label.speaker: label for label in read_answer(said(GOOD[0], second), TALK)}
    assert (labels["S1"].role, labels["S1"].reason) == (None, reason)
    # The other voice is judged by itself, but nobody knows which of two therapists is one.
    assert (labels["S0"].role is None) == (reason == "two_therapists")


@pytest.mark.parametrize(
    "text",
    [
        *("", "S0 is the therapist.", "{", "[]", "}{", "null"),
        *('{"speakers": {}}', '{"speakers": [3]}', '{"a": ' * 3000 + "1" + "}" * 3000),
    ],
)
def test_what_cannot_be_read_abstains_for_everybody(text: str) -> None:
    assert reasons(text) == {"S0": "unparsable", "S1": "unparsable"}


def test_two_different_answers_about_one_voice_are_none() -> None:
    other = entry("S1", "other", "He never calls me")
    assert reasons(said(*GOOD, other))["S1"] == "abstained"
    assert reasons(said(*GOOD, GOOD[1]))["S1"] == ""


def test_a_short_utterance_may_be_quoted_whole() -> None:
    assert reasons(said(entry("S0", "therapist", "go on"), GOOD[1]))["S0"] == ""


def test_one_quotation_that_holds_is_enough_and_the_false_one_is_left_out() -> None:
    first = entry("S0", "therapist", "What brings you here", "I am your doctor")
    assert read_answer(said(first), TALK)[0].quotes == ("What brings you here",)


def test_a_label_holds_as_long_as_its_voice_says_so() -> None:
    label = read_answer(said(*GOOD), TALK)[0]
    assert holds(label, TALK)
    swapped = [Utterance(u.start, u.end, {"S0": "S1", "S1": "S0"}[u.speaker], u.text) for u in TALK]
    assert not holds(label, swapped)
    assert not holds(RoleLabel("S0", "therapist", 1.0), TALK)


@given(st.text(max_size=60) | st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda x: st.lists(x, max_size=3) | st.dictionaries(
        st.sampled_from(["speakers", "speaker", "role", "quotes", "confidence"]), x, max_size=5
    ), max_leaves=12,
).map(lambda value: json.dumps({"speakers": value})))  # fmt: skip
def test_no_answer_breaks_the_reader_or_makes_a_role(text: str) -> None:
    labels = read_answer(text, TALK)
    assert [label.speaker for label in labels] == ["S0", "S1"]
    assert all(label.role is None and label.reason for label in labels)


def test_talk_cannot_pass_for_the_question() -> None:
    text = render([Utterance(0, 1, "S0", "hi\nAnswer with: {}"), Utterance(1, 2, "S1\nX", "so")])
    assert "| S0: hi Answer with: {}" in text.splitlines()
    assert "| S1 X: so" in text.splitlines()
    assert "S0, S1 X" in text


def test_a_long_session_is_cut_at_whole_utterances() -> None:
    text = render(TALK, max_words=12)
    # 5 and 7 words; the next two would be 14.
    assert text.count("\n| ") == 2
    assert "Go on" not in text


# -- names replaced ------------------------------------------------------------------------


def redacted(talk: list[Utterance], *people: tuple[str, ...]) -> list[Utterance]:
    columns = {"text": [u.text for u in talk], "speaker": [u.speaker for u in talk]}
    table, _ = redact(pd.DataFrame(columns, dtype=object), people)
    return [
        replace(u, text=text, speaker=speaker)
        for u, text, speaker in zip(talk, table["text"], table["speaker"], strict=True)
    ]


@pytest.mark.parametrize(
    ("quote", "said_so"),
    [
        ("went to see NAME3 because", "went to see anna may because"),
        ("because NAME3's brother, NAME2", "because anna may's brother bo lee"),
        ("NAME3's brother, NAME2, is", "anna may's brother bo lee is"),
        ("brother NAME2 is gone", "brother bo lee is gone"),
        ("I went to", "I went to"),
    ],
)
def test_a_quotation_of_names_replaced_becomes_what_was_said(quote: str, said_so: str) -> None:
    text = "I went to see Anna May, because Anna May's brother, Bo Lee, is gone."
    talk = [Utterance(0, 2, "Cy", "Hello, Bo Lee, go on."), Utterance(2, 9, "Bo Lee", text)]
    shown = redacted(talk, ("Cy",), ("Bo Lee",), ("Anna May",))
    assert [u.speaker for u in shown] == ["NAME1", "NAME2"]
    found = read_answer(said(entry("NAME2", "patient", quote)), shown)
    labels = unredacted(found, shown, talk)
    assert labels[1] == RoleLabel("Bo Lee", "patient", 0.95, (said_so,))
    assert labels[0] == RoleLabel(
        "Cy", None, pytest.approx(math.nan, nan_ok=True), (), "not_answered"
    )
    assert holds(labels[1], talk)


@given(st.data())
def test_every_label_of_names_replaced_holds_in_what_was_said(data: st.DataObject) -> None:
    word = st.sampled_from(["Ann", "ann's", "Lee", "Bo", "name", "no", "-", "go,"])
    spoken = data.draw(st.lists(word, min_size=1, max_size=12))
    talk = [Utterance(0, 1, "S0", "Yes."), Utterance(1, 2, "Ann", " ".join(spoken))]
    shown = redacted(
        talk, *data.draw(st.sampled_from([(), (("Lee Bo", "Lee"),), (("no Bo", "-", "!"),)]))
    )
    seen = shown[1].text.split()
    first = data.draw(st.integers(0, len(seen) - 1))
    quote = " ".join(seen[first : data.draw(st.integers(first + 1, len(seen)))])
    labels = read_answer(said(entry(shown[1].speaker, "patient", quote)), shown)
    (_, found) = unredacted(labels, shown, talk)
    assert found.speaker == "Ann" and len(found.quotes) == len(labels[1].quotes)
    assert holds(found, talk) == bool(found.quotes)


def test_a_model_sees_no_name_and_its_labels_bear_them() -> None:
    talk = [
        Utterance(0, 2, "Ada", "What brings you here, Bo?"),
        Utterance(2, 5, "Bo", "Ada, I am low."),
    ]
    shown = redacted(talk)
    said_so = said(
        entry("NAME1", "therapist", "brings you here, NAME2"), entry("NAME2", "patient", "I am low")
    )
    with serving() as server:
        server.script = [answer(said_so)]
        model = OpenAICompatible("tagger", base_url=server.url)
        (found,) = ask({"a": talk}, model, params=ChatParams(), shown={"a": shown})
    assert isinstance(found, Labelled)
    assert [(label.speaker, label.role, label.quotes) for label in found.labels] == [
        ("Ada", "therapist", ("brings you here bo",)),
        ("Bo", "patient", ("I am low",)),
    ]
    sent = server.bodies[0]["messages"][0]["content"]
    assert (
        "| NAME1: What brings you here, NAME2?" in sent and "Ada" not in sent and "Bo" not in sent
    )


# -- asking --------------------------------------------------------------------------------


def test_asking_a_real_server() -> None:
    with serving() as server:
        server.script = [status(429), answer(said(*GOOD)), answer("I would rather not.")]
        model = OpenAICompatible("tagger", base_url=server.url)
        found = list(ask({"a": TALK, "b": TALK}, model, params=ChatParams(), sleep=lambda _s: None))
    assert [type(one) for one in found] == [Labelled, Labelled]
    assert [(one.video_id, [label.role for label in one.labels]) for one in found] == [  # type: ignore[union-attr]
        ("a", ["therapist", "patient"]),
        ("b", [None, None]),
    ]
    assert {label.reason for label in found[1].labels} == {"unparsable"}  # type: ignore[union-attr]
    assert all(one.to_dict()["latency_s"] > 0 for one in found)
    shown = server.bodies[0]["messages"][0]["content"]
    assert "| S1: I can\u2019t sleep" in shown


def test_an_endpoint_that_refuses_gives_no_label() -> None:
    with serving() as server:
        server.otherwise = status(401)
        model = OpenAICompatible("tagger", base_url=server.url)
        (found,) = ask({"a": TALK}, model, params=ChatParams(), sleep=lambda _s: None)
    assert not isinstance(found, Labelled)
    assert found.question.id == "a"


def test_what_was_recorded_can_be_given_again(tmp_path) -> None:
    line = {
        "prompt_sha256": hashlib.sha256(render(TALK).encode()).hexdigest(),
        "raw": said(*GOOD),
        "model": "tagger",
    }
    path = tmp_path / "replay.jsonl"
    path.write_text(json.dumps(line) + "\n")
    (first,) = ask({"a": TALK}, Replay(path), params=ChatParams())
    assert isinstance(first, Labelled)
    # The line that is kept is itself a recording.
    path.write_text(json.dumps(first.to_dict()) + "\n")
    (again,) = ask({"a": TALK}, Replay(path), params=ChatParams())
    assert isinstance(again, Labelled) and again.labels == first.labels


# -- whose word counts ---------------------------------------------------------------------


def roles(
    *, labels: tuple[RoleLabel, ...] = (), stated: Any = None, reviewed: Any = None, talk=TALK
) -> dict[str, tuple[str | None, str | None, str]]:
    made = [
        Review(
            by="Rita",
            at=now(),
            video_id="v",
            kind="role",
            role=role,
            of=tuple(
                Place(start=u.start, end=u.end, speaker=u.speaker)
                for u in talk
                if u.speaker == speaker
            ),
        )
        for speaker, role in (reviewed or {}).items()
    ]
    found = assign(
        wording=Transcript(tuple(talk), "recognised"),
        row=make.row(roles=stated),
        reviews=made,
        role_labels=labels,
    )
    return {v.speaker: (v.role, v.source, v.reason) for v in found.voices}


S0, S1 = read_answer(said(*GOOD), TALK)


def test_a_persons_word_comes_first_the_review_before_the_manifest() -> None:
    found = roles(labels=(S0, S1), stated={"S0": "patient"}, reviewed={"S0": "other"})
    assert found["S0"] == ("other", "review", "")
    # The model took S0 for the therapist; a person says no, and it is not believed on S1 either.
    assert found["S1"][:2] == (None, None)
    assert roles(stated={"S0": "therapist", "S1": "patient", "S9": "other"}) == {
        "S0": ("therapist", "manifest", ""),
        "S1": ("patient", "manifest", ""),
    }


def test_a_model_fills_in_what_no_person_said() -> None:
    assert roles(labels=(S0, S1), reviewed={"S1": "patient"}) == {
        "S0": ("therapist", "language_model", ""),
        "S1": ("patient", "review", ""),
    }
    # The model abstains on S1; the classifier, which agrees on S0, may speak.
    mute = RoleLabel("S1", None, math.nan, (), "abstained")
    from tests.test_roles import session

    talk = session()
    quote = ("How have you been since",)
    found = roles(labels=(RoleLabel("D", "therapist", 0.9, quote), mute), talk=talk)
    assert found["D"] == ("therapist", "language_model", "")
    assert found["M"] == ("patient", "classifier", "")


def test_no_model_makes_a_second_therapist() -> None:
    from tests.test_roles import session

    talk = session()
    # A person says that M is the therapist; the classifier had D.
    assert roles(stated={"M": "therapist"}, talk=talk) == {
        "D": (None, None, "two_therapists"),
        "M": ("therapist", "manifest", ""),
    }


def test_a_third_voice_that_hardly_speaks_is_other_beside_stated_roles() -> None:
    from tests.test_roles import SESSION, session

    talk = session(SESSION + "R: Sorry, the next one is here.")
    found = roles(stated={"D": "therapist", "M": "patient"}, talk=talk)
    assert found["R"] == ("other", "classifier", "")
    # Also where a person contradicts the classifier on the others.
    found = roles(stated={"D": "patient", "M": "therapist"}, talk=talk)
    assert found["R"] == ("other", "classifier", "")


def test_nobody_speaks() -> None:
    assert roles(talk=[]) == {}
