"""Notes: every code that a stage can leave is explained, and no other."""

from __future__ import annotations

import ast
from pathlib import Path

from emodiss.vocabulary import IN_PROMPTS, MEANINGS, REASONS, meaning, statuses

PACKAGE = Path(__file__).resolve().parents[1] / "emodiss"


def emitted() -> set[str]:
    """Return the codes in all `notes` properties: the texts that stand in their tuples."""
    found: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef) or node.name != "notes":
                continue
            if "property" not in map(ast.unparse, node.decorator_list):
                continue
            texts = (
                part.value
                for one in ast.walk(node)
                if isinstance(one, ast.Tuple)
                for part in one.elts
                if isinstance(part, ast.Constant)
            )
            found |= {text for text in texts if isinstance(text, str)}
    return found


def test_every_code_a_stage_can_leave_has_a_meaning_and_no_other_has():
    assert {"no_audio", "unbound_voice", "lost_review", "clamped"} <= emitted()
    assert emitted() == set(MEANINGS)


def test_a_meaning_is_one_sentence_and_an_unknown_code_is_said_to_be_unknown():
    for text in MEANINGS.values():
        assert text[0].isupper() and text.endswith(".") and ". " not in text
    assert "another version" in meaning("some_later_code")


def test_statuses_are_the_reasons_and_a_prompt_knows_words_for_each():
    assert statuses("speech") == ("ok", "no_audio", "too_short", "silent", "overlap")
    faces = ("ok", "no_video", "off_screen", "too_small", "too_few_frames", "unbound")
    assert statuses("face") == faces
    for channel in ("speech", "face"):
        assert {f"{channel}:{status}" for status in statuses(channel)[1:]} <= set(IN_PROMPTS)
    assert set(IN_PROMPTS) < set(REASONS)
