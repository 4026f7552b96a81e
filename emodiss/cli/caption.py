"""The command that describes the patient's face in words."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from emodiss.cli import output
from emodiss.cli.options import AsCsv, AsJson, Quiet, RunFolder


def caption(
    run: RunFolder,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from", help="CSV of a model's captions: video_id, utterance_id, face_caption, model."
        ),
    ] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    quiet: Quiet = False,
) -> None:
    """Describe the patient's face in words, for prompts of the condition caption.

    Without a file the words are emodiss' own: label, valence and arousal of the face.
    """
    from emodiss.errors import RunError
    from emodiss.runs.run import load
    from emodiss.study.captions import caption_faces

    made = caption_faces(load(run), source)
    output.show([asdict(each) for each in made], as_json=as_json, as_csv=as_csv)
    if not made:
        raise RunError(
            "There is nothing to describe: no face of the patient was measured.",
            next_step="See emodiss people, or give captions of a model with --from.",
        )
    if not quiet:
        output.say(f"Now: emodiss prompts {run} --kind caption")
