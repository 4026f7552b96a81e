"""Taking a reply apart: technique here, response there."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from typing import Any

from emodiss.chat.answers import json_of, looks_like_json, unwrapped
from emodiss.interventions.failures import EXPLAINING_WORD, THERAPISTS, find_failures, speaker_of
from emodiss.interventions.records import ParsedReply, ParseMode
from emodiss.interventions.techniques import DECORATION, normalise_technique, tidy_name

_MAX_NAME_WORDS = 15
# The labels in the languages in which `failures` knows refusals.
_RESPONSE_ABROAD = (
    r"antwort|respuesta|réponse|resposta|risposta|ответ|応答|返答|回答|응답|답변|回复|回應|回应"
)
_TECHNIQUE_ABROAD = (
    r"(?:(?:angewandte|therapeutische|therapie)[ \t-]{0,9})?"
    r"(?:interventions)?technik"  # codespell:ignore
    r"|t[ée]cnica(?:[ \t]{1,9}(?:terapéutica|terapêutica|terapeutica))?"
    r"|technique[ \t]{1,9}thérapeutique|intervención|intervenção|intervento"
    r"|(?:терапевтическая[ \t]{1,9})?техника|技法|介入|기법|기술|技术|技術|技巧"
)
_TAGS = re.compile(
    r"<(?:therapeutic_|intervention_)?technique>(?P<technique>[^<]*)</(?:\w{1,20}_)?technique>\s*"
    r"<(?:your_|therapist_)?response>",
    re.IGNORECASE,
)
_TAGS_END = re.compile(r"</(?:\w{1,20}_)?response>", re.IGNORECASE)
_TECHNIQUE_KEYS = re.compile(
    rf"(?:\w{{1,40}}_)?(?:technique|techniques|intervention)(?:_name|_label)?|{_TECHNIQUE_ABROAD}"
)
_RESPONSE_KEYS = re.compile(
    rf"(?:\w{{1,40}}_)?(?:response|reply|continuation|utterance)|therapist|text|{_RESPONSE_ABROAD}"
)
_PREAMBLE = re.compile(
    r"\A(?:sure|certainly|of course|okay|ok|absolutely|here(?:'s| is| are)|based on)\b[^\n]{0,200}:"
    r"\s*\n+(?=\S)",
    re.IGNORECASE,
)
_IS = r"(?:[:：=]|→|[-=]>)"
_RESPONSE_LABEL = re.compile(
    r"\A[\s*_#>•\-\U0001f000-\U0001faff\u2600-\u27bf\ufe0f]*(?:\d{1,2}[.)]\s*)?\[?"
    r"(?:your |therapist(?:'s)? |my )?"
    rf"(?:response|reply|continuation|{_RESPONSE_ABROAD})\]?"
    rf"[\s*_]*(?:{_IS}[\s*_]*|(?<=\])\s*)",
    re.IGNORECASE,
)
_RESPONSE_HEADING = re.compile(
    r"\A\s*(?:#{1,6}[ \t]{1,9}|\*\*|__)(?:your |therapist(?:'s)? |my )?"
    rf"(?:response|reply|continuation|{_RESPONSE_ABROAD})(?:\*\*|__)?[ \t]*\n+",
    re.IGNORECASE,
)
_HTML = re.compile(
    r"<(?P<close>/?)(?:p|div|strong|b|em|i|br|h[1-6]|ul|ol|li|span)\b[^<>]{0,80}>", re.I
)
_BLOCK = re.compile(r"\A[|>][-+]?[ \t]*\n(?=[ \t])")  # of YAML
_ADDRESSED = re.compile(
    rf"\A[*_]{{0,3}}(?:{THERAPISTS}|assistant)[*_]{{0,3}}[ \t]*:[ \t*_]*(?=[\[【(])", re.IGNORECASE
)
_RESPONSE_INLINE = re.compile(
    r"[*_]{0,3}(?:\[(?:your )?response\][*_]{0,3}\s{0,9}:?|"
    rf"\b(?:(?:your )?response|{_RESPONSE_ABROAD})[*_]{{0,3}}\s{{0,9}}[:：])[\s*_]*",
    re.IGNORECASE,
)
_TECHNIQUE_LABEL = (
    rf"(?:{_TECHNIQUE_ABROAD}|"
    r"(?:(?:suggested|applied|chosen|selected|recommended|specific|name of)[ \t]{1,9})?"
    r"(?:the[ \t]{1,9})?"
    r"(?:(?:(?:therapeutic|therapy|intervention|psychotherapeutic)[ \t]{1,9}){0,3}technique|"
    r"intervention)"
    r"(?:[ \t]{1,9}(?:name|applied|used|chosen))?[ \t]{0,9}\d{0,2})"
)
_TECHNIQUE_LINE = re.compile(
    r"^[ \t>*_#(\[•\-\U0001f000-\U0001faff\u2600-\u27bf\ufe0f]{0,8}(?:\d{1,2}[.)][ \t*_]*)?"
    rf"{_TECHNIQUE_LABEL}[\])*_]{{0,4}}[ \t]{{0,9}}{_IS}[ \t*_]*(?P<line>[^\n]*)",
    re.IGNORECASE | re.MULTILINE,
)
_GENERIC_BRACKET = re.compile(rf"\A{_TECHNIQUE_LABEL}\Z", re.IGNORECASE)
_LABEL_START = re.compile(rf"\A{_TECHNIQUE_LABEL}[ \t]*[:：][ \t]*", re.IGNORECASE)
_RULE = re.compile(r"[-:| \t]*")
_BRACKET = re.compile(
    r"\A[*_#\s]{0,6}[\[【]{1,2}([^\[\]【】\n]{1,200})[\]】]{1,2}[*_]{0,3}[ \t]*[:–—-]?[ \t]*"
)
_ROUND = re.compile(r"\A[*_#\s]{0,6}\(([^()\n]{1,200})\)[*_]{0,3}[ \t]*(?:[:–—-][ \t]*)?(?=\S)")
_BOLD = re.compile(r"\A(?:\*{2,3}|__)([^*_\n]{2,160}?)(?:\*{2,3}|__)[ \t]*[:–—-]?[ \t]*")
_HEADING = re.compile(r"\A#{1,6}[ \t]+([^\n]{2,160})\n+")
_COLON = re.compile(r"\A([^:\n]{2,160}):[ \t]*(?=\S|\n)")
_DASH = re.compile(r"\A([^\n]{2,80}?)[ \t]+[–—-][ \t]+(?=[A-Z\"“])")
_NAME_STOPS = re.compile(
    r"\b(?:you|your|you're|i|i'm|i've|we|let's|me|my|he|she|they|it's|it|that's|what|how|why)\b",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?](?=[\s\"”*]+\S)")
_SMALL_WORDS = frozenset(
    {"a", "an", "and", "as", "at", "by", "for", "from", "in", "into", "of", "on", "or", "the"}
    | {"specifically", "to", "using", "via", "with"}
)


def parse(text: str | None, *, context: Iterable[str] = ()) -> ParsedReply:
    """Take a reply apart into technique and response, and flag failures.

    Parameters
    ----------
    text
        The model's reply; None counts as empty.
    context
        Utterances of the prompt. Where given, a reply that repeats one of them as a line is
        flagged as an echo even when it names no speaker.

    Returns
    -------
    ParsedReply
        Never raises on any text. Met in this order: a JSON object with a technique and a
        response; the same in tags; in a Markdown table; `[Technique] response`; a
        line `Technique: ...`; a bold or heading line; a first line up to a colon; a first line
        alone that is a technique's name.

    Notes
    -----
    Taken away before reading: what `emodiss.chat.answers.unwrapped` names (thinking aloud, control
    tokens, code fences), and an opening line such as "Here is my response:". A leading
    `Therapist:` and quotation marks around the whole response go too. Not changed: anything
    inside the response.
    """
    raw = "" if text is None else text
    lines = raw.replace("\r\n", "\n").replace("\r", "\n")
    body = _PREAMBLE.sub("", unwrapped(lines).strip(), count=1).strip()
    if body.startswith("<"):
        body = _HTML.sub(
            lambda tag: "\n" if tag["close"] or tag[0][:3].lower() == "<br" else "", body
        ).strip()
    body = _ADDRESSED.sub("", body, count=1)
    technique, response, mode = _split(body)
    if technique is not None:
        technique = tidy_name(technique) or None
    response = _tidy_response(response)
    return ParsedReply(
        technique=technique,
        response=response,
        failures=find_failures(body, response, list(context)),
        parse_mode=mode if technique is not None or mode == "json" else "none",
        raw=raw,
    )


def _split(body: str) -> tuple[str | None, str, ParseMode]:
    """Technique, response and mode of a reply without its wrapping."""
    found = _as_json(body)
    if found is not None:
        return found
    if looks_like_json(body):
        return None, body, "none"
    for reader in (
        _as_tags,
        _as_table,
        _as_bracket,
        _as_technique_line,
        _as_bold,
        _as_colon,
        _as_first_line,
    ):
        found = reader(body)
        if found is not None:
            return found
    return None, body, "none"


_Found = tuple[str | None, str, ParseMode]


def _as_json(body: str) -> _Found | None:
    record = json_of(body)
    if isinstance(record, list) and len(record) == 1:
        record = record[0]
    if isinstance(record, dict) and len(record) == 1:  # {"intervention": {...}}
        [inner] = record.values()
        record = inner if isinstance(inner, dict) else record
    if isinstance(record, dict):  # what a tool is called with
        called = record.get("arguments", record.get("parameters"))
        called = json_of(called) if isinstance(called, str) else called
        record = called if isinstance(called, dict) else record
    if not isinstance(record, dict):
        return None
    plain = {re.sub(r"\W+", "_", str(key).lower()).strip("_"): v for key, v in record.items()}
    technique = _only(plain, "technique", _TECHNIQUE_KEYS)
    response = _only(plain, "response", _RESPONSE_KEYS)
    return (technique, response, "json") if technique is not None and response is not None else None


def _only(record: dict[str, Any], name: str, keys: re.Pattern[str]) -> str | None:
    """Text under a name, else under the only key that means the same; a list is joined."""
    named = [name] if name in record else [key for key in record if keys.fullmatch(key)]
    if len(named) != 1:
        return None
    value = record[named[0]]
    parts = value if isinstance(value, list) else [value]
    if not parts or not all(isinstance(part, str) for part in parts):
        return None
    return (", " if name == "technique" else "\n").join(parts)


def _as_tags(body: str) -> _Found | None:
    match = _TAGS.search(body)
    end = _TAGS_END.search(body, match.end()) if match else None
    return (match["technique"], body[match.end() : end.start()], "tags") if match and end else None


def _as_table(body: str) -> _Found | None:
    """Read a table with a technique and a response, each below or beside its label."""
    lines = [line.strip() for line in body.splitlines() if line.strip()]
    if not all(line.startswith("|") and line.endswith("|") and len(line) > 1 for line in lines):
        return None
    rows = [
        [cell.strip(" \t*_") for cell in line[1:-1].split("|")]
        for line in lines
        if not _RULE.fullmatch(line)
    ]
    if len(rows) != 2 or len(rows[0]) != len(rows[1]):
        return None
    beside = len(rows[0]) == 2 and _GENERIC_BRACKET.match(rows[0][0])
    if beside and _RESPONSE_LABEL.match(f"{rows[1][0]}:"):
        return rows[0][1], rows[1][1], "table"
    named = [i for i, cell in enumerate(rows[0]) if _GENERIC_BRACKET.match(cell)]
    said = [i for i, cell in enumerate(rows[0]) if _RESPONSE_LABEL.match(f"{cell}:")]
    if len(named) != 1 or len(said) != 1:
        return None
    return rows[1][named[0]], rows[1][said[0]], "table"


def _as_bracket(body: str) -> _Found | None:
    match = _BRACKET.match(body)
    if match is None:
        match = _ROUND.match(body)
        known = match is not None and normalise_technique(match[1]).known
        return (match[1], body[match.end() :], "bracketed") if match and known else None
    name, rest = match.group(1).strip(), body[match.end() :]
    if _RESPONSE_LABEL.match(f"[{name}]:"):
        return None, rest, "none"
    if _GENERIC_BRACKET.match(name):  # "[Technique] Validation [Your Response] ..."
        name, rest = _name_from_line(rest)
    return _LABEL_START.sub("", name), rest, "bracketed"


def _as_technique_line(body: str) -> _Found | None:
    match = _TECHNIQUE_LINE.search(body)
    if match is None:
        return None
    before, after = body[: match.start()].strip(), body[match.end() :].strip()
    line = match.group("line").strip()
    if not line and after:  # the label stands alone on its line
        line, _, after = after.partition("\n")
    if not after.strip(DECORATION):
        if before:
            return line, before, "technique_line"
        name, rest = _name_from_line(line)
        return name, rest, "technique_line"
    inline = _RESPONSE_INLINE.search(line)
    if inline:
        return line[: inline.start()], f"{line[inline.end() :]}\n{after}", "technique_line"
    if len(line.split()) > _MAX_NAME_WORDS:
        name, rest = _name_from_line(line)
        return name, f"{rest}\n{after}", "technique_line"
    return line, after, "technique_line"


def _name_from_line(line: str) -> tuple[str, str]:
    """Split a line that holds both a name and a response, at the first place that can be it."""
    inline = _RESPONSE_INLINE.search(line)
    if inline:
        return line[: inline.start()], line[inline.end() :]
    head, newline, tail = line.partition("\n")
    if newline and _may_name(head):
        return head, tail
    for pattern in (_COLON, _DASH):
        match = pattern.match(line)
        if match and _may_name(match.group(1)):
            return match.group(1), line[match.end() :]
    stop = _SENTENCE_END.search(line)
    if stop and _may_name(line[: stop.start()]):
        return line[: stop.start()], line[stop.end() :]
    return (line, "") if _may_name(line) else ("", line)


def _as_bold(body: str) -> _Found | None:
    match = _BOLD.match(body) or _HEADING.match(body)
    if match is None:
        return None
    name = match.group(1).strip(DECORATION)
    if not _may_name(name) or speaker_of(name) or EXPLAINING_WORD.match(name):
        return None
    if _RESPONSE_LABEL.match(f"{name}:"):
        return None
    rest = body[match.end() :].lstrip()
    if _GENERIC_BRACKET.match(name):  # "### Technique", and its name below
        name, _, rest = rest.partition("\n")
    return name, rest, "bold"


def _as_colon(body: str) -> _Found | None:
    match = _COLON.match(body)
    if match is None:
        return None
    name = match.group(1).strip(DECORATION + "()") if "(" not in match.group(1) else match.group(1)
    name = name.strip(DECORATION)
    if _RESPONSE_LABEL.match(f"{name}:") or speaker_of(name) or EXPLAINING_WORD.match(name):
        return None
    rest = body[match.end() :]
    alone = rest.startswith("\n")
    if normalise_technique(name).known or (_may_name(name) and (alone or _is_title(name))):
        return name, rest, "first_line_colon"
    return None


def _as_first_line(body: str) -> _Found | None:
    head, newline, tail = body.partition("\n")
    if newline and _may_name(head) and not head.rstrip().endswith((".", "!", "?", ",")):
        name = head.strip(DECORATION)
        if not speaker_of(name) and (normalise_technique(name).known or _is_title(name)):
            return name, tail, "first_line"
    match = _DASH.match(body)
    if match and normalise_technique(match.group(1)).known:
        return match.group(1), body[match.end() :], "first_line"
    if not newline and normalise_technique(body).known and len(body.split()) <= _MAX_NAME_WORDS:
        return body, "", "first_line"
    return None


def _may_name(name: str) -> bool:
    """Whether a stretch of text has the form of a technique's name."""
    words = name.split()
    if not 0 < len(words) <= _MAX_NAME_WORDS or not any(char.isalpha() for char in name):
        return False
    return not _NAME_STOPS.search(name.replace("’", "'")) and not re.search(r"[!?]|\.\s+\S", name)


def _is_title(name: str) -> bool:
    """Whether every main word of at least two is capitalised, as in a heading."""
    words = [word.strip("()\"'*,&/-–") for word in name.split()]
    main = [word for word in words if word and word.lower() not in _SMALL_WORDS]
    return len(main) >= 2 and all(word[0].isupper() or word[0].isdigit() for word in main)


_QUOTES = {'"': '"', "“": "”", "«": "»"}
_LEADING_THERAPIST = re.compile(
    rf"\A[*_]{{0,3}}(?:{THERAPISTS})(?:[ \t]*\([^)\n]*\))?[*_]{{0,3}}[ \t]*:[ \t*_]*",
    re.IGNORECASE,
)


def _tidy_response(response: str) -> str:
    response = _RESPONSE_HEADING.sub("", response.strip(), count=1) if response else ""
    response = response.removeprefix("**").strip()
    for _ in range(3):
        before = response
        response = _unbracketed(response)  # first: the label may stand inside the brackets
        response = _RESPONSE_LABEL.sub("", response, count=1).strip()
        if block := _BLOCK.match(response):
            response = textwrap.dedent(response[block.end() :])
        response = _LEADING_THERAPIST.sub("", response, count=1).strip()
        close = _QUOTES.get(response[:1])
        if close and response.endswith(close) and len(response) > 1:
            inner = response[1:-1]
            if response[0] not in inner and close not in inner:
                response = inner.strip()
        if response == before:
            break
    return response


def _unbracketed(text: str) -> str:
    """Text without square brackets around the whole of it."""
    if not (text.startswith("[") and text.endswith("]")):
        return text
    depth = 0
    for index, char in enumerate(text):
        depth += (char == "[") - (char == "]")
        if depth == 0 and index < len(text) - 1:
            return text
    return text[1:-1].strip() if depth == 0 else text
