"""The actors of the MIRROR demo: models that follow a script, and three invented clients.

They show that the whole experiment runs. Nothing about therapy, about resistance or about any
language model can be learned from what they say: the differences between them are written here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence

from emodiss.chat.model import ChatParams, Completion, Message, Usage
from emodiss.clients import TRAITS, Profile, Resistance

PROFILES = (
    Profile(
        id="demo-1",
        name="Ada Winter",
        age=38,
        gender="female",
        occupation="librarian",
        education="library science",
        marital_status="single",
        family="One sister who lives abroad",
        distorted_thought="If I say no once then everybody will turn away from me",
        thinking_traps=("catastrophizing", "mind reading"),
        reason="I take on more than I can carry and cannot sleep.",
        plan_technique="Behavior Experiment",
        plan="1. Name one small request to decline.\n2. Write down what happens.",
    ),
    Profile(
        id="demo-2",
        name="Berta Kern",
        age=77,
        gender="female",
        occupation="retired engineer",
        education="engineering",
        marital_status="widowed",
        family="Two sons and four grandchildren",
        distorted_thought="I am nothing but a weight on my family now",
        thinking_traps=("labeling", "emotional reasoning"),
        reason="Since I gave up driving I hardly leave the house.",
        plan_technique="Evidence-Based Questioning",
        plan="1. Collect what speaks for the thought.\n2. Collect what speaks against it.",
    ),
    Profile(
        id="demo-3",
        name="Clara Voss",
        age=50,
        gender="female",
        occupation="head of a kitchen",
        education="a cooking school",
        marital_status="married",
        family="One grown daughter",
        distorted_thought="One bad evening proves that I never could do this work",
        thinking_traps=("all-or-nothing thinking", "overgeneralization"),
        reason="A review in the paper keeps me up at night.",
        plan_technique="Continuum Technique",
        plan="1. Draw a line from worst to best.\n2. Place ten evenings on it.",
    ),
)
"""Invented clients, of the ages of the demo's three faces."""

_RESISTS: dict[Resistance, tuple[str, ...]] = {
    "cognitive": (
        "[Frowning] You can ask what you like, it is simply how things are.",
        "[Shaking head, tense] No, I know what people think. There is nothing to look at.",
        "[Irritated] I have heard such advice before and it changes nothing.",
    ),
    "emotional": (
        "[Looking away] It is fine, really. I do not feel much about it.",
        "[Blank expression] There is nothing to tell.",
        "[Looking down] Could we speak of something else?",
    ),
    "behavioral": (
        "[Sighing, looking tired] I would not do such a task anyway.",
        "[Doubtful] I nearly did not come today. I doubt that talking helps.",
        "[Nervous] New things never worked for me.",
    ),
    "none": (
        "[Smiling slightly] I would like to try something new.",
        "[Curious] I had never looked at it like that. Go on.",
        "[Calm] That helps. I will write it down.",
    ),
}
_OPENS = (
    "[Surprised] I did not expect to be asked that. Perhaps it is not always so.",
    "[Relaxed, smiling slightly] I could try that once and see.",
    "[Relieved] That sits better with me. I think I am done for today.",
)
_NEEDED: dict[Resistance, int] = {"none": 2, "emotional": 3, "behavioral": 4, "cognitive": 5}
"""Good replies that each type needs before it opens."""

_LISTENS = (
    "It sounds heavy to carry that. What was it like the last time?",
    "You have reasons to be careful with this. What would make it a little easier to speak of?",
    "I hear that part of you doubts it. What speaks for it, and what against it?",
    "We can go at your pace. What would be a small step that you would choose?",
)
_ADVISES = (
    "You have to understand that thoughts are not facts. People in your place do best with a firm "
    "list of tasks, so begin tomorrow: get up early, write down each thought, weigh it, and "
    "replace it with a better one until the habit holds. It works if you do it every day.",
    "There is nothing to be afraid of. Look at it from the other side, take a deep breath, and you "
    "will find that the matter is smaller than it seems. I will give you three exercises, and you "
    "will do them until we meet again, because without work nothing changes for anyone.",
)
_OPPOSITES = (
    (r"smil|relax|calm|curious|reliev", "frowning, with lowered brows and a tense mouth"),
    (r"", "a trusting expression with a gentle smile"),
)


class Scripted:
    """A model whose answers a rule makes from the prompt."""

    def __init__(self, name: str, rule: Callable[[str], str]) -> None:
        self.name = name
        self._rule = rule

    @property
    def identity(self) -> str:
        """Name, and that it is scripted."""
        return f"scripted {self.name} 1"

    def generate(
        self, messages: Sequence[Message], params: ChatParams, *, sample: int = 0
    ) -> Completion:
        """Answer the last message."""
        content = messages[-1]["content"]
        text = content if isinstance(content, str) else str(getattr(content[-1], "text", ""))
        said = self._rule(text)
        usage = Usage(len(text.split()), len(said.split()))
        return Completion(said, self.name, "stop", usage, answered_at="scripted")


def writer() -> Scripted:
    """Return what writes screenplays."""

    def write(prompt: str) -> str:
        kind = _type_of(prompt)
        told = [*_RESISTS[kind], *_OPENS]
        if kind == "behavioral" and PROFILES[1].name in prompt:
            told[0] = f"[Sighing] {PROFILES[1].reason}"  # word for word: a filter finds it
        return "\n".join(
            f"Therapist: {_LISTENS[n % len(_LISTENS)]}\nClient: {client}"
            for n, client in enumerate(told)
        )

    return Scripted("writer", write)


def describer() -> Scripted:
    """Return what says in words what the client's face shows."""

    def describe(prompt: str) -> str:
        shown = ", ".join(re.findall(r"\[([^\[\]]*)\]", prompt.rpartition("###")[2])).lower()
        other = next(words for sign, words in _OPPOSITES if re.search(sign, shown))
        return (
            f"- Facial Expression Description: {shown or 'a neutral face'}\n"
            f"- Contrasting Facial Expression Description: {other}"
        )

    return Scripted("describer", describe)


def client() -> Scripted:
    """Return what plays the client: it resists until it was asked well often enough."""

    def play(prompt: str) -> str:
        kind = _type_of(prompt)
        replies = re.findall(r"^Counselor: (.*)$", prompt, re.MULTILINE)
        good = sum(map(_is_good, replies[1:]))  # the opening is everybody's
        turn, more = len(replies) - 1, good - _NEEDED[kind]
        if more < 0:
            return f"Client: {_RESISTS[kind][turn % 3]}"
        return f"Client: {_OPENS[min(more, 2)]}{' [/END]' if more else ''}"

    return Scripted("client", play)


def therapist(name: str) -> Scripted:
    """Return a therapist: `adviser` lectures, `listener` does so every third time, `seer` asks."""
    lectures = {"adviser": 1, "listener": 3, "seer": 0}[name]

    def reply(prompt: str) -> str:
        if "Types of CBT Techniques" in prompt:
            return (
                "CBT technique:\nEvidence-Based Questioning\n\nCounseling planning:\n"
                "1. Ask what the client fears.\n2. Look at what speaks for it and against it."
            )
        turn = prompt.count("\nTherapist: ")
        if lectures and turn % lectures == 0:
            return f"Therapist: {_ADVISES[turn % len(_ADVISES)]}"
        return f"Therapist: {_LISTENS[_number(prompt) % len(_LISTENS)]}"

    return Scripted(name, reply)


def judge() -> Scripted:
    """Return what judges sessions: by the share of good replies, give or take one point."""

    def score(prompt: str) -> str:
        share = _share(prompt)
        if "[[rating]]" in prompt:
            rating = min(5, max(1, round(2 + 2 * share) + _number(prompt) % 3 - 1))
            return f"By the rule of the demo. [[{rating}]]"
        return f"{min(6, max(0, round(1.5 + 3.5 * share) + _number(prompt) % 3 - 1))}, by rule"

    return Scripted("judge", score)


def choose(one: str, other: str, salt: str) -> str:
    """Choose between two dialogues as a rater of the demo does: A, B or Tie."""
    gap = _share(one) - _share(other) + (_number(salt) % 5 - 2) / 4
    return "Tie" if abs(gap) < 0.1 else "A" if gap > 0 else "B"


def _share(text: str) -> float:
    """Share of the counselor's lines, after the opening, that ask and do not lecture."""
    replies = re.findall(r"^[|> ]*(?:Counselor|Therapist): (.*)$", text, re.MULTILINE)[1:]
    return sum(map(_is_good, replies)) / len(replies) if replies else 0.0


def _is_good(reply: str) -> bool:
    return "?" in reply and len(reply.split()) < 30


def _type_of(prompt: str) -> Resistance:
    return next(kind for kind, trait in TRAITS.items() if trait in prompt)


def _number(text: str) -> int:
    """Give a number that looks random and is always the same for a text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
