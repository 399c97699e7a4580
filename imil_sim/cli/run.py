"""The verbs about results: ``run``, ``report``, ``compare``, ``export``, ``check``."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape

from imil_sim import api
from imil_sim.cli import options
from imil_sim.cli.console import TerminalProgress, console, say, table_of
from imil_sim.errors import UsageError, several

if TYPE_CHECKING:
    import pandas as pd

    from imil_sim.output.report import StudyResults
    from imil_sim.report.check import CheckRow, Verdict
    from imil_sim.study.study import Study

SHOWN = {"accuracy": "accuracy", "auroc": "AUROC", "ece_top_label": "ECE"}
"""Metric to heading in the printed table."""


def run(
    study: options.Study,
    store: options.Store = options.STORE,
    out: options.Out = None,
    workers: options.Workers = None,
    device: options.Device = "cpu",
    workers_per_gpu: Annotated[int, typer.Option(min=1, help="Processes for each GPU, with --device cuda.")] = 1,
    scheduler: Annotated[
        str | None, typer.Option(metavar="tls://HOST:PORT", help="Address of a running Dask scheduler.")
    ] = None,
    tls_ca: Annotated[Path | None, typer.Option(help="With --scheduler tls://: certificate of its authority.")] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="With --scheduler tls://: your certificate.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="With --scheduler tls://: the key of your certificate.")] = None,
    no_sharing: Annotated[bool, typer.Option("--no-sharing", help="Train every run straight, by itself.")] = False,
    seeds: options.Seeds = None,
    group_readable: options.GroupReadable = False,
) -> None:
    """Run a study: train, consult, train on, test; print and write the table."""
    loaded = api.load_study(study, seeds=seeds)
    folder = _place(out, loaded.name)
    with TerminalProgress() as progress:
        results = api.run(
            loaded, store=store, workers=workers, device=device, progress=progress, workers_per_gpu=workers_per_gpu,
            scheduler=scheduler, tls=(tls_ca, tls_cert, tls_key), sharing=not no_sharing,
        )  # fmt: skip
    page = api.write_report(results, folder)
    print_results(results)
    if results.questions:
        say("\nanswer the questions, then run the same command again:")
        for entry in results.questions:
            say(f"imil-sim annotate {store.resolve() / entry}")
    say(f"\nreport: {page}")
    if loaded.record:  # last: what no session can hold must not cost the report
        api.write_sessions(results, folder / "sessions")
    raise typer.Exit(1 if "failed" in results.statuses else 3 if "waiting" in results.statuses else 0)


def report(
    study: options.Study,
    store: options.Store = options.STORE,
    out: options.Out = None,
    device: options.Device = "cpu",
    seeds: options.Seeds = None,
    images: Annotated[
        bool, typer.Option("--images/--no-images", help="Whether figures may show images of the set.")
    ] = True,
    group_readable: options.GroupReadable = False,
) -> None:
    """Write the report of a study from what the store holds; nothing is trained."""
    loaded = api.load_study(study, seeds=seeds)
    folder = _place(out, loaded.name)
    with TerminalProgress() as progress:
        results = api.stored(loaded, store=store, device=device, progress=progress)
    page = api.write_report(results, folder, images=images)
    print_results(results)
    say(f"\nreport: {page}")


def compare(
    first: options.Study,
    second: options.Study,
    store: options.Store = options.STORE,
    second_store: Annotated[
        Path | None, typer.Option("--second-store", help="Where the runs of the second lie; --store unless given.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder to write to; reports/compare-... unless given.")
    ] = None,
    device: options.Device = "cpu",
    group_readable: options.GroupReadable = False,
) -> None:
    """Compare two studies, or two versions of one, by matched arms and seeds; nothing is trained."""
    with TerminalProgress() as progress:
        one = api.stored(first, store=store, device=device, progress=progress)
        other = api.stored(second, store=second_store or store, device=device, progress=progress)
    folder = _place(out, f"compare-{'-'.join(dict.fromkeys([one.study.name, other.study.name]))}")
    found = api.compare(one, other)
    page = api.write_comparison(found, folder)
    for statement in found.document.statements:
        say(statement.text)
    say(f"\ncomparison: {page}")


def export(
    study: options.Study,
    to: Annotated[Path, typer.Option("--to", help="Folder to write to.")],
    store: options.Store = options.STORE,
    table_format: Annotated[
        Literal["csv", "parquet"], typer.Option("--format", help="Of the tables; parquet needs pyarrow.")
    ] = "csv",
    mlflow: Annotated[bool, typer.Option("--mlflow", help="Also log every run to MLflow.")] = False,
    wandb: Annotated[bool, typer.Option("--wandb", help="Also log every run to Weights & Biases.")] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write event files for TensorBoard into the folder.")
    ] = False,
    device: options.Device = "cpu",
    seeds: options.Seeds = None,
    group_readable: options.GroupReadable = False,
) -> None:
    """Write predictions, curves, answers, heat maps and weights as files that need no imil-sim to be read."""
    wanted = {"mlflow": mlflow, "wandb": wandb, "tensorboard": tensorboard}
    loaded = api.load_study(study, seeds=seeds)
    api.check_place(to)
    with TerminalProgress() as progress:
        results = api.stored(loaded, store=store, device=device, progress=progress)
    trackers = [name for name, asked in wanted.items() if asked]
    written = api.export(results, to, table_format=table_format, trackers=trackers)
    say(f"{several(len(written), 'file')} in {to}, explained in {written[-1]}")


def check(
    study: options.Study,
    baseline: Annotated[Path, typer.Option("--baseline", help="File that the runs are held against.")],
    update: Annotated[bool, typer.Option("--update", help="Write the baseline instead.")] = False,
    store: Annotated[
        Path | None,
        typer.Option("--store", help="Take runs that this store holds as they are; unless given, all are made anew."),
    ] = None,
    workers: options.Workers = None,
    device: options.Device = "cpu",
    junit: Annotated[Path | None, typer.Option("--junit", help="Also write the verdict as JUnit XML.")] = None,
    summary: Annotated[Path | None, typer.Option("--summary", help="Also write the verdict as Markdown.")] = None,
    group_readable: options.GroupReadable = False,
) -> None:
    """Run a study and compare it with a stored baseline: exit 1 where something moved that must not."""
    loaded = api.load_study(study)
    for option, path in (("--junit", junit), ("--summary", summary), ("--baseline", baseline if update else None)):
        if path is not None:
            _check_writable(option, path)
    remedy = (
        f"Write one from code that is known to be good, and keep it with the code: "
        f"imil-sim check {study} --baseline {baseline} --update"
    )
    with TerminalProgress() as progress:
        verdict = api.check(
            loaded, baseline, update=update, store=store, workers=workers, device=device, progress=progress,
            remedy=remedy,
        )  # fmt: skip
    _print_verdict(verdict)
    api.write_verdict(verdict, junit=junit, summary=summary)
    if update and verdict.passed:
        say(f"baseline written to {baseline}")
    elif update:
        say("no baseline was written: what does not hold now cannot be what later runs are held to", "red")
    raise typer.Exit(0 if verdict.passed else 1)


def _place(out: Path | None, name: str) -> Path:
    """The folder to write to; that it can be written is better known before training than after."""
    folder = out or Path("reports") / name
    api.check_place(folder)
    return folder


def _check_writable(option: str, path: Path) -> None:
    """Check that a file can be written there; better known before training than after."""
    there = next(place for place in path.absolute().parents if place.exists())
    if path.is_dir():
        raise UsageError(f"{option} {path}: that is a folder; name a file")
    if not there.is_dir():
        raise UsageError(f"{option} {path}: {there} is a file, not a folder; name another place")
    if not os.access(there, os.W_OK):
        raise UsageError(f"{option} {path}: {there} cannot be written; name another place")


# ------------------------------------------------------------------------------------------------------ what is printed


def print_results(of: StudyResults) -> None:
    """Print the table of every test set, what is not done and why, and what else spoils a comparison."""
    study = of.study
    for name, frame in of.frames.items():
        there = frame[frame["status"] != "missing"]
        summary = api.arm_summary(there, study.reference, list(study.arms), seeds=study.seeds)
        tested = of.analysis.sets.get(name)
        alone = {} if tested is None else tested.incomparable
        summary.loc[summary["arm"].isin(list(alone)), [f"{m}_difference" for m in SHOWN]] = math.nan
        _print(study, summary, "" if name == "main" else f" on {name}")
        for arm, why in alone.items():
            say(f"{arm} is not compared: {why}", style="yellow")
    if of.analysis.environments:
        line = "\nthe runs of this study were made in different environments, which may move numbers: "
        say(line + of.analysis.environments, style="yellow")
    for result in of.stored:
        if result.record.status != "done":
            line = f"{result.record.status}: {result.arm}, seed {result.seed}: {result.record.reason}"
            say(line, style="red")


def _print(study: Study, summary: pd.DataFrame, where: str) -> None:
    """Two tables, so that 60 columns are enough: the arms' own numbers, and their differences from the reference."""
    seeds = len(study.seeds)
    what = f"mean over {seeds} seeds (sd)" if seeds > 1 else "one seed, which says nothing of chance"
    say(f"{study.name}{where}: {what}", "bold")
    rows = summary.to_dict("records")
    missing = any(row["n_done"] < row["n_expected"] for row in rows)
    table = table_of("arm", *(["runs"] if missing else []), *SHOWN.values())
    for row in rows:
        runs = [f"{row['n_done']}/{row['n_expected']}"] if missing else []
        table.add_row(escape(row["arm"]), *runs, *(_mean_sd(row[f"{m}_mean"], row[f"{m}_sd"]) for m in SHOWN))
    console().print(table)
    if len(rows) == 1:
        return
    say(f"\nminus {study.reference}, seed by seed", "bold")
    table = table_of("arm", *SHOWN.values())
    for row in rows:
        if row["arm"] != study.reference:
            pairs = ((row[f"{m}_difference"], row[f"{m}_difference_sd"]) for m in SHOWN)
            table.add_row(escape(row["arm"]), *(_mean_sd(mean, sd, "+") for mean, sd in pairs))
    console().print(table)


def _mean_sd(mean: float, sd: float, sign: str = "") -> str:
    if math.isnan(mean):
        return "-"
    return f"{mean:{sign}.3f}" + ("" if math.isnan(sd) else f" ({sd:.3f})")


def _print_verdict(verdict: Verdict) -> None:
    """The tables, then every failure with its reason, then the sentences: the last lines are those that are read."""
    moved = [row for row in verdict.comparisons if row.kind != "exact" or not row.passed]
    if moved:
        _print_rows(("arm", "of", "was", "is", "by", "margin", ""), [((row.subject, row.where), row) for row in moved])
    if verdict.expectations:
        _print_rows(
            ("expectation", "left", "right", "by", "asked", ""), [((row.subject,), row) for row in verdict.expectations]
        )
    for row in verdict.failures:
        say(f"{row.kind}: {api.line_of(row)}", "red")
    for sentence in verdict.sentences:
        say(sentence)
    say(f"{verdict.study}: {'passed' if verdict.passed else 'failed'}", "bold")


def _print_rows(headings: tuple[str, ...], rows: list[tuple[tuple[str, ...], CheckRow]]) -> None:
    table = table_of(*headings, text=range(len(headings) - 5))
    for names, row in rows:
        shown = ["-" if number is None else str(number) for number in api.numbers_of(row)]
        word = "ok" if row.passed else "FAIL"
        table.add_row(*(escape(name) for name in names), *shown, word, style="" if row.passed else "red")
    console().print(table)
    console().print()
