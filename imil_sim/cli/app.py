"""``imil-sim``: the verbs. Each one imports what it needs when it is called, so that ``--help`` is there at once."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from imil_sim.errors import ImilSimError

app = typer.Typer(
    name="imil-sim",
    help="What is clinician feedback worth when a medical image classifier is trained with it?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

INTERRUPTED = 130

StudyArgument = Annotated[str, typer.Argument(metavar="STUDY.toml", help="A study file, or the name of a shipped one.")]
StoreOption = Annotated[
    Path, typer.Option("--store", envvar="IMIL_SIM_STORE", help="Folder of stages, predictions and records.")
]
OutOption = Annotated[Path | None, typer.Option("--out", help="Folder for the results; reports/NAME unless given.")]
DeviceOption = Annotated[Literal["cpu", "cuda"], typer.Option("--device", help="Where to train.")]
SeedsOption = Annotated[int | None, typer.Option("--seeds", min=1, help="Only the first N seeds of the study.")]


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
    scheduler: Annotated[str | None, typer.Option(help="Address of a running Dask scheduler.")] = None,
    no_sharing: Annotated[bool, typer.Option("--no-sharing", help="Train every run straight, by itself.")] = False,
    seeds: SeedsOption = None,
) -> None:
    """Run a study: train, consult, train on, test; print and write the table."""
    from imil_sim.cli.run import Where, run_study

    where = Where(store, device, workers, workers_per_gpu, scheduler, not no_sharing)
    raise typer.Exit(run_study(study, where, out=out, seeds=seeds))


@app.command()
def plan(
    study: StudyArgument,
    store: StoreOption = Path("runs"),
    device: DeviceOption = "cpu",
    seeds: SeedsOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print numbers for a script.")] = False,
) -> None:
    """Show what a study would train: stages, epochs shared and in the store, and about how long."""
    from imil_sim.cli.plan import show_plan

    show_plan(study, store=store, seeds=seeds, device=device, as_json=as_json)


@app.command()
def schema() -> None:
    """Print the JSON schema of study files, for an editor that completes and checks TOML."""
    from imil_sim.cli.schema import show_schema

    show_schema()


@app.command()
def data(
    study: StudyArgument,
    store: StoreOption = Path("runs"),
) -> None:
    """Show what a study's image source holds, and everything that is wrong with it."""
    from imil_sim.cli.data import show_data

    show_data(study, store=store)


@app.command()
def oracles(
    name: Annotated[str | None, typer.Argument(help="Print this oracle's card and options.")] = None,
) -> None:
    """List the installed oracles, or print the card of one."""
    from imil_sim.cli.oracles import show_oracle, show_oracles

    if name is None:
        show_oracles()
    else:
        show_oracle(name)


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
        app(args=arguments, prog_name="imil-sim")
    except ImilSimError as error:
        print(f"imil-sim: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except SystemExit as stop:
        if stop.code == INTERRUPTED:
            print("imil-sim: interrupted. What is stored is safe; run the same command to go on.", file=sys.stderr)
        raise


if __name__ == "__main__":
    main()
