"""Which language is spoken, and on whose word; the sentences are invented."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import emodiss
from emodiss.corpus import curation, languages
from emodiss.corpus.limits import Curation, limits_of
from emodiss.errors import RunError
from emodiss.media import fetch
from emodiss.settings import Settings, TranscriptSettings
from emodiss.transcript.records import Recognition
from tests import make

TEXTS = {
    "en": "I think it was about a week ago when I came home and she said that we had to talk. "
    "I didn't know what to say, so I just sat there and let her go on with all of it.",
    "de": "Also, ich glaube, letzte Woche kam ich nach Hause und meine Frau sagte, wir müssten "
    "reden. Ich wusste nicht, was ich sagen sollte, also blieb ich einfach da und hörte zu.",
    "nl": "Nou, ik denk dat het een week geleden was toen ik thuiskwam en zij zei dat we moesten "
    "praten. Ik wist niet wat ik moest zeggen, dus ik zat daar maar en liet haar doorgaan.",
    "es": "Creo que la semana pasada, cuando llegué a casa, ella me dijo que teníamos que "
    "hablar. No sabía qué decir, así que me senté y la dejé seguir con todo aquello.",
    "fr": "Eh bien, je crois que c'était il y a une semaine quand je suis rentré et elle a dit que "
    "nous devions parler. Je ne savais pas quoi dire, alors je suis resté là et je l'ai laissée.",
    "da": "Altså, jeg tror det var for en uge siden, da jeg kom hjem, og hun sagde, at vi måtte "
    "tale sammen. Jeg vidste ikke, hvad jeg skulle sige, så jeg sad bare der, og hun talte videre.",
}
UNDETERMINED = languages.Language("", "undetermined")


@pytest.mark.parametrize("code", TEXTS)
def test_words_tell_english_from_its_neighbours(code):
    share = languages.english_share([TEXTS[code]])
    least = Curation().min_function_words
    assert (share > 2 * least) == (code == "en")
    assert (share < least) == (code != "en")


def test_the_share_is_counted_by_hand():
    # "and", "it's" and "you" of five words, six times; neither case nor kind of apostrophe counts.
    assert languages.english_share(["AND It’s yonder, you wonder! "] * 6) == 3 / 5


def test_too_few_words_tell_nothing():
    assert math.isnan(languages.english_share(["I know that you know that I know it."]))


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ("en", "en"), ("en-US", "en"), ("pt_BR", "pt"), (" DE ", "de"), ("yue", "yue"),
        ("English", ""), ("", ""), (None, ""), ("und", ""), ("zxx", ""),
    ],
)  # fmt: skip
def test_a_tag_is_cut_to_its_language(tag, code):
    assert languages.code_of(tag) == code


def spoken(english: float = float("nan"), wanted: str = "en", **stated: str | None):
    return languages.spoken(
        stated,  # type: ignore[arg-type]
        english=english,
        min_english=0.15,
        wanted=wanted,
    )


def test_who_knows_best_is_asked_first():
    assert spoken(0.5, manifest="de", recogniser="en") == languages.Language("de", "manifest")
    assert spoken(0.5, manifest="", recogniser="nl", page="en") == languages.Language(
        "nl", "recogniser"
    )
    # A name is no code, and what is no code says nothing.
    assert spoken(manifest="English", page="en-GB") == languages.Language("en", "page")
    assert spoken(0.5) == languages.Language("en", "words")


def test_text_that_is_not_english_says_nothing_about_another_language():
    assert spoken(0.05) == languages.Language("other", "words")
    assert spoken(0.05, wanted="de") == UNDETERMINED
    assert spoken(0.5, wanted="de") == languages.Language("en", "words")
    assert spoken() == spoken(wanted="de") == UNDETERMINED


def test_only_captions_of_the_original_sound_count(tmp_path):
    media = tmp_path / "media.mp4"
    # YouTube offers every caption in translation too.
    (tmp_path / "media.en.json3").touch()
    assert languages.original_captions(media) is None
    (tmp_path / "media.de-orig.json3").touch()
    assert languages.original_captions(media) == "de"


@dataclass
class OfARun:
    """As much of a run as names a language: what was told, heard and fetched."""

    root: Path
    told: str | None
    heard: str | None = None
    settings: Settings = field(init=False)
    downloads: Path = field(init=False)

    def __post_init__(self) -> None:
        self.settings = Settings(transcript=TranscriptSettings(language=self.told))
        self.downloads = self.root / "downloads"

    def artifact(self, video: str, name: str) -> Recognition:
        if self.heard is None:
            raise RunError("It is not there.")
        return Recognition((), language=self.heard)


@pytest.mark.parametrize(
    ("told", "heard", "expected"), [(None, "de", "de"), ("en", "en", None), (None, None, None)]
)
def test_a_recogniser_is_believed_unless_it_was_told(tmp_path, told, heard, expected):
    run = OfARun(tmp_path, told, heard)
    found = curation.stated_languages(run, "a", {"url": None}, None)  # type: ignore[arg-type]
    assert found["recogniser"] == expected


def test_a_fetched_page_says_what_is_spoken(tmp_path):
    url = "https://video.example/1"
    folder = fetch.folder_of(url, tmp_path / "downloads")
    folder.mkdir(parents=True)
    (folder / "about.json").write_text('{"language": "nl"}')
    run = OfARun(tmp_path, "en")
    found = curation.stated_languages(run, "a", {"url": url}, None)  # type: ignore[arg-type]
    assert found["page"] == "nl"


@pytest.fixture
def run(tmp_path, stand_ins):
    """Four videos: stated German, English words, Dutch words, and too few words to tell."""
    texts = {"a": TEXTS["en"], "b": TEXTS["en"], "c": TEXTS["nl"], "d": "Yes."}
    for name, text in texts.items():
        make.write_media(tmp_path / f"{name}.mp4", sound=make.tone(3.0, level=0.2))
        make.write_stm(tmp_path / f"{name}.stm", [("Ada", 0.0, 2.9, text)])
    (tmp_path / "manifest.csv").write_text(
        "id,path,language\na,a.mp4,de\nb,b.mp4,\nc,c.mp4,\nd,d.mp4,English\n"
    )
    return emodiss.annotate(
        tmp_path / "manifest.csv",
        out=tmp_path / "run",
        preset="lite",
        settings=stand_ins,
        workers=0,
    )


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("en", {"a": ("de", "manifest", True), "b": ("en", "words", False),
                "c": ("other", "words", True), "d": ("", "undetermined", False)}),
        ("de", {"a": ("de", "manifest", False), "b": ("en", "words", True),
                "c": ("", "undetermined", False), "d": ("", "undetermined", False)}),
    ],
)  # fmt: skip
def test_the_wanted_language_decides(run, wanted, expected):
    table = curation.curate(run, limits=Curation(language=wanted)).set_index("id")
    found = {
        video: (row["language"], row["language_by"], "wrong_language" in row["reasons"].split(";"))
        for video, row in table.iterrows()
    }
    assert found == expected


def test_a_wanted_language_is_a_code():
    assert limits_of(["language=pt-BR"]).language == "pt"
    with pytest.raises(emodiss.EmodissError, match="language cannot be 'German': expected a code"):
        limits_of(["language=German"])
