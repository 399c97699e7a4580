"""Arguments and options that several verbs have."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from imil_sim.errors import UsageError
from imil_sim.io import readable_by

STORE = Path("runs")

Study = Annotated[str, typer.Argument(metavar="STUDY.toml", help="A study file, or the name of a shipped one.")]
Store = Annotated[
    Path, typer.Option("--store", envvar="IMIL_SIM_STORE", help="Folder of stages, predictions and records.")
]
Out = Annotated[Path | None, typer.Option("--out", help="Folder for the results; reports/NAME unless given.")]
Device = Annotated[Literal["cpu", "cuda"], typer.Option("--device", help="Where to train.")]
Seeds = Annotated[int | None, typer.Option("--seeds", min=1, help="Only the first N seeds of the study.")]
Workers = Annotated[
    int | None,
    typer.Option("--workers", min=0, help="Processes to train with; one a core unless given, 0: this process."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print numbers for a script.")]
Role = Annotated[str, typer.Option("--role", help="What the reader is: radiologist, resident.")]


def _choose_readers(context: typer.Context, group_readable: bool) -> bool:
    """Until the command ends, what it writes can be read by these; the command itself need not know.

    Raises:
        UsageError: the umask forbids what is asked for.
    """
    if group_readable:
        os.umask(umask := os.umask(0o077))  # the only way to ask for it
        if umask & 0o050:
            raise UsageError(f"--group-readable: the umask {umask:04o} keeps the group out; set `umask 027` first")
    context.with_resource(readable_by("group" if group_readable else "owner"))
    return group_readable


GroupReadable = Annotated[
    bool,
    typer.Option(
        "--group-readable", callback=_choose_readers, help="Let your group read what is written, else only you can."
    ),
]
