"""Ten invented clients, and the same as records of CACTUS' form."""

from __future__ import annotations

from typing import Any

from emodiss.clients import Profile

_PEOPLE = [
    ("Nora Holt", 34, "female", "baker", "I ruin everything that I touch", "I cannot sleep"),
    ("Iris Moor", 18, "female", "pupil", "Nobody will ever want me near", "I feel alone at school"),
    ("Timo Rand", 52, "male", "engineer", "One mistake and I lose my post", "My work keeps me up"),
    ("Paul Esch", 27, "male", "", "My friends only pity me", "I stay at home most days"),
    ("Lena Holm", 41, "female", "nurse", "I must never be a burden", "I am tired all the time"),
    ("Omar Said", 63, "male", "teacher", "My best years were wasted", "I retired and feel empty"),
    (
        "Ruth Adler",
        80,
        "female",
        "",
        "My children wait for me to die",
        "I quarrel with my children",
    ),
    ("Jan Kolb", 23, "male", "student", "I am too dull for this degree", "I failed two exams"),
    (
        "Mia Stern",
        30,
        "female",
        "lawyer",
        "If I rest they will see through me",
        "I work every night",
    ),
    (
        "Kai Brandt",
        45,
        "male",
        "driver",
        "Bad luck follows me around",
        "I had an accident in spring",
    ),
]

PROFILES = [
    Profile(
        id=f"p{n:02d}",
        name=name,
        age=age,
        gender=gender,
        occupation=occupation,
        education="a trade school",
        marital_status="single",
        family="One brother",
        distorted_thought=thought,
        thinking_traps=("overgeneralization", "jumping to conclusions: fortune-telling"),
        reason=reason,
        plan_technique="Reality Testing" if n % 2 else None,
        plan="1. Name the thought.\n2. Counseling goes on with evidence." if n % 2 else None,
    )
    for n, (name, age, gender, occupation, thought, reason) in enumerate(_PEOPLE)
]


def cactus_record(profile: Profile, **changes: Any) -> dict[str, Any]:
    """Write a profile as CACTUS does: labels with values beside or below them, then sections."""
    form = (
        f"Name:\n{profile.name}\nAge:\n{profile.age}\nGender: {profile.gender}\n"
        f"Occupation: {profile.occupation}\nEducation: {profile.education}\n"
        f"Marital Status: {profile.marital_status}\nFamily Details: {profile.family}\n\n"
        "1. Presenting Problem\nIt began in winter.\n"
        f"2. Reason for Seeking Counseling\n{profile.reason}\n"
        "3. Past History (including medical history)\nNone known.\n"
        "4. Academic/occupational functioning level: fair\n5. Social Support System: a brother\n"
    )
    record = {
        "intake_form": form,
        "thought": profile.distorted_thought,
        "patterns": list(profile.thinking_traps),
        "cbt_technique": profile.plan_technique,
        "cbt_plan": profile.plan,
        "attitude": "positive",
    }
    return record | changes
