"""Profiles, types of resistance, the split, and faces."""

from __future__ import annotations

import csv
import dataclasses
import json
import random
from collections import Counter

import pytest
from hypothesis import given, settings, strategies as st

from emodiss.clients import (
    RESISTANCES,
    RESISTANT,
    TRAITS,
    Case,
    ClientError,
    Face,
    Profile,
    make_cases,
    pair,
    read_cactus,
    read_faces,
    read_profiles,
    resistance,
)
from tests.mirror.people import PROFILES, cactus_record


def written(path, records):
    path.write_text("\n".join(json.dumps(record) for record in records), encoding="utf-8")
    return path


def test_the_introduction_is_the_sentence_of_the_papers_sample():
    olivia = Profile(
        id="o",
        name="Olivia Quinn",
        age=25,
        gender="female",
        occupation="Marketing Specialist",
        education="Master's Degree in Business Administration",
        marital_status="In a relationship",
        family="Only one set of twins in the family",
        distorted_thought="t",
        reason="r",
    )
    assert olivia.introduction() == (
        "Olivia Quinn is a 25-year-old female working as a Marketing Specialist. With a background "
        "in Master's Degree in Business Administration. Olivia Quinn is currently In a "
        "relationship. Only one set of twins in the family."
    )
    assert "an 80-year-old female." in PROFILES[6].introduction()  # no occupation, no gap
    assert "an 18-year-old" in PROFILES[1].introduction()


@pytest.mark.parametrize("profile", PROFILES, ids=lambda p: p.id)
@pytest.mark.parametrize("kind", RESISTANCES)
def test_cases_survive_json(profile, kind):
    case = Case(profile, kind, "training")
    assert Case.from_dict(json.loads(json.dumps(case.to_dict()))) == case
    assert case.id == f"{profile.id}-{kind}"


def test_each_type_is_described_and_none_is_no_word():
    assert set(TRAITS) == set(RESISTANCES) == {*RESISTANT, "none"}
    assert all(trait and "None" not in trait for trait in TRAITS.values())
    with pytest.raises(ClientError, match=r"'emotinal'.*emotional"):
        resistance("emotinal")


def test_cactus_records_are_read_and_clients_of_several_dialogues_count_once(tmp_path):
    records = [cactus_record(profile) for profile in PROFILES]
    records += [cactus_record(PROFILES[0], attitude="negative", cbt_plan="another")]
    found = read_cactus(written(tmp_path / "cactus.jsonl", records))
    assert found.n_repeated == 1
    assert found.left_out == ()
    anonymous = [dataclasses.replace(p, id="") for p in found.profiles]
    assert anonymous == [dataclasses.replace(p, id="") for p in PROFILES]
    again = tmp_path / "cactus.json"
    again.write_text(json.dumps(records[::-1]), encoding="utf-8")
    assert {p.id for p in read_profiles(again).profiles} == {p.id for p in found.profiles}


def test_an_intake_form_may_be_an_object(tmp_path):
    form = {"Name": "Bo Lind", "Age": 40, "Gender": "male", "Reason for seeking counseling": "Sad"}
    record = {"intake_form": form, "thought": "x", "patterns": "one, two", "cbt_plan": ["a", "b"]}
    (bo,) = read_cactus(written(tmp_path / "c.jsonl", [record])).profiles
    assert (bo.name, bo.age, bo.reason, bo.plan) == ("Bo Lind", 40, "Sad", "a\nb")
    assert bo.thinking_traps == ("one", "two")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"age": None}, "no age"),
        ({"age": "young"}, "an age that is none"),
        ({"age": 0}, "an age that is none"),
        ({"distorted_thought": " "}, "no distorted_thought"),
        ({"shoe": "42"}, "unknown column 'shoe'"),
        ({"thinking_traps": [1]}, "thinking traps that are no texts"),
    ],
)
def test_a_row_that_is_no_profile_is_left_out_with_its_line_and_no_word_of_it(
    tmp_path, changes, reason
):
    records = [PROFILES[0].to_dict(), PROFILES[1].to_dict() | changes, PROFILES[2].to_dict()]
    path = written(tmp_path / "p.jsonl", records)
    found = read_profiles(path)
    assert [p.id for p in found.profiles] == ["p00", "p02"]
    assert [(row.line, row.reason) for row in found.left_out] == [(2, reason)]
    with pytest.raises(ClientError, match="line 2"):
        read_profiles(path, strict=True)


def test_two_rows_of_one_id_are_an_error(tmp_path):
    path = written(tmp_path / "p.jsonl", [p.to_dict() for p in (*PROFILES, PROFILES[3])])
    with pytest.raises(ClientError, match="'p03' stands in line 4 and in line 11"):
        read_profiles(path)


def test_profiles_come_from_a_spreadsheet_too(tmp_path):
    path = tmp_path / "p.csv"
    rows = [
        {**p.to_dict(), "thinking_traps": "; ".join(p.thinking_traps), "age": f"{p.age}"}
        for p in PROFILES
    ]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=";")
        writer.writeheader()
        writer.writerows({k: "" if v is None else v for k, v in row.items()} for row in rows)
    assert list(read_profiles(path).profiles) == PROFILES


@pytest.mark.parametrize("text", ["", "[1, 2]", "not json", '{"a": [[[', "\x00"])
def test_a_file_without_profiles_says_so(tmp_path, text):
    path = tmp_path / "p.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ClientError):
        read_profiles(path)


@settings(max_examples=40, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(0, 10), st.integers(0, 5))
def test_the_split_is_by_person_and_knows_no_order(rng: random.Random, n, seed):
    twin = dataclasses.replace(PROFILES[0], id="p90", distorted_thought="another one")
    people = [*PROFILES, twin]
    shuffled = rng.sample(people, len(people))
    cases = make_cases(people, n_evaluation=n, seed=seed)
    assert make_cases(shuffled, n_evaluation=n, seed=seed) == cases
    sides = {
        side: {c.profile.name for c in cases if c.split == side}
        for side in ("evaluation", "training")
    }
    assert not sides["evaluation"] & sides["training"]
    assert len({c.profile.id for c in cases if c.split == "evaluation"}) <= n
    assert set(Counter(c.resistance for c in cases).values()) == {len(people)}


def test_faces_are_of_the_same_gender_near_in_age_and_never_given_twice():
    faces = [
        Face("a.png", "A", "Woman", 33),
        Face("a2.png", "A", "Woman", 33),
        Face("b.png", "B", "F", 79),
        Face("c.png", "C", "male", 49),
        Face("d.png", "D", "male", 71),
    ]
    made = {each.profile: each for each in pair(PROFILES, faces)}
    assert made == {each.profile: each for each in pair(PROFILES[::-1], faces[::-1])}
    given_out = [each.face.identity for each in made.values() if each.face]
    assert sorted(given_out) == ["A", "B", "C", "D"]
    for profile in PROFILES:
        face = made[profile.id].face
        if face:
            assert (face.gender in ("Woman", "F")) == (profile.gender == "female")
    # Somebody of 30 and a face of 33 are of one group; of 45 (group 50) and of 71 (70) are not.
    (nora,) = pair([PROFILES[0]], faces)
    assert (nora.face, nora.age_gap) == (nora.face, 0)
    assert nora.face is not None
    assert nora.face.identity == "A"
    (kai,) = pair([PROFILES[9]], [faces[4]])
    assert kai.age_gap == 20
    (alone,) = pair([PROFILES[9]], faces[:3])
    assert (alone.face, alone.age_gap) == (None, None)


def test_a_table_of_faces_needs_its_columns(tmp_path):
    path = tmp_path / "faces.csv"
    path.write_text("path,identity,gender,age,licence\nx/a.png,A,female,31.0,own\n")
    (face,) = read_faces(path)
    assert (face.identity, face.age, face.licence) == ("A", 31, "own")
    assert face.path == str(tmp_path / "x" / "a.png")
    path.write_text("path,identity,gender\na.png,A,female\n")
    with pytest.raises(ClientError, match="no column 'age'"):
        read_faces(path)
    path.write_text("path,identity,gender,age\na.png,A,female,old\n")
    with pytest.raises(ClientError, match="line 2"):
        read_faces(path)
