"""Simulated sessions: who is told what, when they end, and that nothing is lost."""

from __future__ import annotations

import dataclasses
import json
import re
import stat

import pytest

from emodiss import mirror
from emodiss.chat.endpoint import Endpoint
from emodiss.clients import RESISTANCES, Case, make_cases
from emodiss.encounters import Encounter
from emodiss.encounters.planning import TECHNIQUES, parse_plan, plan_prompt, planned_text
from emodiss.encounters.session import Rules
from emodiss.encounters.wording import client_prompt, client_system, read_reply, therapist_prompt
from emodiss.errors import RunError, SettingsError
from emodiss.interventions.techniques import normalise_technique
from emodiss.mirror import layout
from emodiss.screenplays import Line
from tests.mirror import actors
from tests.mirror.people import PROFILES


def experiment(tmp_path, n=3):
    made = mirror.create(tmp_path / "x")
    made.cases.write(make_cases(PROFILES[:n], n_evaluation=n))
    return made


def run(place, therapist=None, client=None, **options):
    return mirror.simulate(
        place,
        Endpoint([therapist or actors.therapist()]),
        Endpoint([client or actors.client()]),
        mirror.Simulation(**options),
    )


def prompts(actor):
    return ["\n".join(m["content"] for m in messages) for messages in actor.seen]


@pytest.mark.parametrize(
    ("rule", "ends_at", "n_client", "ended_by"),
    [
        ("two_in_a_row", (3, 4), 4, "two_in_a_row"),
        ("two_in_a_row", (2, 4, 6), 8, "max_turns"),
        ("first_end", (3, 4), 3, "first_end"),
        ("released_code", (1, 2, 4), 4, "released_code"),
        ("released_code", (3,), 3, "released_code"),
        ("two_in_a_row", (), 8, "max_turns"),
        ("first_end", (8,), 8, "first_end"),
    ],
)
def test_end_rules(tmp_path, rule, ends_at, n_client, ended_by):
    place = experiment(tmp_path, 1)
    done = run(place, client=actors.client(ends_at), rules=Rules(rule, max_turns=8))
    assert done.complete
    for each in done.encounters:
        assert (each.ended_by, each.status) == (ended_by, "complete")
        assert [line.role for line in each.lines] == ["therapist", "client"] * n_client
        assert "END" not in "".join(line.words for line in each.lines)


@pytest.mark.parametrize("text", ["It is the END.", "[END]", "/END", "[/end]", "endless [/ENDED]"])
def test_only_the_tag_itself_ends_a_session(text):
    assert not read_reply(f"Client: {text}", "client", "Nora Holt").ends
    assert read_reply(f"Client: [Sighs] {text} Bye.[/END]", "client", "Nora Holt").ends
    assert not read_reply("Therapist: [/END]", "therapist", "Nora Holt").ends


@pytest.mark.parametrize(
    ("text", "role", "words", "directions", "flags"),
    [
        ('Client: [Sighs] He said "no".\nI left.', "client",
         'He said "no".\nI left.', ("Sighs",), ()),
        ("**Nora:** [Sighs] One thing: no.", "client", "One thing: no.", ("Sighs",), ()),
        ("Fine.\nTherapist: And now?\nClient: No.", "client", "Fine.", (), ("several_turns",)),
        ("I see. Client: [cries] No.", "therapist", "I see.", (), ("several_turns",)),
        ("Client: I see.", "therapist", "I see.", (), ("other_role",)),
        ("Tell me, client: who?", "therapist", "Tell me, client: who?", (), ()),
        ("[looks down Well.\nYes [a [b] c] no.", "client", "Yes no.", (), ("open_bracket",)),
        ("Client: [/END]", "client", "", (), ("empty",)),
        ("<think>Client: plan</think>Client: Hm.", "client", "Hm.", (), ()),
    ],
)  # fmt: skip
def test_replies_are_read_as_one_line(text, role, words, directions, flags):
    found = read_reply(text, role, "Nora Holt")
    assert (found.words, found.directions, found.flags) == (words, directions, flags)


def test_nothing_hidden_reaches_the_therapist(tmp_path):
    place = experiment(tmp_path, 10)
    therapist, client = actors.therapist(), actors.client()
    run(place, therapist, client, variant="text+p")
    cases = {case.id: case for case in place.cases.read()}
    assert len(therapist.seen) > 3 * len(cases)
    for prompt in prompts(therapist):
        assert not re.search(r"[\[\]]", prompt)
        for hidden in ("Looks away", "shrugs", "/END", "resist"):
            assert hidden not in prompt
        for case in cases.values():
            assert case.profile.distorted_thought not in prompt
            assert case.trait not in prompt
    told = "\n".join(prompts(client))
    for case in cases.values():
        assert case.profile.distorted_thought in told
        assert case.trait in told
    assert "[Looks away]" in told  # the client sees its own


def test_who_does_not_resist_is_not_asked_to():
    for kind in RESISTANCES:
        case = Case(PROFILES[0], kind)
        asked = client_system(case) + client_prompt(case, ())
        assert ("Reflect a degree of resistance" in asked) == (kind != "none")
        assert "None" not in asked


def test_every_arm_begins_alike_and_has_the_same_limit(tmp_path):
    place = experiment(tmp_path, 2)
    for name, variant in (("a", "text"), ("b", "text+p")):
        run(place, actors.therapist(name), variant=variant, name=name)
    sessions = place.encounters.read()
    first = {each.case.id: {e.lines[0].words for e in sessions if e.case == each.case}
             for each in sessions}  # fmt: skip
    assert all(len(words) == 1 for words in first.values())
    assert {each.settings["therapist"]["max_tokens"] for each in sessions} == {256}
    nora = next(e for e in sessions if e.case.profile.name == "Nora Holt")
    assert nora.lines[0].words.startswith("Hi Nora,")
    # In the therapist's very first prompt the opening stands too.
    assert nora.lines[0].words in therapist_prompt(PROFILES[0], nora.lines[:2], pictured=False)


def test_a_cut_reply_is_counted(tmp_path):
    therapist = actors.therapist()
    therapist._finish = "length"
    done = run(experiment(tmp_path, 1), therapist)
    assert done.record["truncated"] == sum(len(e.lines) // 2 - 1 for e in done.encounters)


def test_the_history_can_be_short(tmp_path):
    place = experiment(tmp_path, 1)
    therapist = actors.therapist()
    run(place, therapist, rules=Rules(history=2))
    assert all(prompt.count("\nClient: ") == 1 for prompt in prompts(therapist))
    lines = tuple(Line("client", ("x",), f"w{n}", n) for n in range(5))
    assert therapist_prompt(PROFILES[0], lines, pictured=False, window=2).count("Client: ") == 2


def test_a_failed_session_is_a_row_and_is_tried_again(tmp_path):
    place = experiment(tmp_path, 2)
    done = run(place, actors.broken())
    assert not done.complete
    assert [(e.status, e.reason) for e in done.encounters] == [("failed", "refused")] * 8
    assert all(len(e.lines) == 2 and e.ended_by is None for e in done.encounters)
    again = run(place)
    assert again.complete
    assert again.record["before"] == 0
    assert len(place.encounters.read()) == 8


def test_what_no_session_can_escape_stops_all(tmp_path):
    broken = actors.broken("cost_limit", stops_all=True)
    done = run(experiment(tmp_path, 10), broken)
    assert len(broken.seen) <= 4  # those side by side
    assert done.record["missing"] + done.record["failed"] == 40


def test_both_speakers_spend_from_one_limit(tmp_path):
    prices = tmp_path / "prices.json"
    cost = {"input": 1, "output": 1}
    models = {"client": cost, "t": cost}
    prices.write_text(json.dumps({"as_of": "2026-11-21", "source": "test", "models": models}))
    place, speakers = experiment(tmp_path, 1), (actors.therapist(), actors.client())
    # At most some 0.002 USD a request: each would have room for several on a limit of its own.
    ends = [Endpoint([one], prices=prices, max_cost=0.005, no_cache=True) for one in speakers]
    done = mirror.simulate(place, *ends)
    (bill,) = done.record["bills"]
    assert bill["limit_usd"] == 0.005 and done.record["failed"]
    assert bill["requests"] == sum(len(one.seen) for one in speakers) < 5


class Killed(BaseException):
    """What a kill looks like from inside."""


def test_killed_and_resumed_gives_the_same_bytes_and_asks_nothing_twice(tmp_path):
    whole = experiment(tmp_path / "a")
    run(whole)
    torn = experiment(tmp_path / "b")

    def die(_stage, done, _total):
        if done == 5:
            raise Killed

    first, second = actors.therapist(), actors.therapist()
    with pytest.raises(Killed):
        mirror.simulate(torn, Endpoint([first]), Endpoint([actors.client()]), progress=die)
    with (torn.root / layout.ENCOUNTERS).open("ab") as file:
        file.write(b'{"id": "torn')
    done = run(torn, second)
    assert done.record["before"] >= 4
    assert (torn.root / layout.ENCOUNTERS).read_bytes() == (
        whole.root / layout.ENCOUNTERS
    ).read_bytes()

    def asked(actor):
        return {json.dumps(messages, sort_keys=True) for messages in actor.seen}

    assert asked(first)
    assert not asked(first) & asked(second)
    third = actors.therapist()
    assert run(torn, third).record["before"] == 12
    assert third.seen == []
    mode = stat.S_IMODE((torn.root / layout.ENCOUNTERS).stat().st_mode)
    assert mode == 0o600


def test_other_rules_make_another_session_in_the_same_place(tmp_path):
    place = experiment(tmp_path, 1)
    run(place)
    again = run(place, rules=Rules("first_end"))
    assert again.record["before"] == 0
    assert {e.ended_by for e in place.encounters.read()} == {"first_end"}


def test_encounters_survive_json(tmp_path):
    for each in run(experiment(tmp_path, 1), variant="text+p").encounters:
        assert Encounter.from_dict(json.loads(json.dumps(each.to_dict()))) == each
        assert each.labelled == "text"  # there was no plan in the answer
        assert each.plan is not None
        assert each.plan.mode == "no_plan"


@pytest.mark.parametrize(
    ("answer", "technique", "steps"),
    [
        ("CBT technique:\nReality Testing\n\nCounseling planning:\n1. A\n2. B",
         "Reality Testing", ("1. A", "2. B")),
        ("**CBT Technique:** Pie Chart Technique\n**Counseling Planning:** 1. A\n- Counseling goes "
         "on\nCBT technique: again", "Pie Chart Technique",
         ("1. A", "- Counseling goes on", "CBT technique: again")),
        ("- CBT technique: {Decatastrophizing}\n- Counseling plan:\n{1. A}",
         "Decatastrophizing", ("1. A",)),
        ("CBT technique: my own way\nCounselling planning:\nTalk.", "my own way", ("Talk.",)),
        ("I would listen.", None, ()),
        ("CBT technique:\nReality Testing", "Reality Testing", ()),
    ],
)  # fmt: skip
def test_plans_are_read(answer, technique, steps):
    plan = parse_plan(answer)
    assert (plan.technique, plan.steps) == (technique, steps)
    assert plan.mode == ("planned" if steps else "no_plan")
    assert bool(planned_text(plan)) == bool(steps)


def test_the_twelve_techniques_are_in_the_vocabulary():
    for name in TECHNIQUES:
        assert normalise_technique(name).known, name
        assert name in plan_prompt(PROFILES[0], pictured=False)


def test_a_plan_stands_in_every_prompt_of_its_therapist(tmp_path):
    def says(text, n):
        if "Types of CBT Techniques" in text:
            return "CBT technique: Reality Testing\nCounseling planning:\n1. Look at the proof."
        return "Therapist: Go on."

    planner = actors.Actor("t", says, "Therapist")
    done = run(experiment(tmp_path, 1), planner, variant="text+p")
    asked = prompts(planner)
    plans = [p for p in asked if "Types of CBT Techniques" in p]
    assert len(plans) == 1  # once, and the same for all four cases of a profile: from the cache
    assert all("1. Look at the proof." in p for p in asked if p not in plans)
    assert {e.labelled for e in done.encounters} == {"text+p"}
    assert {e.plan.technique for e in done.encounters if e.plan} == {"Reality Testing"}


def test_who_sees_gets_the_picture_of_the_last_line_and_a_caption(tmp_path):
    pytest.importorskip("skimage", reason="a face is made from a portrait inside it")
    from emodiss.demo.clients import write_faces
    from emodiss.mirror.faces import synthesizer

    place = mirror.create(tmp_path / "x")
    source = tmp_path / "p.jsonl"
    source.write_text(json.dumps(PROFILES[0].to_dict()))
    mirror.profiles(place, source, faces=write_faces(tmp_path / "faces"), types=("none",))
    therapist = actors.therapist()
    done = run(
        place,
        therapist,
        variant="ec",
        captioner="given",
        drawing=mirror.Drawing(synthesizer("warp")),
    )
    (each,) = done.encounters
    assert each.arm == "vision"
    client = [line.index for line in each.lines if line.role == "client"]
    assert [n for n, path in enumerate(each.pictures) if path] == client
    assert {each.captions[n] for n in client} == {"Looks away, shrugs"}
    for messages, n in zip(therapist.seen, client, strict=False):
        picture, text = messages[-1]["content"]
        path = each.pictures[n]
        assert path is not None
        assert picture.path == place.root / path
        assert text.text.startswith("The image above shows the client.")
        assert "- Client Emotional State: Looks away, shrugs" in text.text
    assert not any("no_picture" in reply.flags for reply in each.replies)


@pytest.mark.slow
def test_a_face_model_measures_captions(tmp_path):
    pytest.importorskip("skimage", reason="a face is made from a portrait inside it")
    import cv2

    from emodiss.demo.clients import write_faces
    from emodiss.encounters.session import Picture
    from emodiss.mirror.captions import Measured

    write_faces(tmp_path)
    measured = Measured()
    case = Case(PROFILES[0], "none")
    said = measured.caption(case, (), Picture("x", tmp_path / "collins.png")).text
    assert said is not None
    assert said.startswith("happy, valence +0.")
    empty = tmp_path / "empty.png"
    cv2.imwrite(str(empty), cv2.resize(cv2.imread(str(tmp_path / "collins.png"))[:8, :8], (64, 64)))
    assert measured.caption(case, (), Picture("x", empty)).text is None
    assert measured.caption(case, (), None).text is None


def test_what_does_not_exist_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="'ecp'"):
        mirror.Simulation(variant="ecp")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="pictures"):
        mirror.Simulation(variant="p")
    with pytest.raises(SettingsError, match="end rule"):
        mirror.Simulation(rules=Rules("last_end"))  # type: ignore[arg-type]
    with pytest.raises(RunError, match="no cases"):
        run(mirror.create(tmp_path / "empty"))
    with pytest.raises(RunError, match="no folder of a MIRROR experiment"):
        mirror.load(tmp_path)
    assert dataclasses.asdict(Rules())["end"] == "two_in_a_row"
