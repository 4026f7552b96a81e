"""Parsing of replies: the paper's own examples, the usual shapes, and laws on arbitrary text."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings, strategies as st

from emodiss.interventions import (
    FAILURES,
    PARSE_MODES,
    Intervention,
    InterventionError,
    count_sentences,
    count_words,
    normalise_technique,
    parse,
    vocabulary,
)

SOCRATIC = "Cognitive Behavioral Therapy (CBT) - specifically, Socratic questioning"
WHAT_IMPACT = "And if they didn't want to be friends with you, what impact would that have on you?"
DISCOMFORT = (
    "I sense some discomfort when you mention your colleagues not wanting to be friends. Can you "
    "tell me what feelings come up when you think about that situation?"
)

# Responses printed in Haydarov et al. (2025), CC BY 4.0: figures 7, 9, 12 and 13, long ones cut
# at a sentence. (reply, technique as printed, start of the response, name in the vocabulary)
GENUINE = [
    (
        "Cognitive Restructuring: It's normal to worry about what others think, but it's "
        "important to remember that people have different perspectives.",
        "Cognitive Restructuring",
        "It's normal to worry",
        "Cognitive restructuring",
    ),
    (
        "Reframing Technique: I understand that you're concerned about people at work not wanting "
        "to be friends with you if they perceive you as weird. However, let's try to look at this "
        "situation from a different perspective.",
        "Reframing Technique",
        "I understand that",
        "Reframing",
    ),
    (
        "Reframing Technique: Ah, I see. So, it's not about saying something stupid itself, but "
        "about the fear of being rejected or not being liked by your colleagues.",
        "Reframing Technique",
        "Ah, I see.",
        "Reframing",
    ),
    (
        "Active Listening: I sense that you're getting a bit emotional when talking about this.",
        "Active Listening",
        "I sense that",
        "Active listening",
    ),
    (f"{SOCRATIC}: {WHAT_IMPACT}", SOCRATIC, WHAT_IMPACT, "Socratic questioning"),
    (
        f"Emotional Awareness and Validation: {DISCOMFORT}",
        "Emotional Awareness and Validation",
        DISCOMFORT,
        "Emotional awareness",
    ),
    (
        f"**Technique: {SOCRATIC}.**\n{WHAT_IMPACT}",
        SOCRATIC,
        WHAT_IMPACT,
        "Socratic questioning",
    ),
    (
        "**Technique: Cognitive-behavioral therapy (CBT)**\nOkay, so it sounds like you're really "
        "struggling with these negative beliefs about yourself.",
        "Cognitive-behavioral therapy (CBT)",
        "Okay, so it sounds",
        "Cognitive behavioural therapy",
    ),
    (
        f"**Technique: Emotional Awareness and Validation.**\n{DISCOMFORT}",
        "Emotional Awareness and Validation",
        DISCOMFORT,
        "Emotional awareness",
    ),
    (
        "**Technique: Cognitive Restructuring**\nI understand that you're worried about what your "
        "coworkers might think of you, but is it really likely that they would judge you so "
        "harshly?",
        "Cognitive Restructuring",
        "I understand that",
        "Cognitive restructuring",
    ),
    (
        "Technique: Trauma-focused Cognitive Behavioral Therapy (TF-CBT)\n\nI'm sorry to hear what "
        "you've been through. It must have been very difficult.",
        "Trauma-focused Cognitive Behavioral Therapy (TF-CBT)",
        "I'm sorry to hear",
        "Trauma-focused cognitive behavioural therapy",
    ),
    (
        "Technique: Reflective listening\n\n\"It sounds like you're saying that your father abused "
        'you when you were a child. Is that right?"',
        "Reflective listening",
        "It sounds like you're",
        "Reflective listening",
    ),
    (
        "Technique: Psychoeducation\n\nIt sounds like you've been through a lot of difficult "
        "experiences with your grandfather.",
        "Psychoeducation",
        "It sounds like",
        "Psychoeducation",
    ),
    (
        'Technique: Emotion Dissonance:\n\n"I notice that you seem to be struggling with '
        "conflicting emotions when you talk about your father's abuse.\"",
        "Emotion Dissonance",
        "I notice that",
        None,
    ),
    (
        "Technique 1: Unconditional Positive Regard\n\nit seems like there's a lot of pressure "
        "you're feeling. Remember, your worth isn't defined by your grades.",
        "Unconditional Positive Regard",
        "it seems like",
        "Unconditional positive regard",
    ),
]

# Appendix F, and the two video models of figure 12 ("primarily produced descriptive outputs").
EXPLAINING = [
    "Clarification: This encourages the patient to elaborate on their feelings and provides "
    "valuable insight into their emotional state.",
    "Clarification: This response seeks to gently clarify the patient's statements, particularly "
    "the juxtaposition of 'phone' with deeply personal needs.",
    "The video appears to be a professional video with good lighting and quality. The technique "
    "used for this video could be the Stutter Step technique.",
    "Based on the video, the best intervention technique for the patient would be to provide them "
    "with a comfortable and supportive environment, such as a red chair, to help them feel at "
    "ease.",
]


@pytest.mark.parametrize(("reply", "technique", "opening", "name"), GENUINE)
def test_responses_of_the_paper_parse_without_a_flag(
    reply: str, technique: str, opening: str, name: str | None
) -> None:
    parsed = parse(reply)
    assert parsed.technique == technique
    assert parsed.response.startswith(opening)
    assert not parsed.response.endswith('"')
    assert parsed.failures == ()
    assert parsed.failure is None
    assert parsed.raw == reply
    assert parsed.named is not None
    assert parsed.named.known == (name is not None)
    assert parsed.named.name == (name or technique)


@pytest.mark.parametrize("reply", EXPLAINING)
def test_failure_cases_of_the_paper_are_flagged(reply: str) -> None:
    assert parse(reply).failure == "explanation"


@pytest.mark.parametrize(
    ("reply", "mode"),
    [
        ("[Validation] I hear you.", "bracketed"),
        ("[Validation] [I hear you.]", "bracketed"),
        ("[Technique] Validation [Your Response] I hear you.", "bracketed"),
        ("[Technique: Validation]\n[Your Response]: I hear you.", "bracketed"),
        ("[Technique: Validation] [Your Response: I hear you.]", "bracketed"),
        ("[Validation] Therapist: I hear you.", "bracketed"),
        ("<think>[CBT] no</think>[Validation] I hear you.", "bracketed"),
        ("Sure! Here is my response:\n\n[Validation] I hear you.", "bracketed"),
        ("Technique: Validation\nResponse: “I hear you.”", "technique_line"),
        ("**Technique:** Validation\n\n**Response:** I hear you.", "technique_line"),
        ("Technique: Validation. I hear you.", "technique_line"),
        ("Technique: Validation - I hear you.", "technique_line"),
        ("1. Technique: Validation\n2. Response: I hear you.", "technique_line"),
        ("I hear you.\n\n(Technique: Validation)", "technique_line"),
        ("**Validation**\n\nI hear you.", "bold"),
        ("**Validation:** I hear you.", "bold"),
        ("## Validation\r\n\r\nI hear you.", "bold"),
        ("Validation: I hear you.", "first_line_colon"),
        ("Validation\n\nI hear you.", "first_line"),
        ('```json\n{"technique": "Validation", "response": "I hear you."}\n```', "json"),
    ],
)
def test_every_usual_shape_gives_the_same_two_parts(reply: str, mode: str) -> None:
    parsed = parse(reply)
    assert (parsed.technique, parsed.response) == ("Validation", "I hear you.")
    assert parsed.parse_mode == mode
    assert parsed.failures == ()


@pytest.mark.parametrize(
    ("reply", "failures"),
    [
        ("", ("empty",)),
        (" \n ", ("empty",)),
        ("[Validation]", ("empty",)),
        ("[Validation] ...", ("empty",)),
        ("I'm sorry, but I can't assist with that.", ("refusal",)),
        ("I’m sorry, but I can’t assist with that.", ("refusal",)),
        ("As an AI language model, I cannot provide therapy.", ("refusal",)),
        (
            "I'm really sorry that you're feeling this way, but I'm unable to provide the help "
            "that you need.",
            ("refusal",),
        ),
        ("Rationale: validation helps.", ("explanation",)),
        ("[Validation] The therapist should validate the client first.", ("explanation",)),
        ("[Validation] I hear you.\nPatient: Thanks.\nTherapist: Sure.", ("several_turns",)),
        ("[Validation] I hear you. Patient: Thanks.", ("several_turns",)),
        ("Patient: I feel bad.\n\nTechnique: Validation\nI hear you.", ("echoed_turns",)),
        ("[Validation] Patient (speech: sad): I feel bad.", ("echoed_turns",)),
        (
            "[Validation] I hear you.\n\nExplanation: This technique validates the patient.",
            ("trailing_explanation",),
        ),
        (
            "[Validation] I hear you. (Note: this response validates the patient.)",
            ("trailing_explanation",),
        ),
    ],
)
def test_failures(reply: str, failures: tuple[str, ...]) -> None:
    parsed = parse(reply)
    assert parsed.failures == failures
    assert parsed.failure == failures[0]


@pytest.mark.parametrize(
    "reply",
    [
        "[Immediacy] I can't help but notice that you smile as you say it.",
        "[Validation] I'm so sorry that happened to you.",
        "[Reflective Listening] That sounds really hard.",
        "[Open questions] What did the client at your office say to you?",
        "[Relaxation] This technique may feel odd at first. Can you breathe in slowly with me?",
        "[Clarification] When you say that, do you mean your father?",
        "[Validation] I cannot imagine how hard that was.",
        "[Psychoeducation] Anxiety works like this: your body sounds an alarm.",
        "[Validation] You told me: I want to go home. What would home be like?",
        "[Safety planning] Are you thinking of ending your life? Let's make a plan together.",
    ],
)
def test_genuine_continuations_are_not_flagged(reply: str) -> None:
    assert parse(reply).failures == ()


def test_a_line_of_the_prompt_in_the_reply_is_an_echo_only_when_the_prompt_is_known() -> None:
    reply = "[Validation] They wouldn't want to be friends with me.\nThat hurts you."
    assert parse(reply).failures == ()
    context = ["Yeah.", "They wouldn’t want to be friends with me."]
    assert parse(reply, context=context).failures == ("echoed_turns",)
    assert parse("[Validation] Yeah. That hurts.", context=context).failures == ()


@pytest.mark.parametrize(
    "reply", ["I hear you. That must be hard.", "Remember: you are valuable.", "Why: I wonder?"]
)
def test_a_reply_without_a_technique_gets_none(reply: str) -> None:
    parsed = parse(reply)
    assert parsed.technique is None
    assert parsed.parse_mode == "none"
    assert parsed.named is None
    assert parsed.response == reply


NAMES = (
    st.text("abcdefgh ABC-'()éß", min_size=1, max_size=60)
    .map(str.strip)
    .filter(
        lambda name: (
            any(char.isalpha() for char in name)
            and name.strip("-' ()") == name
            and "  " not in name
            and name.count("(") == name.count(")") == 0
        )
    )
)
SPOKEN = st.text("abcdefgh ABC.,?!’'😀שלום\n", min_size=1, max_size=200).map(str.strip)


@settings(deadline=None)
@given(NAMES, SPOKEN.filter(bool))
def test_bracketed_replies_come_back_unchanged(technique: str, response: str) -> None:
    parsed = parse(f"[{technique}] {response}")
    assert parsed.technique == technique
    assert parsed.response == response
    assert parsed.parse_mode == "bracketed"


PIECES = st.sampled_from(
    ["[", "]", "Technique", ":", "\n", "**", "Patient:", "Therapist:", '"', "{", "}", "(", "Note:"]
)


@settings(deadline=None)
@given(st.one_of(st.text(), st.lists(st.one_of(PIECES, st.text(max_size=5))).map("".join)))
def test_parsing_never_raises_and_keeps_the_reply(text: str) -> None:
    parsed = parse(text, context=[text])
    assert parsed.raw == text
    assert parsed.parse_mode in PARSE_MODES
    assert set(parsed.failures) <= set(FAILURES)
    assert (parsed.technique is None) or parsed.technique.strip()
    assert parsed == parse(text, context=[text])


@pytest.mark.parametrize(
    "piece", ["a ", "[", "**", "(", "Technique: ", "\n", "this ", '"', "<think>"]
)
def test_long_replies_parse_in_linear_time(piece: str) -> None:
    start = time.process_time()
    parse(piece * 20_000)
    assert time.process_time() - start < 2.0


def test_brackets_that_do_not_hold_the_whole_response_stay() -> None:
    assert parse("[Validation] [sighs] I hear you [pause]").response == "[sighs] I hear you [pause]"


def test_none_counts_as_an_empty_reply() -> None:
    assert parse(None).failure == "empty"


@pytest.mark.parametrize(
    ("written", "name", "group"),
    [
        ("CBT", "Cognitive behavioural therapy", "cognitive_behavioural"),
        ("cognitive-behavioral therapy (CBT)", "Cognitive behavioural therapy", None),
        ("TF-CBT", "Trauma-focused cognitive behavioural therapy", "trauma"),
        ("Socratic Questioning", "Socratic questioning", "cognitive_behavioural"),
        ("Reframing Technique", "Reframing", None),
        ("Mindfulness exercise", "Mindfulness", "third_wave"),
        ("DBT Skills", "Dialectical behaviour therapy", "dialectical"),
        ("MOTIVATIONAL INTERVIEWING (MI)", "Motivational interviewing", "motivational"),
        ("Grounding Techniques", "Grounding", "calming"),
        ("Behavioral Activation", "Behavioural activation", None),
        (
            "Person-Centered Therapy: Unconditional Positive Regard",
            "Unconditional positive regard",
            "person_centred",
        ),
        ("Reflective Listening / Validation", "Reflective listening", "listening"),
    ],
)
def test_spellings_are_grouped(written: str, name: str, group: str | None) -> None:
    found = normalise_technique(written)
    assert found.name == name
    assert found.known
    if group:
        assert found.group == group


@pytest.mark.parametrize(
    "written",
    ["Emotion Dissonance", "Stutter Step technique", "Values Validation Game", "Technique", "x"],
)
def test_unknown_names_stay_unknown(written: str) -> None:
    found = normalise_technique(written)
    assert not found.known
    assert found.group is None
    assert found.name == written


def test_of_two_names_the_technique_comes_before_the_approach_and_both_are_kept() -> None:
    found = normalise_technique(SOCRATIC)
    assert found.name == "Socratic questioning"
    assert found.also == ("Cognitive behavioural therapy",)


def test_vocabulary_is_consistent() -> None:
    words = vocabulary()
    owners: dict[str, str] = {}
    for entry in words.entries:
        assert entry["group"] in words.groups
        assert entry["level"] in ("approach", "technique")
        assert entry["sources"] and set(entry["sources"]) <= set(words.sources)
        for spelling in (entry["name"], *entry["spellings"]):
            assert owners.setdefault(spelling.casefold(), entry["name"]) == entry["name"]
            assert normalise_technique(spelling).name == entry["name"], spelling
    assert set(words.groups) == {entry["group"] for entry in words.entries}
    assert set(words.sources) == {key for entry in words.entries for key in entry["sources"]}


@pytest.mark.parametrize(
    ("text", "n_words", "n_sentences"),
    [
        ("", 0, 0),
        ("...", 0, 0),
        ("I hear you.", 3, 1),
        ("Don't worry. It's fine!", 4, 2),
        ("Dr. Smith is here. Is he?", 6, 2),
        ("Well-known\nlines", 3, 2),
        ('He said "No." Then he left', 6, 2),
        ("😀 yes", 1, 1),
        ("שלום עולם.", 2, 1),
        ("हिन्दी भाषा।", 2, 1),
    ],
)
def test_length(text: str, n_words: int, n_sentences: int) -> None:
    assert count_words(text) == n_words
    assert count_sentences(text) == n_sentences


def test_an_intervention_survives_json() -> None:
    record = Intervention(
        video_id="v",
        condition="base",
        window=("u1", 2),
        prompt_sha256="0" * 64,
        model="m",
        sample=1,
        reply=parse("[Technique] Validation [Your Response] I hear you. 😀"),
        finish_reason="length",
        prompt_tokens=10,
        latency_s=0.5,
        parameters={"temperature": 0},
    )
    written = json.loads(json.dumps(record.to_dict()))
    assert written["technique_name"] == "Validation"
    assert written["technique_group"] == "person_centred"
    assert (written["n_words"], written["failure"]) == (3, None)
    assert Intervention.from_dict(written) == record
    assert record.truncated
    del written["raw"]
    with pytest.raises(InterventionError, match="raw"):
        Intervention.from_dict(written)


@pytest.mark.parametrize(
    ("text", "technique", "response", "mode"),
    [
        ("Technik: Echo\nAntwort: Hart.", "Echo", "Hart.", None),  # codespell:ignore
        ("**Técnica:** Eco\n**Respuesta:** Suena duro.", "Eco", "Suena duro.", None),
        ("Technique thérapeutique : Écho\nRéponse : C'est dur.", "Écho", "C'est dur.", None),
        ("Техника: Эхо\nОтвет: Это тяжело.", "Эхо", "Это тяжело.", None),
        ("技法：傾聴\n返答：大変でしたね。", "傾聴", "大変でしたね。", None),
        ("기법: 공감\n응답: 힘드셨겠어요.", "공감", "힘드셨겠어요.", None),
        ("Therapietechnik: Echo Antwort: Das ist schwer.", "Echo", "Das ist schwer.", None),
        (
            '{"Interventionstechnik": "Echo", "Antwort": "Das ist schwer."}',
            "Echo",
            "Das ist schwer.",
            "json",
        ),
        ("| Technique | Response |\n|---|---|\n| Echo | Hard. |", "Echo", "Hard.", "table"),
        ("| **Technique** | Echo |\n|:--|--:|\n| Response | Hard. |", "Echo", "Hard.", "table"),
        (
            "Sure, here it is:\n\n| Therapietechnik | Antwort |\n|-|-|\n| Echo | Ja. |",
            "Echo",
            "Ja.",
            "table",
        ),
        # A table of other things names nothing.
        ("| Mood | Sleep |\n|---|---|\n| low | bad |", None, None, "none"),
    ],
)
def test_labels_of_other_languages_and_tables_are_read(text, technique, response, mode):
    found = parse(text)
    assert (found.technique, found.parse_mode) == (technique, mode or "technique_line")
    assert found.response == (text if response is None else response)


SHAPES = (
    "technique: Validation\nresponse: |\n  You sound hurt.\n  And then?\n",
    'technique = "Validation"\nresponse = "You sound hurt.\nAnd then?"',
    '{"technique": "Validation", "response": "You sound hurt.\nAnd then?"}',
    r'"{\"technique\": \"Validation\", \"response\": \"You sound hurt.\\nAnd then?\"}"',
    '<tool_call>\n{"name": "reply", "arguments": {"technique": "Validation", "response": '
    '"You sound hurt.\\nAnd then?"}}\n</tool_call>',
    "- Technique: Validation\n- Response: You sound hurt.\nAnd then?",
    "\U0001f9e0 Technique: Validation\n\U0001f4ac Response: You sound hurt.\nAnd then?",
    "Technique \u2192 Validation\nResponse \u2192 You sound hurt.\nAnd then?",
    "### Technique\nValidation\n\n### Response\nYou sound hurt.\nAnd then?",
    "**Technique**\nValidation\n\n**Response**\nYou sound hurt.\nAnd then?",
    "### Technique: Validation\n\n### Response\nYou sound hurt.\nAnd then?",
    "(Validation) You sound hurt.\nAnd then?",
    "[[Validation]] You sound hurt.\nAnd then?",
    "Therapist: [Validation] You sound hurt.\nAnd then?",
    "Assistant: [Validation] You sound hurt.\nAnd then?",
    "<p><strong>Technique:</strong> Validation</p><p><strong>Response:</strong> You sound hurt."
    "<br>And then?</p>",
)


@pytest.mark.parametrize("reply", SHAPES)
def test_shapes_that_other_programs_ask_for(reply):
    found = parse(reply)
    assert found.technique == "Validation"
    assert found.response == "You sound hurt.\nAnd then?"
    assert found.failures == ()


def test_a_shape_that_cannot_be_read_is_flagged():
    reply = '{ // why\n technique: "Validation", response: "You sound hurt." }'
    assert parse(reply).failures == ("malformed",)
