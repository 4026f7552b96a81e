"""Faces drawn by Stable Diffusion XL with an IP-Adapter for faces, through diffusers.

Stands in for PhotoMaker (Li et al. 2024), which diffusers does not have. The path was proven with
tiny random weights; it was never run on real ones. Weights are safetensors in folders of yours.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from emodiss.chat.pictures import Picture
from emodiss.errors import MissingExtra, ModelMissing, SettingsError
from emodiss.faces.drawn import SIDE, Drawn
from emodiss.models import weight_files
from emodiss.screenplays.expressions import face_prompts


class DiffusersFaces:
    """Draws a person by the look of a reference and words; options as its card declares."""

    def __init__(
        self,
        model: str,
        adapter: str,
        *,
        weights: str,
        steps: int,
        scale: float,
        guidance: float,
        size: int,
        device: str = "cpu",
    ) -> None:
        for name, folder in (("model", model), ("adapter", adapter)):
            if not folder or not Path(folder).is_dir():
                raise SettingsError(
                    f"The way to draw 'diffusers' needs a folder for '{name}', got '{folder}'.",
                    next_step=f"Give --set options.diffusers.{name}=FOLDER.",
                )
        if not weights.endswith(".safetensors"):
            raise SettingsError(
                f"'{weights}' is no safetensors file; others can run code when they are read.",
                next_step="Give the safetensors of the IP-Adapter: options.diffusers.weights.",
            )
        try:
            import diffusers
            import torch
        except ImportError as fault:
            raise MissingExtra.of(str(fault.name), "faces-synthesis") from None
        dtype = torch.float16 if device.startswith("cuda") else torch.float32
        try:
            pipeline: Any = diffusers.StableDiffusionXLPipeline.from_pretrained(
                model,
                use_safetensors=True,
                local_files_only=True,
                torch_dtype=dtype,
                add_watermarker=False,
            )
            pipeline.load_ip_adapter(
                adapter,
                subfolder="",
                weight_name=weights,
                image_encoder_folder="image_encoder",
                local_files_only=True,
            )
        except (OSError, ValueError, KeyError) as fault:
            raise ModelMissing(
                f"The pipeline '{Path(model).name}' cannot be loaded with '{weights}': "
                f"{type(fault).__name__}.",
                next_step="Both folders must be whole: model_index.json with its parts, and the "
                "IP-Adapter's file beside the folder image_encoder.",
            ) from fault
        pipeline.scheduler = diffusers.DDIMScheduler.from_config(pipeline.scheduler.config)
        pipeline.set_ip_adapter_scale(scale)
        pipeline.set_progress_bar_config(disable=True)
        self._pipeline, self._torch = pipeline.to(device), torch
        self._steps, self._guidance, self._size = steps, guidance, size
        parts = [weight_files.fingerprint(Path(folder)) for folder in (model, adapter)]
        options = f"{weights} steps={steps} scale={scale:g} guidance={guidance:g} size={size}"
        self._identity = f"diffusers {diffusers.__version__} {' '.join(parts)} {options}"

    @property
    def identity(self) -> str:
        """Version, weights and options."""
        return self._identity

    def draw(
        self, reference: Path, positive: str, negative: str, *, gender: str, seed: int
    ) -> Drawn:
        """Draw from words and the look of the reference; a seed fixes the noise."""
        from PIL import Image

        prompt, avoided = face_prompts(positive, negative, gender=gender)
        person = Picture.of(reference).pixels()
        # The noise is made on the CPU, so that a seed means the same on every device.
        drawn = self._pipeline(
            prompt=prompt,
            negative_prompt=avoided,
            ip_adapter_image=person,
            num_inference_steps=self._steps,
            guidance_scale=self._guidance,
            height=self._size,
            width=self._size,
            generator=self._torch.Generator("cpu").manual_seed(seed),
        ).images[0]
        small = drawn.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        return Drawn(np.asarray(small, np.uint8).copy(), prompt, avoided)
