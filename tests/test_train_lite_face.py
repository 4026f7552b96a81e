"""The training of FER-lite: labels, twins, the vote map, calibration, the card, a smoke run."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))
import lite_face_figures as card  # noqa: E402
import train_lite_face as script  # noqa: E402

WEIGHTS = ROOT / "emodiss" / "models" / "weights"


def _votes(**counts: int) -> list[int]:
    return [counts.get(name, 0) for name in (*script.HOUSE, "unknown", "not_a_face")]


def test_labels_follow_the_ferplus_protocol() -> None:
    votes = np.array(
        [
            _votes(neutral=6, sad=3, fear=1),  # plain majority
            _votes(happy=5, surprise=5),  # tie
            _votes(unknown=6, anger=4),  # nobody could tell
            _votes(not_a_face=7, neutral=3),  # no face
            _votes(fear=2, **dict.fromkeys(("neutral", "happy", "sad", "anger"), 1)),  # singles go
            _votes(**dict.fromkeys(script.HOUSE, 1)),  # nothing left
        ]
    )
    assert script.labels_from_votes(votes).tolist() == [0, -1, -1, -1, 4, -1]


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Seven invented images: 0 to 2 training, 3 and 4 PublicTest, 5 and 6 PrivateTest."""
    images = np.random.default_rng(0).integers(0, 255, (7, 48, 48), dtype=np.uint8)
    images[1] = images[3]  # training twin of a PublicTest image
    images[4] = images[5]  # PublicTest twin of a PrivateTest image
    columns = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear",
               "contempt", "unknown", "NF"]  # fmt: skip
    votes = np.zeros((7, 10), np.int8)
    votes[:, 3] = 8  # sadness in the file's order
    votes[:, 6] = 2  # fear
    path = tmp_path / "ferplus_48.npz"
    np.savez(path, images=images, split=np.array([0, 0, 0, 1, 1, 2, 2], np.uint8), votes=votes,
             vote_columns=np.array(columns))  # fmt: skip
    return path


def test_twins_are_dropped_and_columns_reordered(tiny: Path) -> None:
    parts, counts = script.read_faces(tiny)
    # training loses 1 (twin of 3); PublicTest loses 4 (twin of 5); PrivateTest loses 5 (twin of 4)
    assert [len(parts[p].images) for p in (0, 1, 2)] == [2, 1, 1]
    assert counts["train_dropped_twins"] == 1 and counts["valid_dropped_twins"] == 1
    assert counts["test_labelled_with_twins"] == 2
    # house order: sad is column 2, fear column 4
    np.testing.assert_allclose(parts[2].shares[0], [0, 0, 0.8, 0, 0.2, 0, 0, 0])
    assert parts[2].labels.tolist() == [2]


def test_no_training_image_has_a_twin_in_a_later_part(shared_data: Path) -> None:
    parts, _ = script.read_faces(shared_data / "lite" / "ferplus_48.npz")
    keys = {p: {image.tobytes() for image in part.images} for p, part in parts.items()}
    assert not keys[0] & keys[1] and not keys[0] & keys[2] and not keys[1] & keys[2]


def test_vote_map_finds_a_known_map(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    shares = rng.dirichlet(np.ones(8), 400)
    names = ["contempt", "anger", "disgust", "fear", "surprise", "sadness", "happiness", "neutral"]
    truth = rng.uniform(-1, 1, (8, 2))
    path = tmp_path / "c25.npz"
    np.savez(path, expr_votes=shares, expr_names=np.array(names), valence_arousal=shares @ truth)
    found = script.fit_vote_map(path)
    order = [names.index(name) for name in script.DATA_NAMES]
    np.testing.assert_allclose(found["coefficients"], truth[order], atol=2e-3)
    assert found["cv_ccc_valence"] > 0.999


def test_concordance_by_hand() -> None:
    # a = 0 1 2, b = 1 2 3: both have variance 2/3, covariance 2/3, means 1 apart:
    # 2 * 2/3 / (2/3 + 2/3 + 1) = 4/7
    assert card.concordance(np.array([0, 1, 2]), np.array([1, 2, 3])) == pytest.approx(4 / 7)


def test_calibration_error_by_hand() -> None:
    # Ten answers of confidence .8, six of them right: |.8 - .6| = .2
    probabilities = np.tile([0.8, 0.2, 0, 0, 0, 0, 0, 0], (10, 1))
    labels = np.array([0] * 6 + [1] * 4)
    assert card.expected_calibration_error(probabilities, labels) == pytest.approx(0.2)


def test_operating_point_corrects_a_shifted_prior_and_an_overconfident_model() -> None:
    # Labels drawn from known probabilities; the logits the model reports are three times too
    # large, and the class shares were the natural ones, so temperature 3 and lean 0 are optimal
    # for accuracy; the lean may only trade what balanced accuracy gives back.
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1.5, (6000, 8))
    true = card.softmax(logits)
    labels = np.array([rng.choice(8, p=row) for row in true])
    faces = script.Faces(np.zeros((6000, 1, 1), np.uint8), true.astype(np.float32), labels)
    flat = np.full(8, 1 / 8)
    point = script.operating_point(3 * logits, faces, flat, flat)
    assert point["temperature"] == pytest.approx(3, abs=0.15)
    assert point["vote_temperature"] == pytest.approx(3, abs=0.15)
    np.testing.assert_allclose(point["class_bias"], 0, atol=1e-9)


def test_augmented_faces_are_standardised_and_repeatable() -> None:
    torch = pytest.importorskip("torch")
    x = torch.rand(16, 1, 48, 48, generator=torch.Generator().manual_seed(0)) * 255
    one, two = (script.augment(x, 32, torch.Generator().manual_seed(5)) for _ in range(2))
    assert one.shape == (16, 1, 32, 32)
    assert torch.equal(one, two)
    assert one.mean((1, 2, 3)).abs().max() < 0.4 and 0.5 < one.std() < 1.5
    assert torch.equal(script.standardise(torch.full((1, 1, 4, 4), 7.0)), torch.zeros(1, 1, 4, 4))


def test_card_is_rendered_from_the_record() -> None:
    facts = json.loads((WEIGHTS / "fer_lite.json").read_text(encoding="utf-8"))
    text = (WEIGHTS / "fer_lite.md").read_text(encoding="utf-8")
    assert text == card.render_card(facts)
    # and the figures a reader looks for stand there to four digits
    for figure in ("accuracy", "balanced_accuracy", "valence_ccc", "arousal_ccc", "ece"):
        assert f"{facts['test'][figure]:.4f}" in text, figure
    assert "not validated" in text.lower() and "Research use only" in text


def test_missing_data_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        script.main(["--data", str(tmp_path)])
    assert "ferplus_48.npz is missing" in capsys.readouterr().err


def test_smoke_run_writes_every_file(shared_data: Path, tmp_path: Path) -> None:
    script.main(["--smoke", "--data", str(shared_data / "lite"), "--work", str(tmp_path)])
    out = tmp_path / "smoke"
    facts = json.loads((out / "fer_lite.json").read_text(encoding="utf-8"))
    assert facts["test"]["n"] == 256 and facts["recipe"]["phases"][0]["epochs"] == 1
    assert (out / "fer_lite.md").read_text(encoding="utf-8") == card.render_card(facts)
    assert (out / "fer_lite_reliability.png").stat().st_size > 5_000
    import onnx

    graph = onnx.load(str(out / "fer_lite.onnx"))
    assert max(entry.version for entry in graph.opset_import) <= 18
    assert not any(stored.external_data for stored in graph.graph.initializer)
