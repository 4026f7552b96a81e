"""Answers of judges as models write them: the score that a person would read, or none.

Each right value was decided by hand. `None` stands where an answer states no score of the scale
from 1 to 5, or leaves it open which one.
"""

from __future__ import annotations

import json
from importlib import resources

import pytest

from emodiss.judging.scores import find_bracketed, find_leading, find_score, why_no_score
from emodiss.judging.stated import REASONS
from emodiss.ratings import RatingScale

# The judge was asked for empathy, on the scale from 1 to 5.
READ = {
    4: (
        # numbers and their dress
        *("4", "4.0", "4,0", "4.00", "４", "٤", "۴", "४", "4点", "4 点", "4分", "4점", "4 балла"),
        *("4 points", "4 pts", "4 stars", "4 Punkte", "4 Sterne", "4 étoiles", "4 puntos"),
        *("**4**", "__4__", "`4`", "'4'", '"4"', "“4”", "(4)", "[4]", "[[4]]", "{4}", "# 4"),
        *("$4$", r"$\boxed{4}$", r"\boxed{4}", r"\[ \boxed{4} \]", r"\(4\)", r"$\boxed{\text{4}}$"),
        *(r"The final answer is: $\boxed{4}$", r"\boxed{4}.", r"$$\boxed{4/5}$$"),
        *(
            "4/5",
            "4 / 5",
            "**4**/5",
            "**4/5**",
            "4 out of 5",
            "4 out of five",
            "4 von 5",
            "4 sur 5",
        ),
        *("4 de 5", "4 su 5", "4 of 5", "**4** out of **5**", "4.0/5.0", "4/5 stars", "4 из 5"),
        *("4 out of a possible 5", "5点満点中4点", "5分中的4分"),
        # labels
        *("Score: 4", "score: 4", "SCORE: 4", "**Score:** 4", "**Score**: 4", "**Score: 4**"),
        *(
            "**Score:** 4/5",
            "Score:4",
            "Score : 4",
            "Score = 4",
            "Score：4",
            "Score: ４",
            "Score: ٤",
        ),
        *(
            "Score:\n4",
            "**Score:**\n\n**4**",
            "### Score\n4",
            "## Score: 4",
            "- Score: 4",
            "* Score: 4",
        ),
        *("Score: 4.", "Score: 4.0", "Score: 4,0", "Score: [4]", "Score: <4>", "Score: `4`"),
        *("Score: **4** / 5", "Score: 4 out of 5", "Score: 4 (out of 5)", "Score: 4 (max 5)"),
        *("Score (1-5): 4", "Score (1–5): 4", "Empathy (1 to 5): 4", "Score (out of 5): 4"),
        *("Score: 4 (1 = poor, 5 = exceptional)", "Score: 4 on a scale of 1 to 5"),
        *(
            "Empathy: 4",
            "Empathy Score: 4",
            "Empathy score - 4",
            "Empathy rating: 4",
            "empathy = 4",
        ),
        *("Rating: 4", "My rating: 4", "Final score: 4", "Overall score: 4", "Final rating: **4**"),
        *("Answer: 4", "Final answer: 4", "The answer is 4.", "The score is 4.", "Grade: 4"),
        *("Evaluation form (score only): 4", "Score: 4 because it names the loss."),
        *("Bewertung: 4", "Punktzahl: 4", "Note : 4/5", "Puntuación: 4", "Puntuación: 4/5"),
        *(
            "Pontuação: 4",
            "Punteggio: 4",
            "Оценка: 4",
            "评分：4",
            "得分：4分",
            "スコア：4",
            "評価：4",
        ),
        *("점수: 4", "التقييم: 4", "النتيجة: ٤", "ציון: 4", "Ocena: 4", "Puan: 4", "Poäng: 4"),
        *("Empathie: 4", "Empatía: 4", "共感：4", "同理心：4分"),
        *("<score>4</score>", "<rating>4</rating>", "<empathy>4</empathy>", "<answer>4</answer>"),
        *("<Score>\n4\n</Score>", "<output><score>4</score></output>"),
        # sentences
        *(
            "I would give it a 4.",
            "I'd rate this a 4.",
            "I rate it 4 out of 5.",
            "This deserves a 4.",
        ),
        *("I give this response a score of 4.", "I would assign a rating of 4 for empathy."),
        *("Ich gebe 4 Punkte.", "Ich gebe eine 4.", "Je donne 4/5.", "Le doy un 4.", "我给4分。"),
        *(
            "4点です。",
            "この応答は4点です。",
            "4 - Good",
            "4 – it names the loss.",
            "4 (good)",
            "4: warm.",
        ),
        *("4, because it names the loss.", "4\nThe reply names 2 feelings.", "4\n\nConfidence: 3"),
        *("4\n4\n4", "Score: 4\nScore: 4", "Score: 4\n\n4", "Rating: 4 | Confidence: 5"),
        *(
            "The reply names 2 of 3 feelings.\n\nScore: 4",
            "1. It listens.\n2. It asks.\n\nScore: 4",
        ),
        *(
            "The scale goes from 1 (poor) to 5 (exceptional).\nScore: 4",
            "Score: 4\n- for 3 reasons",
        ),
        "1 = poor\n2\n3\n4\n5 = exceptional\n\nEvaluation form (score only):\nScore: 4",
        # JSON and its like
        *('{"score": 4}', '{"score": 4.0}', '{"score": "4"}', '{"score": "4/5"}', "{'score': 4}"),
        *('{"empathy": 4}', '{"Empathy": 4}', '{"rating": 4}', "{score: 4}", '{"score": 4,}'),
        *('```json\n{"score": 4}\n```', '```\n{"score": 4}\n```', '~~~json\n{"score": 4}\n~~~'),
        *('Sure!\n```json\n{"score": 4}\n```\nHope it helps.', '[{"score": 4}]', '{"score": [4]}'),
        *(
            '{"score": 4, "reason": "names 2 feelings"}',
            '{"reason": "names 2 feelings", "score": 4}',
        ),
        '{\n  // from 1 to 5\n  "score": 4 // good\n}',
        *('{"score": 4, /* of 5 */ "reason": "warm"}', '{"score": 4, "confidence": 0.8}'),
        *(
            '{"score": 4, "confidence": NaN}',
            '{"result": {"score": 4}}',
            '{"scores": {"empathy": 4}}',
        ),
        *("score: 4\nreason: names 2 feelings", "---\nscore: 4\n---"),
        # thinking
        *("<think>Score: 2 seems harsh.</think>\n4", "Maybe a 3.\n</think>\n\nScore: 4"),
        *("<thinking>3? No.</thinking><score>4</score>", "[THINK]2[/THINK]4"),
        "<|channel|>analysis<|message|>2 or 3<|end|><|start|>assistant<|channel|>final<|message|>4",
        # several criteria, of which one was asked for
        *("Empathy: 4\nApplicability: 3\nComprehensiveness: 5", "Applicability: 3\nEmpathy: 4"),
        *(
            "- **Applicability**: 3\n- **Empathy**: 4",
            "| Empathy | 4 |",
            "|Criterion|Score|\n|---|---|\n|Empathy|4|",
        ),
        *('{"applicability": 3, "empathy": 4, "comprehensiveness": 5}',),
        *('{"applicability": 3, "empathy": {"score": 4}}',),
    ),
    3: (
        # written after the reader was, with no look at it
        *(
            "3 (moderate)",
            "Rating: 3/5",
            "My score is 3.",
            "I'd go with a 3.",
            "3 ⭐",
            "**Empathy:** 3/5 — it listens, but hurries.",
            "Empathy — 3",
            "- Score: 3\n- Reason: it names 2 of the client's feelings",
            "Reasoning: The therapist validates.\nScore: 3",
            "The response shows warmth in turn 2 and turn 4.\n\n**Score: 3**",
            "Final Answer: **3**",
            "So the final score would be 3.",
            "Thus, the score is: 3",
            "Therefore I'd assign it a 3 out of 5.",
            "### Empathy: 3",
            "#### Rating\n\n3",
            '{\n "score": 3,\n "explanation": "Mentions 4 things."\n}',
            '{"Score": 3, "Rationale": "ok"}',
            "```yaml\nscore: 3\n```",
            "<response><score>3</score><reason>ok</reason></response>",
            "<Rating>3</Rating>",
            "score=3",
            "Score → 3",
            "Score=3/5",
            "SCORE - 3",
            "Score : 3 / 5.",
            "Score: 3\n\nThe scale: 1 = poor, 5 = exceptional.",
            "3\n\n(1 = poor, 5 = exceptional)",
            "Wertung: 3",
            "Gesamtbewertung: 3 von 5 Punkten",
            "Note: 3",
            "Je lui donne un 3.",
            "J'attribue la note de 3 sur 5.",
            "Le daría un 3 de 5.",
            "Calificación: 3",
            "Daria un 3.",
            "Eu daria nota 3.",
            "Nota: 3",
            "Оценка: 3 из 5",
            "评分为3",
            "评分是3分",
            "我认为应该打3分。",
            "3です",
            "점수는 3점입니다.",
            "3점입니다.",
            "الدرجة: ٣ من ٥",
            "The answer is $3$.",
            "Score: \\boxed{3}",
            "\\[\\boxed{3}\\]",
            "Score: 3 ✅",
            "**3** – somewhat empathic",
            "Assessment: 3 — average.",
            "3!",
            "Sure, here is my rating: 3",
            "Evaluation:\n- Empathy: 3",
            "Empathy 3/5",
            "Empathy=3;Applicability=4",
            "| Criterion | Score | Reason |\n|---|---|---|\n| Empathy | 3 | warm |",
            "Score: 3 (average)",
            "Score: 3, since it names the loss",
            "Score: 3; it names the loss",
            "“3”",
            "3）",
            "【3】",
            "3。",
            "Score: 3/5 (moderate)",
            "<|im_start|>assistant\n3<|im_end|>",
            "Step 1: the reply validates.\nStep 2: it asks.\nScore: 3",
            "1) warm 2) asks\nScore: 3",
            '{"evaluation": [{"criterion": "empathy", "score": 3}]}',
            '{"final_score": 3}',
            '{"empathy_score": 3}',
            '{"empathy score": "3"}',
            '{"score": 3, "scale": "1-5"}',
        ),
    ),
    None: (
        *(
            "3 or so",
            "~3",
            "around a 3",
            "a 3 or a 4",
            "3, maybe 4",
            "3 (or 4)",
            "3/4",
            "3.2",
            "3 and a half",
            "between a 2 and a 3",
            "2 < x < 4",
            "Not a 3 but close",
            "higher than 3",
            "It is hard to say: 3?",
            "somewhere from 3 to 4",
            "Score: 3 ± 1",
            "Score: approx. 3",
            "Score: 3 - 4 points",
            "Score: three",
            "Score: TBD",
            "Score: _",
            "Score: ____",
            "Score: 3 out of 7",
            "Score: 3 (on a 7-point scale)",
            "3 on a 10-point scale",
            "3 of 10",
            "30%",
            "Score: 30/100",
            "Score: 3/10 stars",
            "Empathy: 3/10",
            "3 thumbs up",
            "In 3 sentences, the therapist listens.",
            "Client has been sober for 3 months.",
            "They talk about 3 topics",
            "at 3 pm",
            "Therapist (line 3) is warm.",
            "Call 116 123.",
            "Call 1-800-273-8255.",
            "See DSM-5.",
            "DSM 5",
            "PHQ-9 of 3",
            "I can't rate this.",
            "I'm unable to give it a 3.",
            "Error 503",
            "HTTP 429: too many requests",
            "<|endoftext|>",
            "assistant",
            "Score: 3\nScore: 4",
            "3\n\n5",
            "The first draft gets 3 and the second gets 5.",
            "Score: 3, no wait, 4.",
            "Score: 3... on second thought 4.",
            "I'd say 3. Hmm, actually it deserves a 4.",
            "3\n\nEdit: 4",
            "Score: 3 (revised: 4)",
            "Score: 3 → revised to 4",
            "Max score: 5",
            "Minimum: 1",
            "Number of turns: 3",
            "Applicability: 3\nComprehensiveness: 4",
            '{"score": "3 or 4"}',
            '{"score": {"min": 3, "max": 4}}',
            '{"scores": [3, 4, 5]}',
            '{"score": -3}',
            '{"score": true}',
            '{"error": 3}',
            '{"id": 3}',
            '["3", "4"]',
            '{"score": 3, "max": 7}',
            "Score: 3 of 9",
            "Temperature 3",
            "3x",
            "x3",
            "3rd",
            "No. 3",
            "№ 3",
            "Item 3: good",
            "Version 3.",
            "Score A: 3\nScore B: 4",
            "Score: 3 vs 4",
            "3 | 4",
            "III",
            "3e0",
            "0.6",
            "6/5",
            "Score: 3,5",
            "3½ stars",
            "Score is at least 3",
            "The score should not be below 3.",
            "I would not go above 3.",
        ),
        # nothing to read
        *(
            "",
            "   ",
            "\n",
            "good",
            "N/A",
            "None",
            "null",
            "NaN",
            "n/a",
            "-",
            "...",
            "four",
            "Score: four",
        ),
        *("IV", "Score: IV", "Four out of five", "vier", "★★★★☆", "⭐⭐⭐⭐", "A", "B+", "high"),
        *(
            "Score:",
            "Score: ",
            "The score is",
            "**Score:**",
            "Score: N/A",
            "Score: -",
            "Score: [score]",
        ),
        *('{"score": null}', '{"score": NaN}', '{"score": ""}', '{"score": "high"}', "{}", "[]"),
        *('{"score": null, "max": 4}', '{"score": NaN, "confidence": 4}', '{"confidence": 4}'),
        *("<score></score>", "<score>high</score>", "<think>4", "<think>Score: 4</think>"),
        # off the scale, between its points
        *(
            "0",
            "6",
            "10",
            "-4",
            "- 4.5",
            "4.5",
            "4,5",
            "4½",
            "3.7",
            "Score: 4.5",
            "Score: 0",
            "Score: 7",
        ),
        *(
            "Score: -4",
            '{"score": 4.5}',
            '{"score": 40}',
            "4,000",
            "Score: 4e1",
            "4.5/5",
            "Score: 45",
        ),
        # another scale
        *(
            "4 out of 10",
            "4/10",
            "Score: 4/10",
            "Score: 4 out of 10",
            "Score: 4 (max 7)",
            "4 von 10",
        ),
        *("Score: 4 (out of 7)", "Score (1-10): 4", "Empathy (0-10): 4", "Score (out of 10): 4"),
        *(
            "Score: 4 on a 1-7 scale",
            "On a scale from 1 to 10, I'd give it a 4.",
            "4/4",
            "3/4",
            "4%",
        ),
        *(
            "Score: 4%",
            "4/100",
            "Score: 4 / 7",
            "**4**/10",
            "4 out of ten",
            "4 sur 10",
            "10分中4分",
        ),
        *(
            "4 (scale: 1-7)",
            '{"score": 4, "max_score": 10}',
            '{"score": "4/10"}',
            "4 из 10",
            "4 de 10",
        ),
        *(
            "10点満点中4点",
            "Score: 4 (0 = worst, 10 = best)",
            "<score>4/10</score>",
            r"\boxed{4/10}",
        ),
        # ranges, bounds and doubts
        *(
            "3-4",
            "3–4",
            "3 - 4",
            "3 to 4",
            "3 or 4",
            "3~4",
            "3〜4",
            "3/4 or 4/5",
            "between 3 and 4",
        ),
        *("Between 3 and 4.", "Score: 3-4", "Score: 3–4", "Score: 3 to 4", "Score: 3~4", "3 bis 4"),
        *("Score: 3 bis 4", "Score: 3 à 4", "entre 3 y 4", "Score: 3, 4", "Score: between 3 and 4"),
        *("Score: 3/5 or 4/5", "Score: >4", "Score: ≥4", ">4", "4+", "Score: 4+", "at least 4"),
        *(
            "less than 4",
            "no more than 4",
            "Score: 4 or higher",
            "Score: at least 4",
            "below 4",
            "4?",
        ),
        *(
            "Score: 4?",
            "maybe 4?",
            "Score: 3.5-4",
            "[[3]] or [[4]]",
            '{"score": "3-4"}',
            '{"score": [3, 4]}',
        ),
        *(
            "I would not give this a 5.",
            "This is not a 4.",
            "It cannot be a 5.",
            "Not 4",
            "Score: not 4",
        ),
        *("Das ist keine 4.", "Ce n'est pas un 4."),
        # taken back
        *(
            "Score: 4. Actually, 3.",
            "4\nActually, 3",
            "4... no, 3.",
            "Score: 4\n\nOn reflection, 3 is fairer.",
        ),
        *(
            "Score: 4\nWait, I would lower it to 3.",
            "Score: 4\nCorrection: 3",
            "Score: 4 → 3",
            "4 -> 3",
        ),
        *("Score: 4. Hmm, let me revise that to a 3.", "Score: 4\nActually, 3\nActually, 2"),
        *(
            "Score: 4\nFinal: 3",
            "Score: 2\n\nScore: 4",
            "~~4~~ 3",
            "Score: ~~4~~ 3",
            "4, no, make it 3",
        ),
        *("Score: 4. Nein, doch 3.", "Rating: 4. Let me change it to 3.", "Score: 4, or rather 3"),
        # numbers of other things
        *("The client has 2 children.", "The reply names 4 feelings.", "It refers to utterance 4."),
        *(
            "As said in step 4.",
            "See line 4.",
            "It meets criterion 4.",
            "Confidence: 4",
            "Let me think. Step 1",
        ),
        *(
            "1. The reply validates the loss.",
            "Score: N/A (see criterion 4)",
            "Score: none. See line 4.",
        ),
        *(
            "Session 4",
            "Question 4: is it warm?",
            "Turn 4 is warm.",
            "The client is 4.",
            "At 4 a.m.",
        ),
        *(
            "Rating: 3 strengths and 2 weaknesses",
            "Score: 4 strengths were found",
            "Length: 4",
            "#4",
        ),
        *(
            "Item 4.",
            "Page 4",
            "version 4",
            "GPT-4",
            "in 4 ways",
            "Her son is 4",
            "4 children",
            "4 of the 5 steps",
        ),
        # refusals, halves, other criteria
        *(
            "I cannot rate this. Call 988 if you are in crisis.",
            "I'm sorry, but I can't assign a score.",
        ),
        *(
            "As an AI language model, I cannot evaluate therapy (see section 4).",
            "I refuse to give a 4.",
        ),
        *("Applicability: 4", "Applicability: 4\nComprehensiveness: 4", '{"applicability": 4}'),
        *(
            "First, I look at step 1: does the",
            "The reply is warm and",
            "Score: 4\n\nDialogue:\n| a\nScore: 2",
        ),
        *(
            "Response A: 4\nResponse B: 3",
            "Helpfulness: 4\nHarmlessness: 5",
            "4 5",
            "4, 5",
            "4 3 5",
        ),
    ),
}


@pytest.mark.parametrize("value", [3, 4])
def test_a_stated_score_is_read(value):
    found = {text: find_score(text, asked="empathy") for text in READ[value]}
    assert [text for text, each in found.items() if each is None or each.value != value] == []


def test_no_score_is_made_up():
    found = {text: find_score(text, asked="empathy") for text in READ[None]}
    assert [text for text, each in found.items() if each] == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Warm and brief.", "none"),
        ("4\nScore: 2", "several"),
        ("4.5", "off_scale"),
        ("Score: 4/10", "other_scale"),
        ("Score: 3-4", "vague"),
        ("Score: 4. Actually, 3.", "taken_back"),
        ("Score: 4", ""),
    ],
)
def test_a_missing_score_has_its_reason(text, reason):
    assert why_no_score(text, asked="empathy") == reason
    assert reason in ("", *REASONS)


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("4, warm", 4),
        ("4/5, warm", 4),
        ("4/10, warm", None),
        ("Score: 4/10", None),
        ("3-4, warm", None),
    ],
)
def test_an_answer_that_begins_with_its_score_states_the_scale_that_was_asked(answer, value):
    assert find_leading(answer, scale=RatingScale(0, 5, 1)) == value


def test_ratings_in_brackets_are_of_the_scale_that_was_asked():
    assert find_bracketed("Rating: 4/5") == 4
    assert find_bracketed("Rating: 4/10") is None
    assert find_bracketed("The rating is [[4/5]]") == 4
    assert find_bracketed("The rating is [[4/10]]") is None


def test_the_lists_of_words_name_nothing_twice():
    text = resources.files("emodiss.data").joinpath("stated_scores.json").read_text("utf-8")
    lists = json.loads(text, object_pairs_hook=lambda pairs: pairs)
    assert len({kind for kind, _ in lists}) == len(lists)
    for kind, words in lists:
        assert len({str(word) for word in words}) == len(words), kind
