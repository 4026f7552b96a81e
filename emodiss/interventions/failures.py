"""Failure cases of appendix F, seen from the form of a reply."""

from __future__ import annotations

import re
from collections.abc import Sequence

from emodiss.chat.answers import looks_like_json

FAILURES = (
    "empty",
    "malformed",
    "refusal",
    "explanation",
    "echoed_turns",
    "several_turns",
    "trailing_explanation",
)
"""Failure codes, the gravest first; `ParsedReply.failure` is the first one that applies.

`empty`: no response. `malformed`: meant as JSON, and no technique and response could be read from
it. `refusal`: the model declines. `explanation`: it explains or describes
instead of continuing the dialogue (appendix F). `echoed_turns`: it begins with a turn of the
patient or repeats an utterance of the prompt. `several_turns`: it writes more than one turn.
`trailing_explanation`: it continues the dialogue and then explains itself.
"""

THERAPISTS = r"Therapist|Counsell?or|Psychologist|Clinician|Assistant"
PATIENTS = r"Patient|Client"

_EXPLAINING = (
    r"(?:explanation|rationale|reasoning|justification|analysis|notes?|commentary|disclaimer)"
)
EXPLAINING_WORD = re.compile(rf"\A{_EXPLAINING}\Z", re.IGNORECASE)
_EXPLAINING_LABEL = re.compile(rf"[\s*_(\[#]*{_EXPLAINING}\b[*_]*\s*:", re.IGNORECASE)
_VERB = (
    r"(?:encourages|helps|allows|aims|seeks|validates|acknowledges|demonstrates|shows|provides|"
    r"invites|reflects|is (?:intended|meant|designed))"
)
_NOUN = (
    r"(?:responses?|techniques?|interventions?|approach|questions?|statement|reply|method|strategy)"
)
# "This encourages ...", "The intervention technique ...", "By reflecting ..."
_META = re.compile(
    rf"[\s*_(\[\"“]*(?:(?:this|these|the|my)\s+(?:\w+\s+){{0,2}}?{_NOUN}|this\s+{_VERB}|"
    r"by\s+(?:using|reflecting|asking|validating|acknowledging))\b",
    re.IGNORECASE,
)
_SELF = re.compile(
    r"[\s*_(\[\"“]*(?:this|these|my)\s+(?:\w+\s+){0,2}?"
    r"(?:responses?|reply|techniques?|interventions?)\b",
    re.IGNORECASE,
)
_PATIENT = re.compile(r"\b(?:patient|client)(?:'s|s'|s)?\b", re.IGNORECASE)
_ABOUT = re.compile(
    r"\b(?:therapist|technique|intervention|dialogue|transcript|video)(?:'s|s)?\b", re.IGNORECASE
)
_YOU = re.compile(r"\b(?:you|your|yours|yourself|yourselves)\b", re.IGNORECASE)
_I = re.compile(r"\b(?:I|me|my|we|us|our|let's)\b", re.IGNORECASE)

_NOT_ABLE = (
    r"I(?: can't| cannot| can not| won't| will not| am unable to| am not able to|'m unable to"
    r"|'m not able to|'m afraid I can't| must decline to| have to decline to| won't be able to"
    r"|'m not comfortable| am not comfortable)(?: directly| really| continue to)?"
)
_MODEL = r"(?:ai|artificial intelligence|(?:large )?language model|virtual assistant|chatbot)"
_REFUSAL = re.compile(
    rf"\bas an? {_MODEL}\b|\bI(?:'m| am)(?: just| only)? an? {_MODEL}\b|\b{_NOT_ABLE} "
    r"(?:assist(?:ing)?|fulfill?(?:ing)?|comply(?:ing)?|engag(?:e|ing) (?:in|with)|participat\w+|"
    r"role-?play\w*|generat\w+|process|complete this|continu(?:e|ing) (?:this|the|with)|"
    r"respond(?:ing)? to (?:this|that)|help(?:ing)? (?:you )?with|do that|"
    r"answer(?:ing)? (?:this|that)|discuss (?:this|that)|"
    r"(?:creat|writ|produc)(?:e|ing) (?:\w+ ){0,3}(?:content|respons\w+|dialogues?|repl\w+|"
    r"intervention\w*|material)|"
    r"(?:provid|offer|giv)(?:e|ing)? (?:\w+ ){0,3}(?:help|advice|therapy|treatment|"
    r"assistance|responses?|diagnos[ei]s|counsell?ing|support|interventions?|content))\b"
    r"|\b(?:I'm|I am) (?:really |very |so )?sorry,? but I (?:can't|cannot|can not|won't)"
    r"(?: help| do)?\s*[.!]"
    r"|\bI (?:must|have to|need to) (?:respectfully )?decline\b"
    r"|\b(?:against|violat\w+) (?:\w+ ){0,3}(?:guidelines|polic(?:y|ies)|programming|terms)\b"
    # The same in some other languages that a session may be held in.
    r"|\bals (?:ein )?(?:KI|Sprachmodell|künstliche Intelligenz)\b"
    r"|\b(?:dabei|damit|Ihnen|dir) (?:leider )?nicht (?:weiter)?helfen\b"
    r"|\b(?:dabei|damit) kann ich (?:\w+ ){0,2}nicht\b|\bdazu kann ich (?:leider )?nichts\b"
    r"|\bcomo (?:una? )?(?:IA|inteligencia artificial|modelo de lengua\w*)\b"
    r"|\bno puedo (?:ayudar(?:te|le)?|asistir(?:te|le)?) con\b"
    r"|\ben tant qu(?:e |')(?:IA|modèle de langage|intelligence artificielle)\b"
    r"|\bje (?:suis désolée?,? mais je )?ne (?:peux|puis) pas (?:vous |t')?aider (?:avec|à)\b"
    r"|\bdésolée?,? mais je ne (?:peux|puis) pas (?:vous |t')?aider\b"
    r"|\bnão posso ajudar (?:com|nisso)|\bcomo (?:uma )?inteligência artificial\b"
    r"|\bnon posso aiutart[ie] con\b|\bin quanto (?:IA|modello linguistico)\b"
    r"|не могу (?:\w+ ){0,2}(?:помочь|ответить) (?:с|на) эт|как (?:ИИ|языковая модель)"
    r"|お手伝い(?:すること(?:は|が))?でき(?:ません|かねます)|お答えできません|AIとして"
    r"|도와드릴 수 없|답변(?:을)? (?:드릴|할) 수 없|AI로서"
    r"|作为(?:一个|一名)?(?:AI|人工智能|语言模型)|(?:我|抱歉[,，]?\s?我?)(?:无法|不能)(?:提供|协助|帮助|回答)",
    re.IGNORECASE,
)
_REFUSAL_REACH = 400  # a refusal opens a reply; later, the same words may be the patient's

# At the start of a line in any case, or after the end of a sentence with a capital.
_TURN_LABEL = re.compile(
    rf"(?:^[ \t>*_]{{0,6}}|(?<=[.!?\"”*)])[ \t]+[*_]{{0,3}})(?P<who>{THERAPISTS}|{PATIENTS})"
    r"(?: \d)?(?:[ \t]*\([^)\n]{0,200}\))?[*_]{0,3}[ \t]*:",
    re.MULTILINE,
)
_ECHO_WORDS = 4  # shorter lines ("I see.") are repeated by chance


def find_failures(body: str, response: str, context: Sequence[str]) -> tuple[str, ...]:
    """Flag what is wrong with a reply."""
    body, response = body.replace("’", "'"), response.replace("’", "'")
    refuses = bool(_REFUSAL.search(body[:_REFUSAL_REACH]))
    if looks_like_json(response):  # other flags would speak of its keys and brackets
        return ("malformed", "refusal") if refuses else ("malformed",)
    explains = _explains(_TURN_LABEL.sub(" ", response).strip())
    found = {
        "empty": not any(char.isalnum() for char in response),
        "refusal": refuses,
        "explanation": explains,
        "echoed_turns": _echoes(body, response, context),
        "several_turns": any(match.start() > 0 for match in _TURN_LABEL.finditer(response)),
        "trailing_explanation": not explains and _explains_later(response),
    }
    return tuple(name for name in FAILURES if found.get(name))


def speaker_of(label: str) -> str | None:
    """Tell whose label it is."""
    plain = label.split("(", 1)[0].strip(" \t*_>:")
    if re.fullmatch(rf"(?:{THERAPISTS})(?: \d)?", plain, re.IGNORECASE):
        return "therapist"
    return "patient" if re.fullmatch(rf"(?:{PATIENTS})(?: \d)?", plain, re.IGNORECASE) else None


def _explains(response: str) -> bool:
    """Whether a response explains or describes instead of speaking to the patient."""
    if _EXPLAINING_LABEL.match(response):
        return True
    about_patient, speaks = _PATIENT.search(response), _YOU.search(response)
    if _META.match(response) and about_patient:
        return True
    if speaks:
        return False
    if about_patient or _SELF.match(response):
        return True
    return bool(_ABOUT.search(response)) and not _I.search(response)


def _explains_later(response: str) -> bool:
    parts = re.split(r"\n+|(?<=[.!?\"”])\s+(?=\()", response)[1:]
    return any(
        _EXPLAINING_LABEL.match(part) or (_META.match(part) and _PATIENT.search(part))
        for part in parts
    )


def _echoes(body: str, response: str, context: Sequence[str]) -> bool:
    before = body[: max(0, body.find(response))] if response else body
    for match in _TURN_LABEL.finditer(before):
        if speaker_of(match.group("who")) == "patient":
            return True
    opening = _TURN_LABEL.match(response)
    if opening and speaker_of(opening.group("who")) == "patient":
        return True
    said = {bare for line in context if len((bare := _bare(line)).split()) >= _ECHO_WORDS}
    # So many words and the blanks between them.
    lines = [line for line in f"{body}\n{response}".split("\n") if len(line) >= 2 * _ECHO_WORDS - 1]
    unnamed = (re.sub(r"\A[^:\n]{1,200}:\s", "", line) for line in lines)
    return bool(said) and not said.isdisjoint(map(_bare, (*lines, *unnamed)))


def _bare(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.replace("’", "'").casefold()))
