"""The ``store`` verbs: what a store holds, whether it is sound, and what may go."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from imil_sim import api
from imil_sim.cli import options
from imil_sim.cli.console import TerminalProgress, console, say, table_of
from imil_sim.errors import UsageError, several

if TYPE_CHECKING:
    from imil_sim.engine.store import Store
    from imil_sim.engine.upkeep import Amount, Holdings, Pruning, Status

WHAT = {
    "stages": "states of training",
    "checkpoints": "states inside stages not done yet",
    "failures": "stages known to diverge",
    "predictions": "on the training images",
    "cams": "heat maps that were shown",
    "overlays": "which images were replaced, and how",
    "questions": "that wait for a reader",
    "evaluations": "predictions on the test sets",
    "runs": "records, with what a report needs",
    "studies": "notes of what was run",
    "images": "decoded images",
}
"""What each kind of entry is."""

STATUSES: tuple[Status, ...] = ("done", "failed", "waiting", "open")

MOST_NAMES = 10
"""Of more studies that go the rest are counted."""

store_app = typer.Typer(
    help="Look after the folder of stages, predictions and records.", no_args_is_help=True, rich_markup_mode=None
)


@store_app.command("ls")
def show_holdings(store: options.Store = options.STORE, as_json: options.AsJson = False) -> None:
    """List what a store holds: kinds of entries, studies, and what is left over."""
    holdings = api.survey(api.open_store(store))
    if as_json:
        say(json.dumps({"store": str(store), "size": holdings.size, **asdict(holdings)}, indent=1))
        return
    say(f"{store}: {_size(holdings.size)}\n", style="bold")
    table = table_of("kind", "entries", "size", "what", text=(0, 3))
    for kind, held in holdings.kinds.items():
        table.add_row(kind, f"{held.count:,}", _size(held.size), WHAT[kind])
    console().print(table)
    _print_studies(holdings)
    for summary, statuses in holdings.unnamed.items():
        counts = ", ".join(f"{count:,} {status}" for status, count in statuses.items())
        say(f"\nof no study on record: {summary}: {counts}")
    for what, held in (
        ("of another version, made again when needed", holdings.other_format),
        ("without a manifest that can be read, made again when needed", holdings.unreadable),
        ("set aside as damaged", holdings.damaged),
        ("left over by processes not known to be alive", holdings.leftovers),
    ):
        if held.count:
            say(f"\n{_many(held)} {what}")


@store_app.command("verify")
def verify(
    store: options.Store = options.STORE,
    recompute: Annotated[
        int, typer.Option("--recompute", min=0, metavar="N", help="Also do N finished runs over and compare the bytes.")
    ] = 0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the draw of these runs.")] = 0,
    device: options.Device = "cpu",
) -> None:
    """Compare every entry with its checksums; exit 1 where one is damaged, or comes out with other bytes."""
    with TerminalProgress() as progress:
        opened = api.open_store(store, progress=progress)
        checked = api.verify(opened, progress.count)
    say(f"{_many(checked.sound)} as written")
    if checked.other_format:
        say(f"{checked.other_format:,} of another version: made again when needed")
    for entry, wrong in checked.faults.items():
        say(f"damaged: {entry}: {wrong}", style="red")
    if checked.faults:
        say("run the studies again: what is damaged is set aside and made anew")
    good = not checked.faults
    if recompute:
        good &= _do_over(opened, recompute, seed, device)
    raise typer.Exit(0 if good else 1)


@store_app.command("prune")
def prune(
    studies: Annotated[list[str], typer.Argument(metavar="STUDY...", help="Studies to keep: files or shipped names.")],
    store: options.Store = options.STORE,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    records: Annotated[
        bool, typer.Option("--records", help="Of runs that are done keep the record and its predictions only.")
    ] = False,
    even_waiting: Annotated[
        bool, typer.Option("--even-waiting", help="Let go also of other studies' runs that wait for a person.")
    ] = False,
) -> None:
    """Remove what the named studies do not need, as their files stand now; says what goes, and asks."""
    kept = [api.load_study(study) for study in studies]
    opened = api.open_store(store)
    pruning = api.to_prune(opened, kept, records_only=records, even_waiting=even_waiting)
    _print_pruning(pruning, records)
    if not pruning.go and not pruning.rubbish.count:
        return
    if not yes and not sys.stdin.isatty():
        raise UsageError("nothing was removed: there is no terminal to ask on; give --yes to agree beforehand")
    if not yes and not typer.confirm("Remove it?"):
        say("nothing was removed")
        return
    api.prune(opened, pruning)
    say(f"removed; {_size(pruning.freed)} freed")


def _print_studies(holdings: Holdings) -> None:
    if not holdings.studies:
        return
    say("")
    table = table_of("study", "arms", "seeds", "runs", *STATUSES, text=(0,))
    for study in holdings.studies:
        counts = [study.runs.get(status, 0) for status in STATUSES]
        numbers = (study.arms, study.seeds, sum(study.runs.values()), *counts)
        table.add_row(escape(study.name), *(f"{number:,}" for number in numbers))
    console().print(table)


def _do_over(store: Store, number: int, seed: int, device: str) -> bool:
    """Whether every run that was done over came out with the bytes it had."""
    good, compared, passed_over = True, 0, []
    with TerminalProgress() as progress:
        for run in api.recompute(store, number, seed=seed, device=device, progress=progress):
            if run.passed_over:
                passed_over.append(run)
                continue
            compared += 1
            good &= not (run.differing or run.failed)
            lacking = f", {run.missing} no longer in the store" if run.missing else ""
            say(f"run {run.key[:16]}: {run.equal} entries came out with the same bytes{lacking}")
            for entry in run.differing:
                say(f"  with other bytes: {entry}", style="red")
            if run.failed:
                say(f"  failed this time: {run.failed}", style="red")
    if not compared:
        why = f"the first: {passed_over[0].passed_over}" if passed_over else "the store holds no run that is done"
        raise UsageError(
            f"--recompute {number}: no run can be done over here; {why}. Relative paths are looked for in "
            "IMIL_SIM_DATA and the current folder"
        )
    if compared < number:
        say(f"only {compared} of {number}: {len(passed_over)} cannot be done over here")
    if not good:
        say("something that moves the numbers has changed without changing the keys: begin anew with another --store")
    return good


def _print_pruning(pruning: Pruning, records_only: bool) -> None:
    kinds: dict[str, list[int]] = {}
    for entry in pruning.go:
        kinds.setdefault(entry.kind, []).append(entry.size)
    table = table_of("to remove", "entries", "size", text=(0,))
    for kind, sizes in kinds.items():
        table.add_row(kind, f"{len(sizes):,}", _size(sum(sizes)))
    if pruning.rubbish.count:
        table.add_row("left over", f"{pruning.rubbish.count:,}", _size(pruning.rubbish.size))
    if not table.rows:
        say(f"nothing to remove; {_many(pruning.stay)} needed")
    else:
        console().print(table)
        say(f"\nfrees {_size(pruning.freed)}; {_many(pruning.stay)} stay")
    if gone := pruning.studies_gone:
        more = f" and {len(gone) - MOST_NAMES:,} more" if len(gone) > MOST_NAMES else ""
        say(f"studies that go: {', '.join(gone[:MOST_NAMES])}{more}")
    if pruning.unfinished:
        say(f"{pruning.unfinished:,} of the runs to keep are not done: what they have so far stays")
    if records_only:
        say("a report can still be made; `run` would train everything again, and no arm could be added for less")
    if pruning.images_unknown:
        say(f"all decoded images stay, since which are needed is not known: {pruning.images_unknown}")


def _many(held: Amount) -> str:
    return f"{several(held.count, 'entry', 'entries')} ({_size(held.size)})"


def _size(count: int) -> str:
    """Bytes as people say them.

    >>> [_size(n) for n in (0, 999, 12_345, 7_800_000, 2_500_000_000)]
    ['0 kB', '1 kB', '12 kB', '7.8 MB', '2.5 GB']
    """
    if count < 1_000_000:
        return f"{-(-count // 1000) if count < 10_000 else round(count / 1000):,} kB"
    return f"{count / 1e6:,.1f} MB" if count < 1_000_000_000 else f"{count / 1e9:,.1f} GB"
