"""``imil-sim`` and its verbs; `imil_sim.api` imports what they need when they are called: help is there at once."""

from __future__ import annotations

import errno
import json
import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from imil_sim import api
from imil_sim.cli import options
from imil_sim.cli.annotate import annotate
from imil_sim.cli.console import say, stopped_by_signals
from imil_sim.cli.oracles import oracles
from imil_sim.cli.plan import data, plan
from imil_sim.cli.run import check, compare, export, report, run
from imil_sim.cli.store import store_app
from imil_sim.errors import ImilSimError, UsageError, shown
from imil_sim.registry import names

app = typer.Typer(
    name="imil-sim",
    help="What is clinician feedback worth when a medical image classifier is trained with it?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

INTERRUPTED = 130

ABOUT_A_PATH = frozenset(
    {
        errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM, errno.EROFS,
        errno.ENOSPC, errno.EDQUOT, errno.EIO,
    }
)  # fmt: skip
"""What the system says of a path or a disk that the user chose. A file that is missing where it must be there, or any
other error, is a fault of the program, whose traceback is wanted."""


@app.callback(invoke_without_command=True)
def _top(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        from imil_sim import __version__

        typer.echo(f"imil-sim {__version__}")
        raise typer.Exit


for verb in (run, report, compare, export, plan, check, data, oracles, annotate):
    app.command()(verb)
app.add_typer(store_app, name="store")


@app.command()
def schema() -> None:
    """Print the JSON schema of study files, for an editor that completes and checks TOML."""
    say(json.dumps(api.study_schema(), indent=2))


@app.command("import")
def import_(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="A file, or a folder of masks or LabelMe files.")],
    to: Annotated[Path, typer.Option("--to", help="The session to write; a folder where FILE has several readers.")],
    kind: Annotated[
        str | None,
        typer.Option("--format", help=f"{', '.join(names('importers'))}; recognised unless given."),
    ] = None,
    grid: Annotated[
        int | None,
        typer.Option(
            "--grid",
            min=1,
            max=1000,
            help="Rows and columns of the cells written; unless given, the grid of the arms of --study, else 8.",
        ),
    ] = None,
    threshold: Annotated[float, typer.Option("--threshold", help="Share of a cell that must be covered.")] = 0.1,
    reader: Annotated[str, typer.Option("--reader", help="Who marked it; or the one reader of several to take.")] = "",
    role: options.Role = "",
    sizes: Annotated[
        Path | None, typer.Option("--sizes", help="Sizes of the original images: a CSV table, or their folder.")
    ] = None,
    suffix: Annotated[str, typer.Option("--suffix", help="Of masks, between an image's id and its ending.")] = "",
    unmarked: Annotated[
        str,
        typer.Option(
            "--unmarked",
            metavar="[stated|nothing|skip]",
            help="Images without a mark: nothing matters, skip, or as the file states it.",
        ),
    ] = "stated",
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="CATEGORY", help="Only marks of it; may be given again.")
    ] = None,
    whole_path: Annotated[
        bool, typer.Option("--whole-path", help="Ids are paths with folders, not only the names of files.")
    ] = False,
    study: Annotated[
        str | None, typer.Option("--study", metavar="STUDY.toml", help="Whose images they are, for strict replay.")
    ] = None,
    store: options.Store = options.STORE,
    group_readable: options.GroupReadable = False,
) -> None:
    """Make a session of what was drawn with another program, to be replayed."""
    from imil_sim.cli.importing import import_sessions

    import_sessions(
        source,
        to,
        kind=kind,
        grid=grid,
        threshold=threshold,
        reader=reader,
        role=role,
        sizes=sizes,
        suffix=suffix,
        whole_path=whole_path,
        study=study,
        store=store,
        unmarked=unmarked,
        only=frozenset(only or ()),
    )


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 a run failed, 2 a wrong call, study or data, 130 interrupted."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # what is wrong with an image is said once, by us
    try:
        if any("\0" in argument for argument in arguments or ()):  # the system lets none through
            raise UsageError("an argument holds a NUL character; no path or name may")
        with stopped_by_signals():
            app(args=arguments, prog_name="imil-sim")
    except ImilSimError as error:
        _refuse(str(error), error.exit_code)
    except OSError as error:
        if error.filename is None or error.errno not in ABOUT_A_PATH:
            raise
        _refuse(f"{error.filename} cannot be used: {error.strerror}; name another path, or mend that one")
    except KeyboardInterrupt:
        _say_interrupted()
        sys.exit(INTERRUPTED)
    except SystemExit as stop:
        if stop.code == INTERRUPTED:
            _say_interrupted()
        raise


def _refuse(message: str, code: int = UsageError.exit_code) -> NoReturn:
    # Words of a file, or of an oracle, may be among them.
    print("\n".join(map(shown, f"imil-sim: {message}".split("\n"))), file=sys.stderr)
    sys.exit(code)


def _say_interrupted() -> None:
    print("imil-sim: interrupted. What is stored is safe; run the same command to go on.", file=sys.stderr)


if __name__ == "__main__":
    main()
