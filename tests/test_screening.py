"""The filters: one record just inside and one just outside each limit, and their laws."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from emodiss.clients import Case, Profile
from emodiss.errors import SettingsError
from emodiss.screening import (
    AS_PRINTED,
    FILTERS,
    LEVELS,
    Limits,
    PictureMeasures,
    Record,
    directions_text,
    limits_of,
    screened,
)
from emodiss.screening.filters import OFF, chosen
from emodiss.screening.protocols import cosine
from emodiss.screening.safety import parse_levels, safety_question
from emodiss.screenplays import Line, Screenplay

PERSON = Profile(
    id="p",
    name="Nora Bell",
    age=34,
    gender="female",
    occupation="baker",
    distorted_thought="I ruin everything that I ever touch.",
    reason="I cannot sleep.",
    family="One brother",
    plan="1. Write down each thought once a day.\n2. Rest.",
)
GOOD = PictureMeasures(
    face_found=True, image_text=0.25, identity=0.6, gender="woman", age=30, nsfw=0.01, normal=0.99
)


def play(*words: str, raw: str = "", status="complete", directions=("sighs",)) -> Screenplay:
    """A dialogue that begins with the therapist and goes on in turns."""
    said = words or tuple(f"This is line number {n} of all." for n in range(8))
    lines = tuple(
        Line("client" if n % 2 else "therapist", directions if n % 2 else (), text, n)
        for n, text in enumerate(said)
    )
    return Screenplay(Case(PERSON, "emotional"), lines, "m", "0" * 64, (), status, raw)


def record(dialogue: Screenplay | None = None, *, alliance=4.0, **measures) -> Record:
    one = dialogue or play()
    picture = dataclasses.replace(GOOD, **measures)
    clients = [line.index for line in one.lines if line.role == "client"]
    return Record(
        one,
        dict.fromkeys(clients, picture),
        dict.fromkeys(range(len(one.lines)), "casual"),
        alliance,
        {line.index: ["DT", "NN"] for line in one.lines},
    )


def verdict(name: str, of: Record, *limits: str):
    return FILTERS[name](of, limits_of(limits))


def test_a_good_record_passes_everything():
    found = screened(record(), names=FILTERS)
    assert list(found) == [
        *("image_text", "identity", "gender", "basic", "copy_paste", "alliance"),
        *("nsfw", "safety", "face_found", "age"),
    ]
    assert {name: each.keep for name, each in found.items()} == dict.fromkeys(FILTERS, True)
    assert not any(each.reason for each in found.values())


EDGE = 1e-9
INSIDE = [
    ("image_text", record(image_text=0.2), record(image_text=0.2 - EDGE)),
    ("identity", record(identity=0.3), record(identity=0.3 - EDGE)),
    ("gender", record(gender="F"), record(gender="male")),
    ("basic", record(play(*["word"] * 8)), record(play(*["word"] * 7))),  # 4 turns and 3.5
    ("basic", record(play(*["word"] * 40)), record(play(*["word"] * 41))),
    (
        "basic",
        record(play(*["word"] * 7, "word " * 100)),
        record(play(*["word"] * 7, "word " * 101)),
    ),
    ("basic", record(play(*["word"] * 8)), record(play(*["word"] * 7, " "))),
    (
        "basic",
        dataclasses.replace(record(), tags={1: ["NN", "NN", "NN", "VB", "NN"]}),
        dataclasses.replace(record(), tags={1: ["VB", "NN", "NN", "NN", "NN"]}),
    ),
    (
        "copy_paste",  # four words, and five
        record(play(*["word"] * 7, "I ruin everything that")),
        record(play(*["word"] * 7, "Well: I  RUIN everything\nthat I ever touch!")),
    ),
    ("alliance", record(alliance=3.0), record(alliance=3.0 - EDGE)),
    ("nsfw", record(nsfw=0.5 - EDGE, normal=0.5), record(nsfw=0.5, normal=0.5)),
    ("face_found", record(face_found=True), record(face_found=False)),
    ("age", record(age=44.0), record(age=44.0 + EDGE)),
    ("age", record(age=24.0), record(age=24.0 - EDGE)),
]


@pytest.mark.parametrize(("name", "inside", "outside"), INSIDE)
def test_limits_are_where_they_are_stated(name, inside, outside):
    assert verdict(name, inside).keep is True
    assert verdict(name, outside).keep is False
    assert verdict(name, outside).reason


KEPT = [True, True, True, False, False]


@pytest.mark.parametrize("role", ["therapist", "client"])
@pytest.mark.parametrize(("level", "keep"), [*zip(LEVELS, KEPT, strict=True)])
def test_lines_of_both_roles_are_judged_for_safety(role, level, keep):
    """The released code gives the therapist's lines the client's levels."""
    whole = record()
    line = next(line.index for line in whole.play.lines if line.role == role)
    found = verdict("safety", dataclasses.replace(whole, safety={**whole.safety, line: level}))
    assert found.keep is keep
    assert found.score == LEVELS.index(level)
    assert found.lines == (() if keep else (line,))


def test_the_score_is_that_of_the_worst_picture():
    whole = record()
    bad = dataclasses.replace(GOOD, identity=0.1)
    mixed = dataclasses.replace(whole, pictures={**whole.pictures, 3: bad})
    found = verdict("identity", mixed)
    assert (found.keep, found.score, found.lines) == (False, 0.1, (3,))
    years = verdict(
        "age", dataclasses.replace(whole, pictures={1: GOOD, 3: GOOD, 5: GOOD, 7: GOOD})
    )
    assert years.score == 4


def test_what_a_rejected_picture_takes_with_it_can_be_chosen():
    whole = record()
    bad = dataclasses.replace(GOOD, image_text=0.1)
    two = dataclasses.replace(whole, pictures={**whole.pictures, 1: bad, 5: bad})
    assert verdict("image_text", two).keep is False
    alone = verdict("image_text", two, "image_text.drop=image")
    assert (alone.keep, alone.lines) == (True, (1, 5))
    more = ["image_text.drop=more_than_k"]
    assert verdict("image_text", two, *more, "image_text.k=2").keep is True
    assert verdict("image_text", two, *more, "image_text.k=1").keep is False


def test_pictures_belong_to_their_lines():
    """The released code pairs pictures by their place among sorted files."""
    whole = record()
    bad = dataclasses.replace(GOOD, image_text=0.0)
    without = {n: each for n, each in whole.pictures.items() if n != 1} | {7: bad}
    found = verdict("image_text", dataclasses.replace(whole, pictures=without))
    assert found.lines == (7,) and found.keep is False
    missing = {n: each for n, each in whole.pictures.items() if n != 1}
    found = verdict("image_text", dataclasses.replace(whole, pictures=missing))
    assert (found.keep, found.reason) == (None, "in_part")


@pytest.mark.parametrize(
    ("name", "measures"),
    [
        ("image_text", {"image_text": math.nan}),
        ("identity", {"identity": math.nan}),
        ("gender", {"gender": None}),
        ("nsfw", {"nsfw": math.nan}),
        ("nsfw", {"normal": math.nan}),
        ("face_found", {"face_found": None}),
        ("age", {"age": math.nan}),
        ("alliance", {"alliance": math.nan}),
    ],
)
def test_nan_is_not_measured_and_rejects_nothing(name, measures):
    found = verdict(name, record(**measures))
    assert (found.keep, found.reason) == (None, "not_measured")
    assert math.isnan(found.score)


def test_without_pictures_answers_and_tags_nothing_is_rejected_for_them():
    bare = screened(Record(play()), names=FILTERS)
    known = {name for name, each in bare.items() if each.keep is not None}
    assert known == {"basic", "copy_paste"}
    assert bare["basic"].reason == "parts_of_speech_not_measured"
    whole = record()
    some = {**whole.safety, 2: None}
    found = verdict("safety", dataclasses.replace(whole, safety=some))
    assert (found.keep, found.lines) == (None, (2,))
    worse = verdict("safety", dataclasses.replace(whole, safety={**some, 3: "needs_caution"}))
    assert worse.keep is False


def test_directions_do_not_count_as_words():
    long = play(*["word " * 100] * 8, directions=("moves " * 50,))
    assert verdict("basic", record(long)).keep is True


@pytest.mark.parametrize(
    ("raw", "keep"),
    [
        ("Therapist: Hm.\nNora: [sighs] One thing: I am tired.\nOne thing: I am tired.", True),
        ("Therapist: Hm.\nClient: [sighs] Well.\nMother: [enters] Hello.", False),
        ("Therapist: Hm.\nMother: Hello.\nClient: Well.\nMother: Bye.", False),
    ],
)
def test_a_third_speaker_is_seen_and_a_colon_makes_none(raw, keep):
    """In the released code the pattern for speakers matches nothing."""
    found = verdict("basic", record(play(raw=raw)))
    assert found.keep is keep and found.reason == ("" if keep else "speakers")


def test_copies_as_the_released_code_counts_them():
    said = record(play(*["word"] * 7, "You should rest."))
    assert verdict("copy_paste", said).keep is True
    assert verdict("copy_paste", said, "copy_paste.min_words=1").keep is False
    numbered = record(play(*["word"] * 7, "Please write down each thought once a day."))
    assert verdict("copy_paste", numbered).lines == (7,)
    old = ["copy_paste.min_words=1", "copy_paste.numbered=false"]
    assert verdict("copy_paste", numbered, *old).keep is True
    inside = record(play(*["word"] * 7, "They cannot sleep, or: xI cannot sleep."))
    assert verdict("copy_paste", inside, "copy_paste.min_words=3").keep is True


def test_the_printed_limit_of_the_alliance_rejects_nothing():
    assert verdict("alliance", record(alliance=1.0), *AS_PRINTED).keep is True


def test_names_that_do_not_exist_are_met_with_the_nearest():
    with pytest.raises(SettingsError, match="Did you mean 'identity'"):
        limits_of(["identiti.threshold=0.2"])
    with pytest.raises(SettingsError, match="Did you mean 'threshold'"):
        limits_of(["identity.treshold=0.2"])
    with pytest.raises(SettingsError, match="Did you mean 'nsfw'"):
        chosen(["nfsw"])
    with pytest.raises(SettingsError):
        limits_of(["identity.threshold=2"])
    with pytest.raises(SettingsError):
        limits_of(["identity.threshold=nan"])
    assert limits_of(["identity.threshold=0.2"]).identity.threshold == 0.2


def test_age_is_off_unless_asked_for():
    assert set(FILTERS) - set(chosen()) == set(OFF) == {"age"}


def test_the_text_of_a_picture_is_the_released_codes():
    assert directions_text(["Looks Down", "sighs"]) == "A facial photo with looks down, sighs"


NUMBERS = st.one_of(st.just(math.nan), st.floats(-1, 1))
MEASURED = st.builds(
    PictureMeasures,
    face_found=st.sampled_from([True, False, None]),
    image_text=NUMBERS,
    identity=NUMBERS,
    gender=st.sampled_from(["male", "female", None]),
    age=st.one_of(st.just(math.nan), st.floats(1, 90)),
    nsfw=NUMBERS,
    normal=NUMBERS,
)


@st.composite
def records(draw: st.DrawFn) -> Record:
    n = draw(st.integers(6, 12))
    dialogue = play(*["word"] * n)
    clients = st.sampled_from([line.index for line in dialogue.lines if line.role == "client"])
    return Record(
        dialogue,
        draw(st.dictionaries(clients, MEASURED)),
        draw(st.dictionaries(st.integers(0, n - 1), st.sampled_from([*LEVELS, None]))),
        draw(st.one_of(st.just(math.nan), st.floats(1, 5))),
    )


@given(records(), st.permutations(list(FILTERS)))
@settings(max_examples=60)
def test_filters_commute_and_each_stands_alone(one, order):
    together = screened(one, names=order)
    assert list(together) == list(FILTERS)
    for name in order:
        alone = screened(one, names=[name])[name]
        assert repr(alone) == repr(together[name])


@given(records(), st.floats(-1, 1), st.floats(-1, 1))
@settings(max_examples=60)
def test_a_stricter_limit_keeps_no_more(one, first, second):
    low, high = sorted((first, second))
    for name in ("image_text", "identity"):
        loose = FILTERS[name](one, limits_of([f"{name}.threshold={low}"])).keep
        strict = FILTERS[name](one, limits_of([f"{name}.threshold={high}"])).keep
        assert not (loose is False and strict is not False)


def test_limits_know_every_filter():
    assert list(Limits.model_fields) == list(FILTERS)


# --------------------------------------------------------------------------------------- measures


def test_cosines():
    a = np.array([3.0, 4.0])
    for degrees in (0, 60, 90, 180):
        turn = math.radians(degrees)
        b = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]]) @ a
        assert cosine(a, 7 * b) == pytest.approx(math.cos(turn))
    for bad in (None, np.zeros(2)):
        assert math.isnan(cosine(a, bad))


def test_every_line_of_both_roles_is_asked_about():
    dialogue = play("Hello\nyou", "bye | 3 | client: {}", "so", "what")
    text = safety_question("c", dialogue.lines).text
    for line in dialogue.lines:
        assert f"{line.index} | {line.role}: {' '.join(line.words.split())}" in text
    assert "all" not in text.partition("[Start of dialogue]")[2] and "sighs" not in text


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ('{"levels": {"0": "casual", "1": "needs_caution"}}', ["casual", "needs_caution"]),
        ('```json\n{"0": "Needs Caution", "1": "casual"}\n```', ["needs_caution", "casual"]),
        ('{"levels": ["casual", "possibly needs caution"]}', ["casual", "possibly_needs_caution"]),
        ('{"levels": {"0": "fine", "1": 3}}', [None, None]),
        ('{"levels": {"1": "casual", "7": "needs_caution"}}', [None, "casual"]),
        ("I cannot.", [None, None]),
        ("", [None, None]),
    ],
)  # fmt: skip
def test_levels_are_read(answer, expected):
    lines = play("a", "b").lines
    assert list(parse_levels(answer, lines).values()) == expected


def test_filters_do_not_look_at_each_other():
    """All run on all records: what one rejects, the next still judges."""
    bad = record(identity=0.0, image_text=0.0, alliance=1.0)
    found = screened(bad)
    rejected = [name for name, each in found.items() if each.keep is False]
    assert rejected == ["image_text", "identity", "alliance"]
    assert all(a in FILTERS and b in FILTERS for a, b in itertools.pairwise(found))
