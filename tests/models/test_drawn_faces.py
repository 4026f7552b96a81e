"""Drawing faces: what words move, and what every way of drawing owes."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import numpy as np
import pytest

from emodiss.demo import clients
from emodiss.errors import ModelError, SettingsError
from emodiss.faces.drawn import SIDE, FaceSynthesizer, drawing_seed
from emodiss.models import catalog
from emodiss.models.drawn_faces.wording import Pose, pose_of
from emodiss.settings import resolve
from tests.make import huge_png


@pytest.fixture(scope="module")
def references(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clients.write_faces(tmp_path_factory.mktemp("faces")).parent


@pytest.fixture(scope="module")
def warp() -> FaceSynthesizer:
    return catalog.load("warp", resolve({}))


def drawn(warp, references, words: str, *, face: str = "hopper", seed: int = 0) -> np.ndarray:
    return warp.draw(references / f"{face}.png", words, "", gender="female", seed=seed).pixels


def landmarks(pixels: np.ndarray) -> np.ndarray:
    """(5, 2) of the one face in a picture, by the detector."""
    found = catalog.load("mtcnn", resolve({})).detect([pixels])[0]
    assert len(found) == 1
    return found.landmarks[0]


@pytest.mark.parametrize(
    ("words", "moved"),
    [
        ("", {}),
        ("a smile", {"smile": 0.9, "lids": -0.1}),
        ("a slight smile", {"smile": 0.45, "lids": -0.05}),
        ("no smile", {}),
        ("not smiling, looking away", {"aside": 0.9}),
        ("eyes closed", {"lids": -1.0}),
        ("raised eyebrows", {"inner_brow": 0.7, "outer_brow": 0.8}),
        ("smiles, laughs, grins", {"smile": 1.0, "opening": 0.6, "lids": -0.5}),
        ("wears a hat", {}),
    ],
)
def test_words_move_what_they_name(words, moved):
    pose, n_words = pose_of(words)
    expected = Pose(**moved)
    for name in Pose.__dataclass_fields__:
        assert getattr(pose, name) == pytest.approx(getattr(expected, name)), name
    assert (n_words > 0) == (bool(moved) or words == "no smile")


def test_a_word_taken_back_in_one_clause_counts_in_the_next():
    assert pose_of("without a smile but frowning")[0].smile < 0
    assert pose_of("never angry. A smile")[0].smile > 0


def test_the_same_seed_gives_the_same_picture_and_anything_else_another(warp, references):
    first = drawn(warp, references, "looking away")
    assert first.shape == (SIDE, SIDE, 3) and first.dtype == np.uint8
    fresh = catalog.load("warp", resolve({}))
    assert np.array_equal(first, drawn(fresh, references, "looking away"))
    assert not np.array_equal(first, drawn(warp, references, "looking away", seed=1))
    # Words that the lexicon does not know, or reads alike, still give another picture.
    assert not np.array_equal(first, drawn(warp, references, "looks away"))
    assert not np.array_equal(first, drawn(warp, references, "looking away", face="collins"))


@pytest.mark.parametrize("face", ["collins", "hopper", "mixed"])
def test_the_detector_sees_what_moved(warp, references, face):
    def seen(words: str) -> np.ndarray:
        return landmarks(drawn(warp, references, words, face=face))

    smile, frown = seen("a broad smile"), seen("turned down mouth")
    corners = slice(3, 5)
    height = (smile[:2].mean(0) - smile[corners].mean(0))[1] - (
        frown[:2].mean(0) - frown[corners].mean(0)
    )[1]
    assert height > 4  # pixels; a smile brings the corners nearer to the eyes
    assert seen("eyes on the floor")[:2, 1].mean() - seen("neutral")[:2, 1].mean() > 4
    (left, right) = seen("head tilted")[:2]
    assert abs(np.degrees(np.arctan2(right[1] - left[1], right[0] - left[0]))) > 5


def test_closed_eyes_hide_the_pupils(warp, references):
    def dark(words: str) -> int:
        """Count dark pixels around the eyes, which lie at .38 and .62 of the width."""
        grey = drawn(warp, references, words, face="collins").mean(2)[130:154]
        return sum(int((grey[:, x - 12 : x + 13] < 90).sum()) for x in (128, 208))

    assert dark("eyes closed") < 0.5 * dark("neutral") < 0.5 * dark("eyes wide open")


def test_pictures_without_a_face_are_refused(warp, references, tmp_path):
    import cv2

    grey = tmp_path / "grey.png"
    cv2.imwrite(str(grey), np.full((200, 200, 3), 127, np.uint8))
    text = tmp_path / "text.png"
    text.write_text("no picture")
    for path, code in ((grey, "no_face"), (text, "picture"), (tmp_path / "none.png", "picture")):
        with pytest.raises(ModelError, match=path.name) as error:
            warp.draw(path, "a smile", "", gender="female", seed=0)
        assert error.value.code == code


def test_the_places_of_the_demos_faces_are_the_detectors(references):
    for face in ("collins", "hopper"):
        import cv2

        picture = np.asarray(cv2.imread(str(references / f"{face}.png")))[:, :, ::-1]
        eyes = landmarks(np.ascontiguousarray(picture))[:2] / clients.SIDE
        assert np.allclose(eyes, [[0.39, 0.42], [0.61, 0.42]], atol=0.02), face


def test_seeds_differ_by_case_line_and_attempt():
    seeds = {drawing_seed(c, n, a) for c in ("a", "b") for n in range(5) for a in range(3)}
    assert len(seeds) == 30
    assert all(0 <= seed < 2**63 for seed in seeds)
    # Of the first eight bytes of SHA-256 of "a\n0\n0", halved; by coreutils' sha256sum.
    assert drawing_seed("a", 0, 0) == int("9b4e2edb60cce2d1", 16) >> 1


# ---------------------------------------------------------------------------- an external program

PROGRAM = """
import json, os, signal, sys, time
import cv2, numpy as np
print("loading weights")
print("[1, 2]", flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    what = asked["positive"]
    if what == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "fails":
        sys.exit(3)
    if what == "slow":
        time.sleep(60)
    if what == "sorry":
        print(json.dumps({"error": "out of memory"}), flush=True)
        continue
    side = 128 if what == "small" else asked["width"]
    if what != "nothing":
        value = asked["seed"] % 256
        cv2.imwrite(asked["output"], np.full((side, side, 3), (0, 0, value), np.uint8))
    if what == "text":
        open(asked["output"], "w").write("no picture")
    if what == "huge":
        open(asked["output"], "wb").write(bytes.fromhex(HUGE))
    if what == "once":
        sys.exit(0)
    print(json.dumps({"pid": os.getpid()}), flush=True)
"""


@pytest.fixture
def command(tmp_path):
    program = tmp_path / "draw it.py"
    program.write_text(f"HUGE = '{huge_png(32_000, 32_000).hex()}'\n{PROGRAM}")
    words = shlex.join([sys.executable, str(program)])
    return catalog.load(
        "command",
        resolve({}, {"options.command.program": words, "options.command.timeout_s": 20}),
    )


def test_a_program_draws_line_after_line(command, references):
    def ask(what: str, seed: int):
        face = references / "hopper.png"
        return command.draw(face, what, "not this", gender="female", seed=seed)

    first = ask("a frown", 200)
    assert first.pixels.shape == (SIDE, SIDE, 3)
    assert (first.pixels == (200, 0, 0)).all()  # RGB, whatever order the program writes in
    assert first.prompt.startswith("portrait photo of a female img, ")
    assert "not this" in first.negative
    faults = {
        "killed": "program", "fails": "program", "sorry": "program_error",
        "small": "size", "nothing": "no_output", "text": "no_output", "huge": "no_output",
    }  # fmt: skip
    for what, code in faults.items():
        with pytest.raises(ModelError) as error:
            ask(what, 1)
        assert error.value.code == code, what
        assert (ask("next line", 7).pixels == (7, 0, 0)).all(), what
    assert (ask("once", 9).pixels == (9, 0, 0)).all()
    assert (ask("next line", 7).pixels == (7, 0, 0)).all()


def test_a_program_that_says_nothing_is_ended(command, references):
    command._timeout_s = 0.5
    with pytest.raises(ModelError, match=r"no picture in 0\.5 s") as error:
        command.draw(references / "hopper.png", "slow", "", gender="female", seed=0)
    assert error.value.code == "timeout" and command._running is None


def test_a_program_must_be_named_and_be_there(references):
    with pytest.raises(SettingsError, match=r"options\.command\.program"):
        catalog.load("command", resolve({}))
    lost = catalog.load("command", resolve({}, ["options.command.program=no-such-program-42"]))
    with pytest.raises(ModelError) as error:
        lost.draw(references / "hopper.png", "a", "b", gender="female", seed=0)
    assert error.value.code == "no_program"
