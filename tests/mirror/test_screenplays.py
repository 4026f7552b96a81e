"""Screenplays: the paper's wording, and every trap of reading them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import assume, given, settings, strategies as st

from emodiss.clients import Case
from emodiss.screenplays import (
    Line,
    Screenplay,
    format_screenplay,
    parse_screenplay,
    question,
)
from emodiss.screenplays.wording import filled
from tests.mirror.people import PROFILES

PAPER = Path(__file__).resolve().parents[3] / "shared" / "papers" / "mirror.txt"

THERAPIST = {
    "client_information": "{client information}",
    "reason_counseling": "{reason counseling}",
}
PRINTED = {
    "screenplay system": filled("mirror_screenplay_system"),
    "screenplay": filled(
        "mirror_screenplay",
        client_information="{client information}",
        personality_trait="{personality trait}",
        intrusive_thoughts="{intrusive thoughts}",
        cognitive_distortions="{cognitive distortions}",
        reason_counseling="{reason counseling}",
        cbt_tech_and_plan="{cbt tech and plan}",
    ),
    "client system": filled("mirror_client_system", resists=True),
    "client": filled(
        "mirror_client",
        client_information="{client information}",
        personality_trait="{personality trait}",
        distorted_thoughts="{distorted thoughts}",
        reason_counseling="{reason counseling}",
        history="{history}",
    ),
    "therapist": filled(
        "mirror_therapist",
        pictured=True,
        emotional_caption=None,
        cbt_tech_and_plan=None,
        history="{history}",
        **THERAPIST,
    ),
    "therapist P": filled(
        "mirror_therapist",
        pictured=True,
        emotional_caption=None,
        cbt_tech_and_plan="{cbt tech and plan}",
        history="{history}",
        **THERAPIST,
    ),
    "therapist P+EC": filled(
        "mirror_therapist",
        pictured=True,
        emotional_caption="{emotional caption}",
        cbt_tech_and_plan="{cbt tech and plan}",
        history="{history}",
        **THERAPIST,
    ),
    "caption": filled("mirror_caption"),
    "plan": filled("mirror_plan", pictured=True, literal=True, **THERAPIST),
}
"""What the paper prints, with its braces in the places of values."""

HASHES = {
    "screenplay system": "ff080ddb8d4b33fa1534d04afb36d4eee5ba658fb8cf49302d7ec8549b9039b8",
    "screenplay": "49ccee8ad9edb401f663087dc76d7fad94d36b1990cb7a59399d4f8bb6407850",
    "client system": "029ca4eb51cdc2aa4eba86cdf5a2c5726bb66ef91f7a67079e0bf4cb2ae9a686",
    "client": "052e93951f0818f2cb1102a7aba2d8038ffa62fd5f4f6e1e25fb438331c983fc",
    "therapist": "78fdcfb6e5eb309adfa5e13453b97930c63e639c23741ef7de24b7c73e57d115",
    "therapist P": "0728a35b734c082c20ed99301b53ec1440ea1fe7de70e2dfbcf750790fed2572",
    "therapist P+EC": "50491dfdcd9b622d1566a5b16b0ce8c4680133a3db4342fcf840b726d0242a04",
    "caption": "01a0d50de37f328358808ea37f58f026aeecd18aeb2ff57abfb3f708d719671b",
    "plan": "251f23789925361f3beefbec9c2013b23ef0a2ab9d75461d0979d2093209b33c",
}
"""Of the same text in the paper, white space folded."""


def folded(text: str) -> str:
    return " ".join(text.split())


def sha256(text: str) -> str:
    return hashlib.sha256(folded(text).encode()).hexdigest()


@pytest.mark.parametrize("name", PRINTED)
def test_the_wording_is_the_papers_character_for_character(name):
    assert sha256(PRINTED[name]) == HASHES[name]


@pytest.mark.skipif(not PAPER.exists(), reason="needs the paper's text, which is not shared")
@pytest.mark.parametrize("name", PRINTED)
def test_the_hashes_are_those_of_the_paper_itself(name):
    paper = folded(PAPER.read_text(encoding="utf-8").replace("’", "'"))
    assert folded(PRINTED[name]) in paper


def test_the_screenplays_query_leaves_out_what_is_not_there():
    with_plan = question(Case(PROFILES[1], "emotional"))
    assert "CBT Plan ##\nCBT technique:\nReality Testing\nCounseling planning:\n1. Name" in (
        with_plan.text
    )
    bare = question(Case(PROFILES[0], "none"))
    assert "CBT Plan" not in bare.text
    for kind in ("cognitive", "emotional", "behavioral", "none"):
        for profile in PROFILES:
            asked = question(Case(profile, kind))
            assert "None" not in asked.text + (asked.system or "")
    shown = question(Case(PROFILES[0], "none"), few_shot="Therapist: Hello.\n")
    assert shown.text == bare.text
    assert shown.system == f"{bare.system}\n\nExamples\n\nTherapist: Hello."


def test_several_directions_anywhere_in_a_line_are_found():
    # A greedy pattern that ends at the last bracket leaves only "Fine." of this line.
    (line,) = parse_screenplay("Client: [Sighs] I guess. [looks away] Fine.").lines
    assert line.directions == ("Sighs", "looks away")
    assert line.words == "I guess. Fine."
    (line,) = parse_screenplay("Client: I guess [shrugs], but no [sighs].").lines
    assert (line.directions, line.words) == (("shrugs", "sighs"), "I guess, but no.")


def test_a_line_whose_direction_does_not_come_first_is_kept():
    (line,) = parse_screenplay("Therapist: I see. [nods]").lines
    assert (line.directions, line.words) == (("nods",), "I see.")


def test_a_colon_in_speech_takes_nothing_away():
    text = "Client: [Sighs] One thing: I'm tired\nTherapist: What helps: sleep?\nNote: more of it"
    client, therapist = parse_screenplay(text).lines
    assert (client.directions, client.words) == (("Sighs",), "One thing: I'm tired")
    assert therapist.words == "What helps: sleep?\nNote: more of it"


def test_a_line_without_a_role_goes_on_with_the_one_before():
    (line,) = parse_screenplay("Client: [Sighs] First.\n\nSecond. [cries]\n").lines
    assert (line.directions, line.words) == (("Sighs", "cries"), "First.\nSecond.")


@pytest.mark.parametrize(
    "label",
    [
        "Client:", "**Client**:", "**Client:**", "- Client :", "2. Client:", "### Client:",
        "PATIENT:", "Nora Holt:", "nora:", "> *Nora*:", "_Client_ :",
    ],
)  # fmt: skip
def test_roles_are_known_in_their_usual_dress(label):
    found = parse_screenplay(f"Counselor: Hm.\n{label} [Sighs] Well.", "Nora Holt")
    assert [line.role for line in found.lines] == ["therapist", "client"]
    assert found.lines[1].text == "[Sighs] Well."
    assert found.problems == ()


@pytest.mark.parametrize(
    "label", ["Therapist", "Counselor", "Counsellor", "Psychotherapist", "**therapist**"]
)
def test_therapists_have_four_names(label):
    (line,) = parse_screenplay(f"{label}: Hello.").lines
    assert (line.role, line.words) == ("therapist", "Hello.")


def test_a_direction_may_stand_before_the_colon():
    one, two = parse_screenplay("Client [looks down]: Yes.\n**Client (quietly)**: No.").lines
    assert (one.directions, one.words) == (("looks down",), "Yes.")
    assert (two.directions, two.words) == (("quietly",), "No.")


def test_what_is_odd_is_noted_and_nothing_is_lost():
    found = parse_screenplay(
        "A session.\nTherapist: Hi.\nClient: Hello.\nClient: [sighs\nClient: [weeps]\n"
        "Client: a [b [c] d] e"
    )
    assert found.problems == (
        "0: before_first_role", "1: no_direction", "2: open_bracket", "3: no_words",
        "4: open_bracket",
    )  # fmt: skip
    assert [line.words for line in found.lines] == [
        "Hi.", "Hello.", "[sighs", "", "a [b [c] d] e",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("", "empty"),
        (" \n\t\n", "empty"),
        ("It rains.", "empty"),
        ("Client: [Sighs] Hm.\nClient: Ha.", "one_role"),
        ("I'm sorry, but I can't help with that.", "refusal"),
        ("Therapist: Hi.\nClient: I cannot assist with that, I told my boss.", "complete"),
        ("<think>Therapist: plan</think>Therapist: Hi.\nClient: Hm.", "complete"),
    ],
)
def test_an_answer_that_is_no_dialogue_has_a_status_and_raises_nothing(text, status):
    assert parse_screenplay(text).status == status


WORDS = st.text(
    st.characters(codec="utf-8", exclude_characters="[]*_:<>◁\x1c\x1d\x1e\x85\u2028\u2029",
                  exclude_categories=("Cc", "Cs", "Zl", "Zp")),
    min_size=1, max_size=30,
).map(folded).filter(bool)  # fmt: skip
LINES = st.lists(
    st.tuples(
        st.sampled_from(["therapist", "client"]),
        st.lists(WORDS, max_size=3),
        st.lists(WORDS, min_size=1, max_size=3).map("\n".join),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=150, deadline=None)
@given(LINES)
def test_what_is_written_is_read_again(parts):
    lines = tuple(Line(role, tuple(d), words, n) for n, (role, d, words) in enumerate(parts))
    text = format_screenplay(lines)
    assume("assistantfinal" not in text)  # a control token of one family of models
    # A mark after a direction joins what stood before it; words do not begin with one here.
    assume(not any(line.directions and line.words[0] in ",.;!?" for line in lines))
    found = parse_screenplay(text)
    assert found.lines == lines
    case = Case(PROFILES[0], "cognitive", "training")
    play = Screenplay(case, lines, "m", "0" * 64, found.problems, found.status, text)
    assert Screenplay.from_dict(json.loads(json.dumps(play.to_dict()))) == play


APPENDIX_L = """\
Therapist: Hi, Olivia. I appreciate you being here today. I understand that fears about infidelity have been impacting your relationship, and I'd like to explore that with you.
Client: [Slightly defensive, arms crossed] Yeah, well, it's just hard to shake off those thoughts. My new girlfriend seems nice, but I can't help thinking she'll cheat on me like the others.
Therapist: That sounds really distressing. It's understandable to feel anxious given past experiences. Can you tell me more about what triggers those thoughts?
Client: [Looking away] I don't know. Just...I guess it's hard to trust anyone after my exes. They all turned out to be unfaithful.
Therapist: It makes sense that those experiences would influence how you view new relationships. Do you find yourself jumping to conclusions about your girlfriend's behavior based on those past experiences?
Client: [Frowning slightly] Maybe... It's just easier to think the worst than get hurt again.
Therapist: That's a common way to protect yourself from pain. But what if we looked at some evidence for and against these thoughts? What has your girlfriend done that shows she cares about you?
Client: [Pauses, looking thoughtful] Well, she's always supportive and checks in on me. But still...what if it changes?
Therapist: It's great that she's supportive! Change is always possible in relationships, but focusing on current actions can help ground us in reality rather than past fears.
Client: [Slightly hesitant] I guess...but it's just so hard not to worry.
Therapist: I understand that it feels challenging. Exploring these feelings might help separate past wounds from what's happening now. How do you feel about discussing those past relationships next time?
Client: [Nods slowly, still reserved] Maybe...it could help? I don't know.
Therapist: That's okay! Just taking small steps is a positive direction. Would you be open to trying an exercise where you write down any positive experiences with your girlfriend this week?
Client: [Surprised but considering] Write them down? That seems a bit silly, but...I'll try it.
Therapist: It's not silly at all! It can be a helpful way to see the good moments and shift your focus from anxiety. Thank you for being open to it!
Client: [Slightly relaxed] Sure. I guess I can see if it helps.
Therapist: That's a wonderful attitude! Remember, it's okay to take things at your own pace as we explore these feelings together. Looking forward to our next session!
Client: [More at ease now] Yeah, me too. Thanks for today.
"""  # noqa: E501
"""The example of appendix L (CC BY 4.0), typed as lines with roles."""


def test_appendix_l_has_nine_turns_each_with_one_direction_of_the_client():
    found = parse_screenplay(APPENDIX_L, "Olivia Quinn")
    assert (found.status, found.problems) == ("complete", ())
    assert len(found.lines) == 18
    client = [line for line in found.lines if line.role == "client"]
    assert len(client) == 9
    assert all(len(line.directions) == 1 for line in client)
    assert client[0].directions == ("Slightly defensive, arms crossed",)
    assert found.lines[-1].words == "Yeah, me too. Thanks for today."
    play = Screenplay(Case(PROFILES[0], "emotional"), found.lines, "m", "h")
    assert (play.n_turns, play.n_blocks) == (9.0, 18)
    assert format_screenplay(found.lines) + "\n" == APPENDIX_L
    if PAPER.exists():
        paper = folded(PAPER.read_text(encoding="utf-8").replace("’", "'"))
        assert all(folded(line.text) in paper for line in found.lines)


def test_blocks_count_neighbouring_lines_of_one_role_once():
    lines = parse_screenplay("Client: [a] b\nClient: [c] d\nTherapist: e").lines
    play = Screenplay(Case(PROFILES[0], "emotional"), lines, "m", "h")
    assert (play.n_turns, play.n_blocks) == (1.5, 2)
