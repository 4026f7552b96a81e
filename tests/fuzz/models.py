"""Readers of folders of models that users bring; their libraries load for 20 s, so by command."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from emodiss.models.audeering.checkpoint import SpeechRegressor, Wav2Vec2Speech
from emodiss.models.audeering.onnx_folder import AudonnxSpeech
from tests.fuzz.fuzzer import Fuzzer

DESCRIPTION = (
    "$audonnx.core.model.Model==0.7.0:\n  path: model.onnx\n  labels:\n    logits:\n"
    "    - arousal\n    - dominance\n    - valence\n  transform: null\n",
    "$audonnx.core.model.Model==0.7.0: {path: model.onnx, ? transform : !!null '', labels: "
    "{logits: [!!str arousal, 'dominance', \"valence\"]}}\n",
)
CONFIG = (
    json.dumps(
        {
            **{"model_type": "wav2vec2", "pooling_mode": "mean", "hidden_size": 8},
            **{"num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8},
            **{"conv_dim": [4, 4], "conv_stride": [5, 2], "conv_kernel": [10, 3]},
            **{"num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2},
            "id2label": {"0": "arousal", "1": "dominance", "2": "valence"},
            "label2id": {"arousal": 0, "dominance": 1, "valence": 2},
        }
    ),
)


@cache
def _graph() -> bytes:
    """Give a network with the published names: a signal in, three numbers out."""
    from onnx import TensorProto, helper

    given = helper.make_tensor_value_info("signal", TensorProto.FLOAT, [1, "time"])
    out = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3])
        for name in ("hidden_states", "logits")
    ]
    value = helper.make_tensor("value", TensorProto.FLOAT, [1, 3], [0.1, 0.2, 0.3])
    nodes = [helper.make_node("Constant", [], [each.name], value=value) for each in out]
    graph = helper.make_graph(nodes, "g", [given], out)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()


def _described(path: Path) -> object:
    return AudonnxSpeech(path.parent, allow_unverified=True).load()


@cache
def _weights() -> bytes:
    """Give the weights of the network that `CONFIG` describes."""
    from safetensors.torch import save
    from transformers import Wav2Vec2Config

    network = SpeechRegressor(Wav2Vec2Config.from_dict(json.loads(CONFIG[0])))
    return save(network.state_dict())


def _configured(path: Path) -> object:
    return Wav2Vec2Speech(path.parent, allow_unverified=True).load()


def fuzzers() -> dict[str, Fuzzer]:
    """Readers by name."""
    return {
        "model_yaml": Fuzzer(
            "model.yaml", DESCRIPTION, _described, beside={"model.onnx": _graph()}
        ),
        "model_config": Fuzzer(
            "config.json", CONFIG, _configured, beside={"model.safetensors": _weights()}
        ),
        "model_weights": Fuzzer(
            "model.safetensors", (_weights(),), _configured, beside={"config.json": CONFIG[0]}
        ),
    }
