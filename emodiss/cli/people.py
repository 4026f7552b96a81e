"""The command people: whose face is whose in a finished run, and what one may state instead."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from emodiss.cli import output
from emodiss.cli.options import AsCsv, AsJson

if TYPE_CHECKING:
    from emodiss.people import People, Person
    from emodiss.runs.run import Run


def people(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    video: Annotated[str | None, typer.Option(help="Only this video.")] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """List the voices with their faces, and the faces of nobody; a manifest may overrule it."""
    from emodiss.errors import RunError, nearest
    from emodiss.runs.run import load

    loaded = load(run)
    done = {v for (v, s), o in loaded.outcomes.items() if s == "people" and o.key and not o.error}
    videos = [name for name in loaded.videos if name in done]
    if video is not None and video not in videos:
        raise RunError(f"There is no measured video '{video}'.", next_step=nearest(video, videos))
    talk, floor = _talk(loaded), loaded.settings.people.min_confidence
    rows = [
        row
        for name in ([video] if video else videos)
        for row in _rows(loaded, name, talk.get(name, {}), floor)
    ]
    output.show(rows, as_json=as_json, as_csv=as_csv)


def _talk(run: Run) -> dict[str, dict[str, _Talk]]:
    """Role and length of what each voice says, by video and voice."""
    found: dict[str, dict[str, _Talk]] = {}
    columns = run.lists("utterances", ["video_id", "speaker", "role", "start", "end"])
    for name, voice, role, start, end in zip(*columns.values(), strict=True):
        own = found.setdefault(name, {}).setdefault(voice, _Talk())
        own.role = own.role or role
        own.seconds += end - start
    return found


@dataclass(slots=True)
class _Talk:
    """What the table says of a voice."""

    role: str | None = None
    seconds: float = 0.0


def _rows(run: Run, video: str, talk: dict[str, _Talk], floor: float) -> list[dict[str, Any]]:
    """One row per voice, then one per face track that belongs to no voice."""
    people, tracks = run.artifact(video, "people"), run.artifact(video, "tracks")
    media = run.artifact(video, "media")
    rows: list[dict[str, Any]] = []
    for person in people.persons:
        own = talk.get(person.speaker, _Talk())
        rows.append(
            {
                "video": video,
                "voice": person.speaker,
                "role": own.role,
                "talk_s": round(own.seconds, 1),
                "tracks": "+".join(str(number) for number in person.track_ids),
                "side": _sides([tracks.of(number) for number in person.track_ids], media.width),
                "said_by": person.binding_source,
                "confidence": _number(person.binding_confidence),
                "no_face_because": why_faceless(person, people, floor),
            }
        )
    taken = {number for person in people.persons for number in person.track_ids}
    rows += [
        {
            "video": video,
            "voice": None,
            "role": None,
            "talk_s": None,
            "tracks": str(track.id),
            "side": _sides([track], media.width),
            "said_by": None,
            "confidence": None,
            "no_face_because": None,
        }
        for track in tracks.tracks
        if track.id not in taken
    ]
    return rows


def why_faceless(person: Person, people: People, floor: float) -> str | None:
    """Say why a voice has no face, from the evidence it was decided on."""
    if person.track_ids:
        return None
    if person.binding_source is not None:
        return "stated to have none, or none is on the side stated"
    weighed = [pair for pair in people.evidence if pair.speaker == person.speaker]
    if not weighed:
        return "no face was followed in the picture"
    best = max(weighed, key=lambda pair: pair.confidence)
    if best.confidence < floor:
        return (
            f"no mouth moves with it clearly enough: best is track {best.track_id} with "
            f"{best.confidence:.4f} after {best.alone_s:.1f} s alone in view, and "
            f"people.min_confidence is {floor:g}"
        )
    owner = next((p.speaker for p in people.persons if best.track_id in p.track_ids), None)
    return f"its likeliest face, track {best.track_id}, was given to {owner}"


def _sides(tracks: list[Any], width: int) -> str | None:
    """Say on which half of the picture faces mostly are."""
    middles = [float((track.boxes[:, 0] + track.boxes[:, 2]).mean()) / 2 for track in tracks]
    sides = {"left" if middle < width / 2 else "right" for middle in middles}
    return "+".join(sorted(sides)) or None


def _number(value: float) -> float | None:
    return round(value, 4) if value == value else None
