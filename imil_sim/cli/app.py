"""``imil-sim``: the verbs. Each one imports what it needs when it is called, so that ``--help`` is there at once."""

from __future__ import annotations

import errno
import json
import os
import sys
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer

from imil_sim.cli.interrupt import stopped_by_signals
from imil_sim.errors import ImilSimError, UsageError, shown
from imil_sim.io import readable_by
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

StudyArgument = Annotated[str, typer.Argument(metavar="STUDY.toml", help="A study file, or the name of a shipped one.")]
StoreOption = Annotated[
    Path, typer.Option("--store", envvar="IMIL_SIM_STORE", help="Folder of stages, predictions and records.")
]
OutOption = Annotated[Path | None, typer.Option("--out", help="Folder for the results; reports/NAME unless given.")]
DeviceOption = Annotated[Literal["cpu", "cuda"], typer.Option("--device", help="Where to train.")]
SeedsOption = Annotated[int | None, typer.Option("--seeds", min=1, help="Only the first N seeds of the study.")]


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


@app.callback(invoke_without_command=True)
def _top(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        from imil_sim import __version__

        typer.echo(f"imil-sim {__version__}")
        raise typer.Exit


@app.command()
def run(
    study: StudyArgument,
    store: StoreOption = Path("runs"),
    out: OutOption = None,
    workers: Annotated[
        int | None, typer.Option(min=0, help="Processes to train with; one a core unless given, 0: this process.")
    ] = None,
    device: DeviceOption = "cpu",
    workers_per_gpu: Annotated[int, typer.Option(min=1, help="Processes for each GPU, with --device cuda.")] = 1,
    scheduler: Annotated[
        str | None, typer.Option(metavar="tls://HOST:PORT", help="Address of a running Dask scheduler.")
    ] = None,
    tls_ca: Annotated[Path | None, typer.Option(help="With --scheduler tls://: certificate of its authority.")] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="With --scheduler tls://: your certificate.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="With --scheduler tls://: the key of your certificate.")] = None,
    no_sharing: Annotated[bool, typer.Option("--no-sharing", help="Train every run straight, by itself.")] = False,
    seeds: SeedsOption = None,
    group_readable: GroupReadable = False,
) -> None:
    """Run a study: train, consult, train on, test; print and write the table."""
    from imil_sim.cli.run import run_study
    from imil_sim.engine.cluster import remote_security

    security = remote_security(scheduler, tls_ca, tls_cert, tls_key)
    code = run_study(
        study, store=store, out=out, seeds=seeds, device=device, workers=workers, workers_per_gpu=workers_per_gpu,
        scheduler=scheduler, sharing=not no_sharing, security=security,
    )  # fmt: skip
    raise typer.Exit(code)


@app.command()
def report(
    study: StudyArgument,
    store: StoreOption = Path("runs"),
    out: OutOption = None,
    device: DeviceOption = "cpu",
    seeds: SeedsOption = None,
    images: Annotated[
        bool, typer.Option("--images/--no-images", help="Whether figures may show images of the set.")
    ] = True,
    group_readable: GroupReadable = False,
) -> None:
    """Write the report of a study from what the store holds; nothing is trained."""
    from imil_sim.cli.run import report_study

    report_study(study, store=store, out=out, seeds=seeds, device=device, images=images)


@app.command()
def compare(
    first: StudyArgument,
    second: StudyArgument,
    store: StoreOption = Path("runs"),
    second_store: Annotated[
        Path | None, typer.Option("--second-store", help="Where the runs of the second lie; --store unless given.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder to write to; reports/compare-... unless given.")
    ] = None,
    device: DeviceOption = "cpu",
    group_readable: GroupReadable = False,
) -> None:
    """Compare two studies, or two versions of one, by matched arms and seeds; nothing is trained."""
    from imil_sim.cli.run import compare_stored

    compare_stored(first, second, stores=(store, second_store or store), out=out, device=device)


@app.command()
def export(
    study: StudyArgument,
    to: Annotated[Path, typer.Option("--to", help="Folder to write to.")],
    store: StoreOption = Path("runs"),
    table_format: Annotated[
        Literal["csv", "parquet"], typer.Option("--format", help="Of the tables; parquet needs pyarrow.")
    ] = "csv",
    mlflow: Annotated[bool, typer.Option("--mlflow", help="Also log every run to MLflow.")] = False,
    wandb: Annotated[bool, typer.Option("--wandb", help="Also log every run to Weights & Biases.")] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write event files for TensorBoard into the folder.")
    ] = False,
    device: DeviceOption = "cpu",
    seeds: SeedsOption = None,
    group_readable: GroupReadable = False,
) -> None:
    """Write predictions, curves, answers, heat maps and weights as files that need no imil-sim to be read."""
    from imil_sim.cli.run import export_stored

    wanted = {"mlflow": mlflow, "wandb": wandb, "tensorboard": tensorboard}
    trackers = [name for name, asked in wanted.items() if asked]
    export_stored(study, to, store=store, seeds=seeds, device=device, table_format=table_format, trackers=trackers)


@app.command()
def plan(
    study: StudyArgument,
    store: StoreOption = Path("runs"),
    device: DeviceOption = "cpu",
    seeds: SeedsOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print numbers for a script.")] = False,
    group_readable: GroupReadable = False,
) -> None:
    """Show what a study would train: stages, epochs shared and in the store, and about how long."""
    from imil_sim.cli.plan import show_plan

    show_plan(study, store=store, seeds=seeds, device=device, as_json=as_json)


@app.command()
def check(
    study: StudyArgument,
    baseline: Annotated[Path, typer.Option("--baseline", help="File that the runs are held against.")],
    update: Annotated[bool, typer.Option("--update", help="Write the baseline instead.")] = False,
    store: Annotated[
        Path | None,
        typer.Option("--store", help="Take runs that this store holds as they are; unless given, all are made anew."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=0, help="Processes to train with; one a core unless given, 0: this process.")
    ] = None,
    device: DeviceOption = "cpu",
    junit: Annotated[Path | None, typer.Option("--junit", help="Also write the verdict as JUnit XML.")] = None,
    summary: Annotated[Path | None, typer.Option("--summary", help="Also write the verdict as Markdown.")] = None,
    group_readable: GroupReadable = False,
) -> None:
    """Run a study and compare it with a stored baseline: exit 1 where something moved that must not."""
    from imil_sim.cli.check import check_baseline

    code = check_baseline(
        study, baseline, update=update, store=store, workers=workers, device=device, junit=junit, summary=summary
    )
    raise typer.Exit(code)


@app.command()
def schema() -> None:
    """Print the JSON schema of study files, for an editor that completes and checks TOML."""
    from imil_sim.cli.console import say
    from imil_sim.study.schema import study_schema

    say(json.dumps(study_schema(), indent=2))


@app.command()
def data(
    study: StudyArgument,
    store: StoreOption = Path("runs"),
    group_readable: GroupReadable = False,
) -> None:
    """Show what a study's image source holds, and everything that is wrong with it."""
    from imil_sim.cli.data import show_data

    show_data(study, store=store)


@app.command()
def oracles(
    name: Annotated[
        str | None, typer.Argument(help="Print this oracle's card and options; with --gallery draw it alone.")
    ] = None,
    gallery: Annotated[
        Path | None, typer.Option("--gallery", metavar="FILE.png", help="Draw the oracles' answers to ten questions.")
    ] = None,
    study: Annotated[
        str | None,
        typer.Option(
            "--study",
            metavar="STUDY.toml",
            help="Whose images --gallery shows, on the grid that its arms share; else the phantom's on 8 x 8.",
        ),
    ] = None,
    store: StoreOption = Path("runs"),
    group_readable: GroupReadable = False,
) -> None:
    """List the installed oracles, print the card of one, or draw what they answer."""
    from imil_sim.cli.oracles import show_oracle, show_oracles

    if gallery is not None:
        from imil_sim.cli.gallery import write_gallery

        write_gallery(gallery, study, store=store, only=name)
        typer.echo(f"{gallery}")
    elif study is not None:
        raise UsageError("--study says whose images are drawn: give --gallery FILE.png with it, or leave it out")
    elif name is None:
        show_oracles()
    else:
        show_oracle(name)


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
    role: Annotated[str, typer.Option("--role", help="What the reader is: radiologist, resident.")] = "",
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
    store: StoreOption = Path("runs"),
    group_readable: GroupReadable = False,
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


@app.command()
def annotate(
    questions: Annotated[Path, typer.Argument(metavar="QUESTIONS_DIR", help="Folder questions/KEY of the store.")],
    host: Annotated[str, typer.Option("--host", help="Address to serve the page at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0: a free one.")] = 0,
    reader: Annotated[str | None, typer.Option("--reader", help="Who answers, where several are asked.")] = None,
    role: Annotated[str, typer.Option("--role", help="What the reader is: radiologist, resident.")] = "",
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Open nothing, only print where it is.")] = False,
    console: Annotated[bool, typer.Option("--console", help="Ask in this terminal, with numbered cells.")] = False,
    group_readable: GroupReadable = False,
) -> None:
    """Show the questions of a waiting run to a person, and write the answers down."""
    from imil_sim.cli.annotate import annotate as show_questions

    raise typer.Exit(
        show_questions(
            questions, reader=reader, role=role, host=host, port=port, browser=not no_browser, in_console=console
        )
    )


store_app = typer.Typer(
    help="Look after the folder of stages, predictions and records.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(store_app, name="store")


@store_app.command("ls")
def store_ls(
    store: StoreOption = Path("runs"),
    as_json: Annotated[bool, typer.Option("--json", help="Print numbers for a script.")] = False,
) -> None:
    """List what a store holds: kinds of entries, studies, and what is left over."""
    from imil_sim.cli.store import show_holdings

    show_holdings(store, as_json=as_json)


@store_app.command("verify")
def store_verify(
    store: StoreOption = Path("runs"),
    recompute: Annotated[
        int, typer.Option("--recompute", min=0, metavar="N", help="Also do N finished runs over and compare the bytes.")
    ] = 0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the draw of these runs.")] = 0,
    device: DeviceOption = "cpu",
) -> None:
    """Compare every entry with its checksums; exit 1 where one is damaged, or comes out with other bytes."""
    from imil_sim.cli.store import verify_store

    raise typer.Exit(verify_store(store, number=recompute, seed=seed, device=device))


@store_app.command("prune")
def store_prune(
    studies: Annotated[list[str], typer.Argument(metavar="STUDY...", help="Studies to keep: files or shipped names.")],
    store: StoreOption = Path("runs"),
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    records: Annotated[
        bool, typer.Option("--records", help="Of runs that are done keep the record and its predictions only.")
    ] = False,
    even_waiting: Annotated[
        bool, typer.Option("--even-waiting", help="Let go also of other studies' runs that wait for a person.")
    ] = False,
) -> None:
    """Remove what the named studies do not need, as their files stand now; says what goes, and asks."""
    from imil_sim.cli.store import prune_store

    prune_store(store, studies, yes=yes, records_only=records, even_waiting=even_waiting)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 a run failed, 2 a wrong call, study or data, 130 interrupted."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # what is wrong with an image is told once, by us
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
