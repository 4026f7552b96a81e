"""Fit LoRA adapters of a vision-language model to examples of `emodiss mirror training-data`.

    python scripts/train_therapist_lora.py study/training/p+ec.json --model DIR --out adapters

Needs the extra `train` and, for the 7B model, a GPU. `--model` is a folder with a LLaVA model in
Hugging Face's form (the paper: LLaVA-1.5-7B, `llava-hf/llava-1.5-7b-hf`) or its name there. Nothing
is fetched unless a name is given. The defaults are the released hyperparameters of Kim et al.
(2025), MIRROR; the paper prints one rate of 2e-5, the released code 2e-4 with 2e-5 for the
projector. LLaVA's own dropout of 0.05 is kept. Effective batch: 32 x 4 accumulated steps.

Loss is taken on answers alone, as LLaVA does. An example longer than `--max-length` tokens is left
out and counted: cut ones would lose the answer or part of a picture. Pictures are read from
`--images`, by default the experiment's folder, two above the examples. Read LICENCES.md beside them
before passing weights on. For research; no model trained so is fit to treat anyone.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

LANGUAGE = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
"""Linear layers of the language model; the vision tower stays as it is."""

PROJECTOR = "multi_modal_projector"
"""Trained whole, as in LLaVA."""


@dataclass(frozen=True)
class Recipe:
    """How training goes; each field is an option of the command."""

    epochs: float = 5
    max_steps: int = -1
    batch: int = 32
    accumulate: int = 4
    rate: float = 2e-4
    projector_rate: float = 2e-5
    schedule: str = "cosine"
    warmup: float = 0.03
    weight_decay: float = 0.0
    rank: int = 128
    alpha: int = 256
    dropout: float = 0.05
    max_length: int = 2048
    seed: int = 0


def read_examples(path: Path, images: Path) -> list[dict[str, Any]]:
    """Read either form as prompt, completion and pictures; every picture must be there."""
    text = path.read_text(encoding="utf-8")
    if text.lstrip().startswith("["):
        records = [_from_llava(record) for record in json.loads(text)]
    else:
        records = [json.loads(line) for line in text.splitlines() if line.strip()]
    found: list[dict[str, Any]] = []
    for record in records:
        places = [images / name for name in record["images"]]
        missing = [place.name for place in places if not place.is_file()]
        if missing:
            raise SystemExit(f"{record['id']}: no picture {missing[0]} below --images.")
        *prompt, answer = record["messages"]
        found.append({"prompt": prompt, "completion": [answer], "images": list(map(str, places))})
    return found


def _from_llava(record: dict[str, Any]) -> dict[str, Any]:
    """Bring a record of LLaVA's form into messages."""
    pictures = [record["image"]] if "image" in record else []
    messages: list[dict[str, Any]] = []
    for said in record["conversations"]:
        text = {"type": "text", "text": said["value"].removeprefix("<image>\n")}
        human = said["from"] == "human"
        shown = [{"type": "image"}] * len(pictures) if human and not messages else []
        messages.append({"role": "user" if human else "assistant", "content": [*shown, text]})
    return {"id": record["id"], "images": pictures, "messages": messages}


def n_tokens(example: dict[str, Any], processor: Any) -> int:
    """Count the tokens of a whole example, those of its picture included."""
    text = processor.apply_chat_template([*example["prompt"], *example["completion"]])
    pictures = [_open(place) for place in example["images"]] or None
    return len(processor(text=text, images=pictures)["input_ids"][0])


def _open(place: str) -> Any:
    from PIL import Image

    with Image.open(place) as picture:
        return picture.convert("RGB")


def train(
    data: Path, model: str | Path, out: Path, *, images: Path, recipe: Recipe, cpu: bool = False
) -> list[float]:
    """Train, write adapters and processor to `out`, and return the loss of each step."""
    import torch
    from datasets import Dataset, Image, Sequence
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForImageTextToText, AutoProcessor
    from trl import SFTConfig, SFTTrainer

    bf16 = not cpu and torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    torch.manual_seed(recipe.seed)
    processor = AutoProcessor.from_pretrained(model)
    base = AutoModelForImageTextToText.from_pretrained(
        model, dtype=torch.bfloat16 if bf16 else torch.float32, use_safetensors=True
    )
    examples = read_examples(data, images)
    fitting = [each for each in examples if n_tokens(each, processor) <= recipe.max_length]
    print(f"{len(fitting)} examples; {len(examples) - len(fitting)} too long and left out")
    if not fitting:
        raise SystemExit("No example is short enough; see --max-length.")
    lora = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules=LANGUAGE,
        modules_to_save=[PROJECTOR],
        task_type="CAUSAL_LM",
    )
    adapted = get_peft_model(base, lora)
    named = [(name, p) for name, p in adapted.named_parameters() if p.requires_grad]
    groups = [
        {"params": [p for name, p in named if PROJECTOR not in name], "lr": recipe.rate},
        {"params": [p for name, p in named if PROJECTOR in name], "lr": recipe.projector_rate},
    ]
    assert all(group["params"] for group in groups), "adapters or projector were not found"
    settings = SFTConfig(
        output_dir=str(out),
        num_train_epochs=recipe.epochs,
        max_steps=recipe.max_steps,
        per_device_train_batch_size=recipe.batch,
        gradient_accumulation_steps=recipe.accumulate,
        learning_rate=recipe.rate,
        lr_scheduler_type=recipe.schedule,
        warmup_ratio=recipe.warmup,
        weight_decay=recipe.weight_decay,
        max_length=None,  # nothing is cut: what is too long was left out
        completion_only_loss=True,
        gradient_checkpointing=not cpu,
        bf16=bf16,
        use_cpu=cpu,
        logging_steps=1,
        save_strategy="no" if recipe.max_steps > 0 else "epoch",
        report_to="none",
        seed=recipe.seed,
    )
    trainer = SFTTrainer(
        model=adapted,
        args=settings,
        train_dataset=Dataset.from_list(fitting).cast_column("images", Sequence(Image())),
        processing_class=processor,
        optimizers=(torch.optim.AdamW(groups, weight_decay=recipe.weight_decay), None),
    )
    trainer.train()
    adapted.save_pretrained(str(out), safe_serialization=True)
    processor.save_pretrained(out)
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def main() -> None:
    """Read the options and train."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="file of examples, either form")
    parser.add_argument("--model", required=True, help="folder or name of the model")
    parser.add_argument("--out", type=Path, required=True, help="where the adapters go")
    parser.add_argument("--images", type=Path, help="folder that paths of pictures start from")
    parser.add_argument("--cpu", action="store_true", help="train without a GPU")
    for each in fields(Recipe):
        name = "--" + each.name.replace("_", "-")
        kind = type(each.default)
        parser.add_argument(
            name, type=float if each.name == "epochs" else kind, default=each.default
        )
    given = vars(parser.parse_args())
    recipe = Recipe(**{each.name: given[each.name] for each in fields(Recipe)})
    data: Path = given["data"]
    images = given["images"] or data.resolve().parent.parent
    losses = train(
        data, given["model"], given["out"], images=images, recipe=recipe, cpu=given["cpu"]
    )
    print(f"loss: {losses[0]:.4f} at first, {losses[-1]:.4f} at last, {len(losses)} steps")


if __name__ == "__main__":
    main()
