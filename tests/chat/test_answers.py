"""What models put around their answers, and what is left of it."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given, settings, strategies as st

from emodiss.chat.answers import json_of, unwrapped
from emodiss.chat.model import TokenLogprob
from emodiss.interventions import FAILURES
from emodiss.interventions.parsing import parse
from emodiss.judging import find_score, weigh

ANSWER = "[Validation] You sound hurt."

WRAPPINGS = [
    "{}",
    "<think>First 3, then 2.</think>{}",
    "<think>\nScore: 2 seems harsh.\n</think>\n\n{}",
    "<thinking>\nEmpathy: 1?\n</thinking>\n{}",
    "<seed:think>maybe 5</seed:think>{}",
    "[THINK]maybe 5[/THINK]{}",
    "◁think▷maybe 5◁/think▷{}",
    "<reasoning>Technique: CBT\nResponse: 5</reasoning>\n{}",
    "Applicability: 5 at first, but no.\n</think>\n{}",
    "<think>a <think> b </think> 1 </think>{}",
    "<think>1</think>\n<think>2</think>\n{}",
    "{}\n<think>Was 5 right?",
    "<|channel|>analysis<|message|>Maybe 5.<|end|><|start|>assistant<|channel|>final<|message|>{}",
    "<|channel|>analysis<|message|>5<|end|><|start|>assistant<|channel|>final<|message|>{}<|return|>",
    "analysisWe need a 5 here.assistantfinal{}",
    "<|channel>thought\n1, no<channel|>{}",
    "{}<|im_end|>",
    "{}</s>",
    "<s>{}</s>",
    "<|im_start|>assistant\n{}<|im_end|>\n<|im_start|>user\nScore: 1",
    "<|start_header_id|>assistant<|end_header_id|>\n\n{}<|eot_id|>",
    "<start_of_turn>model\n{}<end_of_turn>\n<start_of_turn>user\n5",
    "{}[INST] Score: 1 [/INST]",
    "<｜Assistant｜>{}<｜end▁of▁sentence｜>",
    "<seed:think>Score: 1</seed:think>{}",
    "<|begin_of_thought|>Score: 1<|end_of_thought|><|begin_of_solution|>{}<|end_of_solution|>",
    "<|START_THINKING|>Score: 1<|END_THINKING|><|START_RESPONSE|>{}<|END_RESPONSE|>",
    "<unused94>thought\nScore: 1<unused95>{}",
    "<longcat_think>Score: 1</longcat_think>{}",
    "<inner_monologue>Score: 1</inner_monologue><answer>{}</answer>",
    '<details type="reasoning">\n<summary>Thought for 3 s</summary>\nScore: 1</details>\n{}',
    "Thinking...\nScore: 1\n...done thinking.\n\n{}",
    "assistantanalysis Score: 1assistantfinal{}",
    "\ufeff{}",
    "\u200b{}",
    "\u2060 \ufeff{}",
    "> {}",
    "```\n{}\n```",
    "```text\n{}\n```",
    "~~~\n{}\n~~~",
    "\r\n{}\r\n",
]


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_wrapping_changes_neither_a_reply_nor_a_score(wrapping):
    parsed = parse(wrapping.format(ANSWER))
    assert (parsed.technique, parsed.response) == ("Validation", "You sound hurt.")
    assert parsed.failures == ()
    answer = wrapping.format("4")
    found = find_score(answer)
    assert found is not None and found.value == 4
    assert found.start == wrapping.index("{}")


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_the_weighed_token_is_the_one_behind_the_thinking(wrapping):
    before, after = wrapping.split("{}")
    top = (("4", math.log(0.6)), ("5", math.log(0.4)))
    wrong = (("1", math.log(0.9)),)
    tokens = [TokenLogprob(c, -1.0, wrong) for c in before]
    tokens += [TokenLogprob("4", math.log(0.6), top)]
    tokens += [TokenLogprob(c, -1.0, wrong) for c in after]
    weighed = weigh(tokens)
    assert weighed is not None
    assert weighed.score == pytest.approx(4.4)  # 4 x .6 + 5 x .4


@pytest.mark.parametrize(
    "reply", ["<think>Let me validate the loss, then ask", "I would say\n</think>", "<think>4"]
)
def test_thinking_alone_is_no_answer(reply):
    assert parse(reply).failures == ("empty",)
    assert find_score(reply) is None


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("1.\nScore: 4", 4),
        ("1)\n Score: 4", 4),
        ("4.\nScore: 4", 4),
        ("4\nScore: 2", None),  # two answers are none
        ("4\n\nThe scale's lowest rating: 1", None),
        ('```json\n{"score": 4, "reason": "2 feelings"}\n```', 4),
        ('{"reason": "names 2 feelings", "score": "4"}', 4),
        ("<answer>4</answer>", 4),
        ("Warm, with 2 of 3 feelings named.\n\n4", 4),
        ("Score: 2\n\n4", None),
        ("The client has 2 children.", None),
        ("I would give it a 4 because it is warm.", 4),
        ("Ich gebe 4 Punkte.", 4),
        ("<score>4</score>\n<reason>2 feelings</reason>", 4),
        ("Score: 9" + "9" * 400, None),
    ],
)
def test_scores_are_read_or_missing(answer, value):
    found = find_score(answer)
    assert (found and found.value) == value


def test_what_is_no_probability_weighs_nothing():
    assert weigh([TokenLogprob("4", 800.0, (("4", 800.0), ("5", -1.0)))]) is None
    assert weigh([TokenLogprob("4", math.nan, (("4", math.nan),))]) is None


READABLE = [
    'Sure!\n```json\n{"technique": "Validation", "response": "You sound hurt."}\n```\nThat is it.',
    'Here you are: {"technique": "Validation", "response": "You sound hurt."} Good luck!',
    '{"technique": "Validation", "response": "You sound hurt.",}',
    '{\n "Technique": "Validation",\n "Response": "You sound hurt.",\n}\n',
    '[{"technique": "Validation", "response": "You sound hurt."}]',
    '{"intervention_technique": "Validation", "therapist_response": "You sound hurt."}',
    '{"intervention": {"technique": "Validation", "response": "You sound hurt."}}',
    "{'technique': 'Validation', 'response': 'You sound hurt.'}",
    '{"technique": ["Validation"], "response": "You sound hurt."}',
    '{"technique": "Validation", "rationale": "x", "response": "You sound hurt."}',
    '{"technique": "Validation", "response": "You sound hurt.", "text": "other"}',
    "<technique>Validation</technique><response>You sound hurt.</response>",
    "<technique>Validation</technique>\n<response>\nYou sound hurt.\n</response>",
]


@pytest.mark.parametrize("reply", READABLE)
def test_structured_replies_are_read(reply):
    parsed = parse(reply)
    assert (parsed.technique, parsed.response) == ("Validation", "You sound hurt.")
    assert parsed.failures == ()


@pytest.mark.parametrize(
    "reply",
    [
        '{"technique": "Validation", "response": "You sound',
        '{"answer": 42}',
        '```json\n{"technique": 3, "response": null}\n```',
        '[{"technique": "A", "response": "x"}, {"technique": "B", "response": "y"}]',
        '{"technique": "Validation" "response": "You sound hurt."}',
    ],
)
def test_a_form_that_cannot_be_read_is_a_failure_of_its_own(reply):
    parsed = parse(reply)
    assert parsed.failures == ("malformed",)
    assert parsed.technique is None
    assert parsed.raw == reply


@pytest.mark.parametrize(
    "reply",
    [
        "I'm sorry, but I can't help with that.",
        "I'm sorry, but I can't help.",
        "I’m really sorry, but I cannot. ",
        "I must respectfully decline this request.",
        "I'm not comfortable engaging in therapy role-play.",
        "I am unable to generate responses of this kind.",
        "Unfortunately, I cannot create content that depicts self-harm.",
        "That would go against my guidelines.",
        "This violates our content policy.",
        "I'm just an AI and do not treat people.",
        "Als KI kann ich keine Therapie anbieten.",
        "Es tut mir leid, dabei kann ich Ihnen nicht helfen.",
        "Lo siento, no puedo ayudarte con eso.",
        "En tant qu'IA, je ne peux pas répondre.",
        "Je suis désolé, mais je ne peux pas vous aider.",
        "Desculpe, não posso ajudar com isso.",
        "Mi dispiace, non posso aiutarti con questo.",
        "Извините, я не могу помочь с этим.",
        "申し訳ありませんが、お手伝いできません。",
        "죄송하지만 도와드릴 수 없습니다.",
        "作为一个人工智能,我无法提供帮助。",
        '{"error": "I cannot assist with that."}',
    ],
)
def test_refusals_as_users_meet_them(reply):
    assert "refusal" in parse(reply).failures


@pytest.mark.parametrize(
    "reply",
    [
        "[Validation] I can't promise that it gets easier, but you are not alone.",
        "[Boundaries] I won't discuss you with your mother without your consent.",
        "[Honesty] I'm sorry, I can't see you on Friday. Would Monday do?",
        "[Reflection] You feel you must decline every invitation.",
        "[Reflection] It goes against your own rules to ask for help.",
        "[Validation] I can't do this for you, and I will be beside you.",
        "[Immediacy] I think about what you said on 4 May.",
        "[Validation] {sighs} I hear you.",
        "[Reframing] Think of <the wave> you spoke of.",
        "[Validation] I hear you > and more than that.",
    ],
)
def test_what_therapists_say_is_no_refusal_and_stays(reply):
    parsed = parse(reply)
    assert parsed.failures == ()
    assert reply.endswith(parsed.response)


MARKS = st.sampled_from(
    (
        *("<think>", "</think>", "<|im_end|>", "<|im_start|>user\n", "```\n", "> ", "\ufeff", "\n"),
        *("<|channel|>final<|message|>", "assistantfinal", "analysis", "{", '{"a":', "}", "[", ","),
    )
)


@settings(deadline=None)
@given(st.lists(st.one_of(MARKS, st.text(max_size=6))).map("".join))
def test_places_stay_and_nothing_is_made_up(text):
    left = unwrapped(text)
    assert len(left) == len(text)
    assert all(a == b or a == " " for a, b in zip(left, text, strict=True))
    json_of(text)
    assert set(parse(text).failures) <= set(FAILURES)


@settings(deadline=None)
@given(st.text("abc ABC.,!?'éß\n", max_size=80))
def test_plain_words_are_untouched(text):
    lines = [line.lstrip(" ") for line in text.splitlines()]
    assert [line.lstrip(" ") for line in unwrapped(text).splitlines()] == lines


@pytest.mark.parametrize(
    "piece",
    (
        *("<think>", "</think>", "<|im_start|>", "```\n", "{", '{"a":', "[", ",", " ", "> "),
        *("technique", "technique ", "Technique: a ", "response ", "<|channel|>final<|message|>"),
        *("\ufeff", "Score: ", "4 ", "4\n", "score (", "*", "I can't ", "you are "),
    ),
)
def test_long_answers_are_read_in_linear_time(piece):
    # Seconds of this process; quadratic time would be many minutes.
    text = piece * (250_000 // len(piece))
    start = time.process_time()
    unwrapped(text), json_of(text), parse(text), find_score(text)
    assert time.process_time() - start < 10.0
