"""Pictures in messages: what is sent, where it may go, how it is known, and what cannot be read."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emodiss.chat import Endpoint
from emodiss.chat.model import (
    ChatError,
    ChatParams,
    Completion,
    Message,
    Picture,
    Question,
    Text,
    content_sha256,
    request_key,
)
from emodiss.chat.openai import OpenAICompatible
from emodiss.chat.replay import Replay
from emodiss.errors import ModelError
from tests.chat import chat_server as s, tiny_llava
from tests.chat.contracts import PARAMS, QUESTION
from tests.chat.scripted import Scripted

Image = pytest.importorskip("PIL.Image", reason="needs the extra models")


def pixels(width: int = 40, height: int = 30, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def save(path: Path, array: np.ndarray, **options: Any) -> Path:
    Image.fromarray(array).save(path, **options)
    return path


def about(*pictures: Picture) -> list[Message]:
    return Question("q", "What do you see?", pictures=pictures).messages


@pytest.fixture
def face(tmp_path: Path) -> Path:
    return save(tmp_path / "face.png", pixels())


@pytest.fixture
def server():
    with s.serving() as running:
        yield running


def sent(server: s.ChatServer, place: int = 0) -> np.ndarray:
    """Decode a picture of the last request."""
    content = server.bodies[-1]["messages"][-1]["content"]
    head, _, data = content[place]["image_url"]["url"].partition(",")
    assert head in ("data:image/png;base64", "data:image/jpeg;base64")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def test_keys_of_messages_without_pictures_are_those_of_before():
    # Written by hand: the hash of the words, and the request as it was hashed before pictures.
    words = "Dialogue:\nPatient: I slept badly.\n"
    assert content_sha256(words) == hashlib.sha256(words.encode()).hexdigest()
    model = Scripted(["x"])
    params = ChatParams(max_tokens=8)
    before = {
        "identity": model.identity,
        "messages": [{"role": "user", "content": words}],
        "params": params.to_dict(),
        "sample": 0,
    }
    text = json.dumps(before, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    key = request_key(model, QUESTION, params, 0)
    assert key == hashlib.sha256(text.encode()).hexdigest()


def test_a_picture_is_known_by_its_content_alone(tmp_path, face):
    same = tmp_path / "another name.png"
    same.write_bytes(face.read_bytes())
    other = save(tmp_path / "other.png", pixels(seed=1))
    a, b, c = (Picture.of(path) for path in (face, same, other))
    assert a == b and a != c and (a.width, a.height) == (40, 30)
    assert a.sha256 == hashlib.sha256(face.read_bytes()).hexdigest()
    model = Scripted(["x"])
    keys = [request_key(model, about(one), PARAMS, 0) for one in (a, b, c)]
    assert keys[0] == keys[1] and len(set(keys)) == 2
    assert request_key(model, about(a, c), PARAMS, 0) != request_key(model, about(c, a), PARAMS, 0)
    assert str(tmp_path) not in str(a)


def test_an_endpoint_on_this_machine_gets_the_pixels(server, face):
    pytest.importorskip("openai", reason="needs the extra llm")
    model = OpenAICompatible("tiny", base_url=server.url)
    answer = model.generate(about(Picture.of(face)), PARAMS)
    np.testing.assert_array_equal(sent(server), pixels())
    assert server.bodies[-1]["messages"][-1]["content"][1] == {
        "type": "text",
        "text": "What do you see?",
    }
    assert answer.picture_policy and Completion.from_dict(answer.to_dict()) == answer
    assert model.generate(QUESTION, PARAMS).picture_policy is None
    assert isinstance(server.bodies[-1]["messages"][-1]["content"], str)


def test_no_picture_goes_to_another_machine_unless_both_options_say_so(face, monkeypatch):
    pytest.importorskip("openai", reason="needs the extra llm")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    url = "https://models.example/v1"
    careful = OpenAICompatible("m", base_url=url, allow_remote=True)
    with pytest.raises(ModelError, match="not this machine, and 1 pictures") as caught:
        careful.generate(about(Picture.of(face)), PARAMS)
    assert caught.value.code == "remote_pictures_refused"
    with pytest.raises(ModelError, match="not this machine"):
        OpenAICompatible("m", base_url=url, allow_remote_pictures=True)


def test_a_preview_shows_size_and_hash_and_no_pixels(face):
    picture = Picture.of(face)
    place = Endpoint(models=("tiny",), base_url="http://127.0.0.1:1/v1")
    asked = Question("q", "What do you see?", pictures=(picture,))
    (request,) = place.requests([asked], PARAMS)
    shown = json.dumps(request)
    assert f"[picture 40x30 sha256 {picture.sha256[:12]}...]" in shown
    assert "base64" not in shown and str(face) not in shown


@pytest.mark.parametrize("mode", ["RGBA", "P", "L"])
def test_pictures_of_other_modes_are_seen_as_a_viewer_shows_them(tmp_path, server, mode):
    pytest.importorskip("openai", reason="needs the extra llm")
    picture = Image.fromarray(pixels()).convert(mode)
    if mode == "RGBA":
        picture.putalpha(Image.new("L", picture.size, 0))  # nothing of it can be seen
    picture.save(tmp_path / "x.png")
    OpenAICompatible("tiny", base_url=server.url).generate(
        about(Picture.of(tmp_path / "x.png")), PARAMS
    )
    expected = np.asarray(picture.convert("RGB"))
    if mode == "RGBA":
        expected = np.full_like(expected, 255)
    got = sent(server)
    np.testing.assert_array_equal(got if got.ndim == 3 else np.stack([got] * 3, -1), expected)


def test_a_turned_photograph_is_sent_upright_and_without_where_it_was_taken(tmp_path, server):
    pytest.importorskip("openai", reason="needs the extra llm")
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by a quarter, clockwise
    exif[0x010E] = "home"
    path = save(tmp_path / "x.png", pixels(), exif=exif)
    picture = Picture.of(path)
    assert (picture.width, picture.height) == (30, 40)
    OpenAICompatible("tiny", base_url=server.url).generate(about(picture), PARAMS)
    np.testing.assert_array_equal(sent(server), np.rot90(pixels(), -1))
    assert b"home" not in base64.b64decode(picture.data_url().partition(",")[2])


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda p: None, "cannot be read"),
        (lambda p: p.write_bytes(b""), "no picture that can be read"),
        (lambda p: p.write_text("<svg/>"), "no picture that can be read"),
        (lambda p: p.write_bytes(save(p, pixels()).read_bytes()[:200]), "no picture that can be"),
        (lambda p: Image.new("L", (5001, 4000)).save(p), "5001 x 4000 pixels; at most 20 million"),
        (lambda p: Image.new("I;16", (4, 4)).save(p), "the mode I;16; 8 bits"),
    ],
)
def test_what_is_no_picture_is_named(tmp_path, make, match):
    path = tmp_path / "x.png"
    make(path)
    with pytest.raises(ModelError, match=match) as caught:
        Picture.of(path)
    assert caught.value.code == "picture" and str(path) in str(caught.value)


def test_a_picture_that_changed_since_is_not_sent_in_its_place(tmp_path, face):
    picture = Picture.of(face)
    save(face, pixels(seed=2))
    with pytest.raises(ModelError, match="has changed since"):
        picture.data_url()


def test_a_replay_knows_pictures_by_their_hashes(tmp_path, face):
    a, b = Picture.of(face), Picture.of(save(tmp_path / "b.png", pixels(seed=3)))
    lines = [
        {
            "prompt_sha256": Question("q", "What do you see?", pictures=(one,)).sha256,
            "raw": answer,
            "model": "m",
            "parameters": {},
        }
        for one, answer in ((a, "a smile"), (b, "a frown"))
    ]
    path = tmp_path / "recorded.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    model = Replay(path)
    assert model.generate(about(a), PARAMS).text == "a smile"
    assert model.generate(about(b), PARAMS).text == "a frown"
    with pytest.raises(ChatError):
        model.generate(about(), PARAMS)


@pytest.fixture(scope="module")
def llava(tmp_path_factory):
    pytest.importorskip("torch", reason="needs the extra models")
    from emodiss.chat.transformers import TransformersChat

    return TransformersChat(tiny_llava.build(tmp_path_factory.mktemp("llava")))


def test_a_local_model_that_sees_answers_by_what_it_sees(llava, tmp_path, face):
    dark = Picture.of(save(tmp_path / "dark.png", np.zeros((30, 40, 3), np.uint8)))
    light = Picture.of(save(tmp_path / "light.png", np.full((30, 40, 3), 255, np.uint8)))
    params = ChatParams(max_tokens=12)
    first, again, other = (llava.generate(about(p), params) for p in (dark, dark, light))
    assert first.text == again.text and first.text != other.text
    assert (
        first.picture_policy
        == "padded to a square with the mean colour, then "
        + type(llava._processor.image_processor).__name__
    )
    none = llava.generate(about(), params)
    assert none.picture_policy is None
    # One placeholder in the text becomes the tokens of one picture.
    more = first.usage.prompt_tokens - none.usage.prompt_tokens
    assert more == tiny_llava.N_TOKENS


def test_a_picture_that_is_not_square_is_padded_and_not_cropped(llava, tmp_path):
    wide = np.zeros((20, 60, 3), np.uint8)
    wide[:, :10] = 255
    square = np.asarray(llava._seen(Picture.of(save(tmp_path / "wide.png", wide))))
    assert square.shape == (60, 60, 3)
    np.testing.assert_array_equal(square[20:40], wide)
    mean = [round(255 * v) for v in llava._processor.image_processor.image_mean]
    assert square[0, 0].tolist() == mean


def test_a_placeholder_in_a_patients_words_is_no_picture(llava):
    asked = Question("q", "What do you see in <image> ?")
    with pytest.raises(ChatError, match="control token"):
        llava.generate(asked.messages, PARAMS)


def test_a_model_of_text_alone_refuses_a_picture(tmp_path_factory, face):
    pytest.importorskip("torch", reason="needs the extra models")
    from emodiss.chat.transformers import TransformersChat
    from tests.chat import test_transformers

    folder = test_transformers.folder.__wrapped__(tmp_path_factory)
    model = TransformersChat(folder)
    with pytest.raises(ModelError, match="reads text alone and was given 1 pictures") as caught:
        model.generate(about(Picture.of(face)), PARAMS)
    assert caught.value.code == "no_vision"


def test_text_beside_a_picture_is_a_part_of_its_own(face):
    content = Question("q", "Hello.", pictures=(Picture.of(face),)).content
    assert content[1] == Text("Hello.")
