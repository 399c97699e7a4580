"""The ``plan`` verb: what a study would train, before anything runs."""

from __future__ import annotations

import json
from collections import Counter as Tally
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.tree import Tree as Picture

from imil_sim.cli.progress import Counter
from imil_sim.cli.study import open_study
from imil_sim.engine.check import check_study
from imil_sim.engine.data import ImageLibrary
from imil_sim.engine.estimate import Estimate, estimate, time_steps
from imil_sim.engine.plan import Plan, plan_runs, unseen_trunk
from imil_sim.engine.results import recorded_segments
from imil_sim.engine.stages import run_key
from imil_sim.engine.steps import StepRunner
from imil_sim.engine.store import Store
from imil_sim.engine.tree import Alike, Line, Tree, grouped, trees_of
from imil_sim.errors import MissingData
from imil_sim.study.spec import RunSpec
from imil_sim.study.study import Study
from imil_sim.training.numerics import cpu_count, find_device, gpu_count

MOST_NAMES = 120
"""Characters of arms' names on one line of the picture."""

MOST_TERMS = 8
"""Of the formula."""

MOST_BRANCHES = 12
"""Lines under one trunk."""

MOST_TREES = 12
"""Different trees that are drawn."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """A plan and what else there is to say of it."""

    study: Study
    arms: tuple[str, ...]
    """Name of each run's arm."""
    runs: tuple[RunSpec, ...]
    plan: Plan
    unseen: str
    """Why the images, and so the store, could not be looked at; empty where they could."""
    estimate: Estimate | None
    processes: int
    """That would train here, unless told otherwise."""


def show_plan(asked: str, *, store: Path, seeds: int | None, device: str, as_json: bool) -> None:
    """Print the plan of a study.

    Raises:
        ImilSimError: the study cannot be run. Images that are not on this machine are no error: counting needs none.
    """
    outlook = look_ahead(open_study(asked, seeds), store, device)
    console = Console()
    if as_json:
        console.print(json.dumps(summary(outlook), indent=1), markup=False, highlight=False, soft_wrap=True)
        return
    _print_counts(console, outlook)
    _print_trees(console, outlook)


def look_ahead(study: Study, store: Path, device_name: str) -> Outlook:
    """The plan of a study, what the store holds of it, and how long the rest takes.

    Raises:
        ImilSimError: as `show_plan`.
    """
    device = find_device(device_name)
    arms, runs = zip(*study.runs(), strict=True)
    with Counter(Console(stderr=True)) as counter:
        library = ImageLibrary(study.beside, store, counter)
        try:
            check_study(study, library)
            unseen = ""
        except MissingData as error:
            unseen = str(error)
    if unseen:
        plan = plan_runs(runs, unseen_trunk)
    else:
        kept = Store(store)
        plan = plan_runs(
            runs,
            StepRunner(library, kept, device, study.beside).trunk,
            lambda key: kept.holds("stages", key),
            lambda run: recorded_segments(kept, run_key(run, library.of_run(run).fingerprints, device)),
        )

    def images(run: RunSpec) -> int | None:
        if not unseen:
            return len(library.of_run(run).train)
        return getattr(run.arm.images, "train", None)

    taking = estimate(plan, runs, images, lambda arm: time_steps(arm, device))
    processes = gpu_count() if device.type == "cuda" else cpu_count()
    return Outlook(study, arms, runs, plan, unseen, taking, processes)


def summary(outlook: Outlook) -> dict[str, object]:
    """What ``--json`` prints."""
    plan, taking = outlook.plan, outlook.estimate
    return {
        "study": outlook.study.name,
        "arms": len(outlook.study.arms),
        "seeds": len(outlook.study.seeds),
        "runs": plan.runs,
        "stages": len(plan.stages),
        "epochs_straight": plan.epochs_straight,
        "epochs_shared": plan.epochs_shared,
        "epochs_in_store": plan.epochs_in_store,
        "epochs_to_train": plan.epochs_to_train,
        "saving": plan.saving,
        "images_seen": not outlook.unseen,
        "seconds_of_work": None if taking is None else round(taking.work, 1),
        "seconds_estimated": None if taking is None else round(taking.on(outlook.processes), 1),
        "processes": outlook.processes,
    }


# --------------------------------------------------------------------------------------------------------- in numbers


def _print_counts(console: Console, outlook: Outlook) -> None:
    plan, study = outlook.plan, outlook.study
    console.print(
        f"{study.name}: {_many(plan.runs, 'run')}, {_many(len(study.arms), 'arm')} x "
        f"{_many(len(study.seeds), 'seed')}",
        style="bold", markup=False, highlight=False, soft_wrap=True,
    )  # fmt: skip
    table = Table("", "epochs", "", box=None, pad_edge=False, header_style="bold")
    table.columns[1].justify = "right"
    table.columns[1].no_wrap = True
    stages = _many(len(plan.stages), "stage")
    table.add_row("every run by itself", f"{plan.epochs_straight:,}", "")
    table.add_row("every different epoch once", f"{plan.epochs_shared:,}", f"{plan.saving:.2f} times fewer; {stages}")
    table.add_row("in the store", f"{plan.epochs_in_store:,}", "not looked at" if outlook.unseen else "")
    table.add_row("left to train", f"{plan.epochs_to_train:,}", _time_told(outlook))
    console.print(table)
    if outlook.unseen:
        console.print(
            f"The images could not be looked at, so what the store holds of this study is unknown: {outlook.unseen}",
            style="yellow", markup=False, highlight=False,
        )  # fmt: skip


def _time_told(outlook: Outlook) -> str:
    taking = outlook.estimate
    if outlook.plan.epochs_to_train == 0:
        return ""
    if taking is None:
        return "no telling how long" + (" without the images" if outlook.unseen else ": too many models to time")
    processes = _many(outlook.processes, "process", "es")
    total = f" ({_duration(taking.work)} of work)" if outlook.processes > 1 else ""
    return f"about {_duration(taking.on(outlook.processes))} on {processes}{total}, by steps timed just now"


def _duration(seconds: float) -> str:
    """Seconds as people say them.

    >>> [_duration(s) for s in (0.2, 42, 300, 7500, 200_000)]
    ['1 s', '42 s', '5 min', '2 h 5 min', '2 d 7 h']
    """
    if seconds < 100:
        return f"{max(round(seconds), 1)} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def _many(count: int, what: str, plural: str = "s") -> str:
    return f"{count:,} {what}{'' if count == 1 else plural}"


# ------------------------------------------------------------------------------------------------------ as a picture


def _print_trees(console: Console, outlook: Outlook) -> None:
    trees = trees_of(outlook.plan, outlook.arms, outlook.runs)
    labels = _labels(trees)
    order = tuple(outlook.study.arms)
    for tree, label in list(zip(trees, labels, strict=True))[:MOST_TREES]:
        console.print()
        console.print(_picture(tree, label, order), highlight=False)
    if len(trees) > MOST_TREES:
        console.print(f"\nand {_many(len(trees) - MOST_TREES, 'more tree')}", highlight=False)
    if not outlook.plan.in_store and any(tree.trunk.forks for tree in trees):
        console.print("\nBranches whose answers turn out equal are trained once: the epochs are a bound from above.")


def _picture(tree: Tree, label: str, order: Sequence[str]) -> Picture:
    """A trunk and its branches; those alike on one line."""
    many = len(tree.seeds) > 1
    seeds = f" x {len(tree.seeds)} seeds" if many else f", seed {tree.seeds[0]}"
    picture = Picture(f"[bold]{escape(label)}{seeds}[/bold]\n{_formula(tree)}", guide_style="dim")
    trunk = tree.trunk
    ending = [name for name in order if name in trunk.ending]
    picture.add(f"{_span(trunk)}{': ' if ending else ''}{_names(ending)}{_stored(trunk)}")
    _hang(picture, grouped(trunk.forks, order))
    return picture


def _hang(picture: Picture, branches: Sequence[Alike]) -> None:
    for branch in branches[:MOST_BRANCHES]:
        count = f" x {branch.count}" if branch.count > 1 else ""
        _hang(picture.add(f"{_span(branch)}{count}: {_names(branch.arms)}{_stored(branch)}"), branch.forks)
    if len(branches) > MOST_BRANCHES:
        picture.add(f"and {len(branches) - MOST_BRANCHES} more kinds of branch")


def _formula(tree: Tree) -> str:
    """How the epochs of one seed come about: the bound, in numbers."""
    if tree.runs == 1:
        return _many(tree.epochs_shared, "epoch")
    first, *rest = [line.epochs for line in tree.trunk.lines()]
    terms = [f"{count} x {epochs}" if count > 1 else str(epochs) for epochs, count in Tally(rest).items()]
    told = " + ".join([str(first), *terms[:MOST_TERMS], *(["..."] if len(terms) > MOST_TERMS else [])])
    shared = f"{told} = {tree.epochs_shared:,}" if terms else f"{tree.epochs_shared:,}"
    return f"{shared} epochs instead of {tree.epochs_straight:,}"


def _span(line: Line | Alike) -> str:
    return f"{line.start + 1}-{line.until}"


def _names(names: Sequence[str]) -> str:
    """As many names as there is room for, at least one, and how many more there are."""
    room = MOST_NAMES
    shown = 0
    for name in names:
        room -= len(name) + 2
        if room < 0 and shown:
            break
        shown += 1
    more = f", and {len(names) - shown} more" if shown < len(names) else ""
    return escape(", ".join(names[:shown])) + more


def _stored(line: Line | Alike) -> str:
    if not line.epochs_in_store:
        return ""
    whole = line.epochs_in_store == line.until - line.start
    return " [green](in the store)[/green]" if whole else f" [green]({line.epochs_in_store} in the store)[/green]"


def _labels(trees: Sequence[Tree]) -> list[str]:
    """What each tree's recipe is called: the model, and whatever else is not the same in all trees."""
    recipes = [_recipe(tree.run) for tree in trees]
    fields = dict.fromkeys(field for recipe in recipes for field in recipe)
    moved = [field for field in fields if len({recipe.get(field) for recipe in recipes}) > 1 and field != "model.name"]
    return [
        ", ".join([recipe["model.name"], *(f"{field} = {recipe[field]}" for field in moved if field in recipe)])
        for recipe in recipes
    ]


def _recipe(run: RunSpec) -> dict[str, str]:
    """What tells one trunk from another, by dotted field."""
    arm = run.arm.model_dump(mode="json", exclude={"test_sets", "feedback"})
    arm["training"].pop("epochs")
    return {
        f"{table}.{field}": str(value)
        for table, values in arm.items()
        for field, value in values.items()
        if value is not None
    }
