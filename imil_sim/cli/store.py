"""The ``store`` verbs: what a store holds, whether it is sound, and what may go."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import typer
from rich.markup import escape

from imil_sim import api
from imil_sim.cli.console import console, say, table_of
from imil_sim.cli.progress import TerminalProgress
from imil_sim.engine import upkeep
from imil_sim.engine.data import ImageLibrary
from imil_sim.engine.results import recompute
from imil_sim.engine.store import Store
from imil_sim.engine.upkeep import Amount, Holdings, Pruning
from imil_sim.errors import StoreError, UsageError
from imil_sim.training.numerics import find_device

WHAT = {
    "stages": "states of training",
    "checkpoints": "states inside stages not done yet",
    "failures": "stages known to diverge",
    "predictions": "on the training images",
    "cams": "heat-maps that were shown",
    "overlays": "which images were replaced, and how",
    "questions": "that wait for a person",
    "evaluations": "predictions on the test sets",
    "runs": "records, with what a report needs",
    "studies": "notes of what was run",
    "images": "decoded pictures",
}
"""What each kind of entry is."""

STATUSES: tuple[upkeep.Status, ...] = ("done", "failed", "waiting", "open")

MOST_NAMES = 10
"""Of more studies that go the rest are counted."""


def show_holdings(root: Path, *, as_json: bool) -> None:
    """Print what a store holds: kinds of entries, studies, and what is left over.

    Raises:
        StoreError: there is no store, or it cannot be read.
    """
    holdings = upkeep.survey(_open(root))
    if as_json:
        told = {"store": str(root), "size": holdings.size, **asdict(holdings)}
        say(json.dumps(told, indent=1))
        return
    say(f"{root}: {_size(holdings.size)}\n", style="bold")
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
            say(f"\n{_many(held, 'entry', 'entries')} {what}")


def verify_store(root: Path, *, number: int, seed: int, device: str) -> int:
    """Print which entries are not as they were written, and what comes of doing runs over; gives the exit code.

    Raises:
        StoreError: there is no store, or it cannot be read.
        UsageError: runs are to be done over and none can be here.
    """
    store = _open(root)
    with TerminalProgress() as progress:
        checked = upkeep.check(store, progress.count)
    say(f"{_many(checked.sound, 'entry', 'entries')} as written")
    if checked.other_format:
        say(f"{checked.other_format:,} of another version: made again when needed")
    for entry, wrong in checked.faults.items():
        say(f"damaged: {entry}: {wrong}", style="red")
    if checked.faults:
        say("run the studies again: what is damaged is set aside and made anew")
    good = not checked.faults
    if number:
        good &= _do_over(store, number, seed, device)
    return 0 if good else 1


def prune_store(root: Path, studies: Sequence[str], *, yes: bool, records_only: bool, even_waiting: bool) -> None:
    """Print what the named studies do not need, and remove it when that is agreed to.

    Raises:
        StoreError: there is no store, or it is in use, or somebody else's run waits for a person.
        UsageError: a study is not in the store, or there is nobody to ask.
    """
    kept = [api.load_study(study) for study in studies]
    store = _open(root)
    pruning = upkeep.to_prune(store, kept, records_only=records_only, even_waiting=even_waiting)
    _print_pruning(pruning, records_only)
    if not pruning.go and not pruning.rubbish.count:
        return
    if not yes and not sys.stdin.isatty():
        raise UsageError("nothing was removed: there is no terminal to ask on; give --yes to agree beforehand")
    if not yes and not typer.confirm("Remove it?"):
        say("nothing was removed")
        return
    upkeep.prune(store, pruning)
    say(f"removed; {_size(pruning.freed)} freed")


def _open(root: Path) -> Store:
    if not root.is_dir():
        raise StoreError(f"there is no store {root}; name one with --store, or run a study first")
    return Store(root, lambda entry: say(f"damaged and set aside: {entry}", style="red"))


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
        library = ImageLibrary(Path.cwd(), store.root, progress.count)
        for run in recompute(store, library, find_device(device), Path.cwd(), number, seed, progress.count):
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
    kinds = upkeep.amounts(pruning.go)
    if pruning.rubbish.count:
        kinds["left over"] = pruning.rubbish
    if not kinds:
        say(f"nothing to remove; {_many(pruning.stay, 'entry', 'entries')} needed")
    else:
        table = table_of("to remove", "entries", "size", text=(0,))
        for kind, held in kinds.items():
            table.add_row(kind, f"{held.count:,}", _size(held.size))
        console().print(table)
        say(f"\nfrees {_size(pruning.freed)}; {_many(pruning.stay, 'entry', 'entries')} stay")
    if gone := pruning.studies_gone:
        more = f" and {len(gone) - MOST_NAMES:,} more" if len(gone) > MOST_NAMES else ""
        say(f"studies that go: {', '.join(gone[:MOST_NAMES])}{more}")
    if pruning.unfinished:
        say(f"{pruning.unfinished:,} of the runs to keep are not done: what they have so far stays")
    if records_only:
        say("a report can still be made; `run` would train everything again, and no arm could be added for less")
    if pruning.images_unknown:
        say(f"all decoded pictures stay, since it cannot be told which are needed: {pruning.images_unknown}")


def _many(held: Amount, one: str, many: str) -> str:
    return f"{held.count:,} {one if held.count == 1 else many} ({_size(held.size)})"


def _size(count: int) -> str:
    """Bytes as people say them.

    >>> [_size(n) for n in (0, 999, 12_345, 7_800_000, 2_500_000_000)]
    ['0 kB', '1 kB', '12 kB', '7.8 MB', '2.5 GB']
    """
    if count < 1_000_000:
        return f"{-(-count // 1000) if count < 10_000 else round(count / 1000):,} kB"
    return f"{count / 1e6:,.1f} MB" if count < 1_000_000_000 else f"{count / 1e9:,.1f} GB"
