"""The command that lets language models judge whole sessions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emodiss.cli import chat_options as chats, output
from emodiss.cli.option_groups import grouped
from emodiss.cli.options import AsCsv, AsJson, Quiet


@grouped
def judge(
    out: Annotated[Path, typer.Argument(help="Folder of the experiment.")],
    model_names: chats.Judges = None,
    model: chats.Judge = None,
    instrument: Annotated[
        list[str] | None,
        typer.Option(help="counseling (CounselingEval) or alliance (WAI); repeatable. Both."),
    ] = None,
    criterion: Annotated[
        list[str] | None,
        typer.Option(
            help="Of CounselingEval: understanding, interpersonal_effectiveness, collaboration, "
            "guided_discovery, focus, strategy; repeatable. All six if not given."
        ),
    ] = None,
    prompts: Annotated[
        Path | None,
        typer.Option(help="Folder with CACTUS's prompt files (GPL); own wording by default."),
    ] = None,
    as_printed: Annotated[
        bool,
        typer.Option(
            "--as-printed",
            help="WAI as the paper prints it: short sessions count against the counselor, and "
            "items 1 and 3 run the other way.",
        ),
    ] = False,
    items: Annotated[
        Path | None, typer.Option(help="JSON file of WAI items and guidelines of your own.")
    ] = None,
    directions: Annotated[
        bool, typer.Option("--directions", help="Show stage directions to the judge.")
    ] = False,
    screenplays: Annotated[
        bool, typer.Option("--screenplays", help="Judge the screenplays, not the sessions.")
    ] = False,
    max_tokens: Annotated[int, typer.Option(help="Longest answer, tokens.", min=1)] = 512,
    *,
    place: chats.Answering,
    preview: chats.Preview = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    quiet: Quiet = False,
) -> None:
    """Let language models judge whole sessions by CounselingEval and the WAI.

    Judges see the dialogue alone. A score that cannot be read is missing, never 0.
    """
    from emodiss import mirror
    from emodiss.mirror.judge import INSTRUMENTS, requests

    models = chats.with_models(place, *(model_names or ()), *(model or ()))
    experiment = mirror.load(out)
    asking = mirror.Asking(
        of="screenplays" if screenplays else "encounters",
        instruments=instrument or INSTRUMENTS,
        criteria=criterion,
        prompts=prompts,
        as_printed=as_printed,
        items=items,
        directions=directions,
        max_tokens=max_tokens,
    )
    if preview:
        chats.preview(models, requests(experiment, models, asking))
        return
    with output.progress_bars(quiet=quiet) as progress:
        done = mirror.judge(experiment, models, asking, say=output.say, progress=progress)
    record = done.record
    for reason, n in sorted(record["skipped"].items()):
        output.say(f"{n} {asking.of} cannot be judged [{reason}]")
    for code, n in sorted(record["errors"].items()):
        output.say(f"{n} questions without an answer [{code}]")
    if as_json or as_csv:
        output.show(output.records(done.table), as_json=as_json, as_csv=as_csv)
    else:
        means = done.table.groupby(["judge", "instrument", "criterion", "wording"], sort=False)
        rows = means["score"].agg(mean="mean", n="count", n_asked="size").reset_index()
        output.show(output.records(rows))
        output.tell(
            f"{record['new']} judgements new; of {record['questions']}: "
            f"{record['unparsable']} unparsable, {record['unanswered']} unanswered; "
            f"{chats.bill_of(record, models)}"
        )
    if not done.complete:
        raise typer.Exit(1)
