"""A copy of pyannote's community-1 repository with random weights, in the real formats."""

from __future__ import annotations

import copyreg
from pathlib import Path

import numpy as np

CONFIG = """\
version: 4.0.0
dependencies:
  pyannote.audio: 4.0.0
pipeline:
  name: pyannote.audio.pipelines.SpeakerDiarization
  params:
    clustering: VBxClustering
    segmentation: $model/segmentation
    segmentation_batch_size: 1
    embedding: $model/embedding
    embedding_batch_size: 1
    embedding_exclude_overlap: true
    plda: $model/plda
params:
  clustering:
    threshold: 0.6
    Fa: 0.07
    Fb: 0.8
  segmentation:
    min_duration_off: 0.0
"""


def write(folder: Path, *, seed: int = 0) -> Path:
    """Write config.yaml, segmentation/, embedding/ and plda/."""
    import torch
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from pyannote.audio.models.embedding import WeSpeakerResNet34
    from pyannote.audio.models.segmentation import PyanNet

    for kind in (Problem, Resolution):
        # By value, as the published files hold them. Some releases of Python, such as 3.11.2, write
        # a call of getattr instead, which reading with weights_only rightly refuses.
        copyreg.pickle(kind, lambda member: (type(member), (member.value,)))
    torch.manual_seed(seed)
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(CONFIG)
    segmentation = PyanNet(
        sincnet={"stride": 10},
        lstm={"hidden_size": 8, "num_layers": 1, "bidirectional": True, "monolithic": True},
        linear={"hidden_size": 8, "num_layers": 1},
    )
    segmentation.specifications = Specifications(
        problem=Problem.MONO_LABEL_CLASSIFICATION,
        resolution=Resolution.FRAME,
        duration=10.0,
        min_duration=10.0,
        classes=["a", "b", "c"],
        powerset_max_classes=2,
        permutation_invariant=True,
    )
    segmentation.build()
    # Sharper opinions than an untrained network has, so that all voices occur.
    segmentation.classifier.weight.data *= 200
    _save(folder / "segmentation", segmentation)
    embedding = WeSpeakerResNet34()
    embedding.specifications = Specifications(
        problem=Problem.REPRESENTATION, resolution=Resolution.CHUNK, duration=10.0
    )
    _save(folder / "embedding", embedding)
    rng = np.random.default_rng(seed)
    (folder / "plda").mkdir()
    rotation = np.linalg.qr(rng.normal(size=(256, 128)))[0]
    np.savez(
        folder / "plda" / "xvec_transform.npz",
        mean1=np.zeros(256),
        mean2=np.zeros(128),
        lda=rotation,
    )
    np.savez(
        folder / "plda" / "plda.npz",
        mu=np.zeros(128),
        tr=np.eye(128) + 0.01 * rng.normal(size=(128, 128)),
        psi=np.linspace(4.0, 0.1, 128),
    )
    return folder


def _save(folder: Path, model) -> None:
    """Write a checkpoint as pyannote.audio's training does."""
    import torch

    folder.mkdir()
    checkpoint = {
        "state_dict": model.state_dict(),
        "hyper_parameters": dict(model.hparams),
        "pytorch-lightning_version": "2.5.0",
        "pyannote.audio": {
            "versions": {"torch": "2.8.0", "pyannote.audio": "4.0.0"},
            "architecture": {
                "module": model.__class__.__module__,
                "class": model.__class__.__name__,
            },
            "specifications": model.specifications,
        },
    }
    torch.save(checkpoint, folder / "pytorch_model.bin")
