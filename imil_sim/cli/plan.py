"""The verbs ``plan`` and ``data``: what a study would train and on what, before anything runs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.tree import Tree as Picture

from imil_sim import api
from imil_sim.cli import options
from imil_sim.cli.console import TerminalProgress, console, say, table_of
from imil_sim.errors import several

if TYPE_CHECKING:
    from imil_sim.engine.plan import Branch, Tree
    from imil_sim.engine.study_run import StudyPlan
    from imil_sim.study.spec import RunSpec

MOST_NAMES = 120
"""Characters of arms' names on one line of the picture."""

MOST_TERMS = 8
"""Of the formula."""

MOST_BRANCHES = 12
"""Lines under one trunk."""

MOST_TREES = 12
"""Different trees that are drawn."""


def plan(
    study: options.Study,
    store: options.Store = options.STORE,
    device: options.Device = "cpu",
    seeds: options.Seeds = None,
    as_json: options.AsJson = False,
    group_readable: options.GroupReadable = False,
) -> None:
    """Show what a study would train: stages, epochs shared and in the store, and about how long."""
    with TerminalProgress() as progress:
        found = api.plan(api.load_study(study, seeds=seeds), store=store, device=device, progress=progress)
    if as_json:
        say(json.dumps(found.summary(), indent=1))
        return
    _print_counts(found)
    _print_trees(found)


def data(
    study: options.Study, store: options.Store = options.STORE, group_readable: options.GroupReadable = False
) -> None:
    """Show what a study's image source holds, and everything that is wrong with it."""
    with TerminalProgress() as progress:
        for number, (title, summary) in enumerate(api.summaries(study, store=store, progress=progress)):
            say(f"\n{title}" if number else title, "bold")
            table = table_of("", "", text=(0, 1))
            for what, value in summary.rows:
                table.add_row(escape(what), escape(value))
            console().print(table)
            for warning in summary.warnings:
                console().print(f"[yellow]warning[/yellow] {escape(warning)}", highlight=False)


# --------------------------------------------------------------------------------------------------------- in numbers


def _print_counts(of: StudyPlan) -> None:
    plan, study = of.plan, of.study
    arms, seeds = several(len(study.arms), "arm"), several(len(study.seeds), "seed")
    say(f"{study.name}: {several(plan.runs, 'run')}, {arms} x {seeds}", "bold")
    table = table_of("", "epochs", "", text=(0, 2))
    stages = several(len(plan.stages), "stage")
    table.add_row("every run by itself", f"{plan.epochs_straight:,}", "")
    table.add_row("every different epoch once", f"{plan.epochs_shared:,}", f"{plan.saving:.2f} times fewer; {stages}")
    table.add_row("in the store", f"{plan.epochs_in_store:,}", "not looked at" if of.unseen else "")
    table.add_row("left to train", f"{plan.epochs_to_train:,}", _time_left(of))
    console().print(table)
    if of.unseen:
        say(f"The images could not be looked at, so what the store holds is unknown: {of.unseen}", "yellow")


def _time_left(of: StudyPlan) -> str:
    taking = of.estimate
    if of.plan.epochs_to_train == 0:
        return ""
    if taking is None:
        return "unknown how long" + (" without the images" if of.unseen else ": too many models to time")
    processes = several(of.processes, "process", "processes")
    total = f" ({_duration(taking.work)} of work)" if of.processes > 1 else ""
    return f"about {_duration(taking.on(of.processes))} on {processes}{total}, by steps timed just now"


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


# ------------------------------------------------------------------------------------------------------ as a picture


def _print_trees(of: StudyPlan) -> None:
    trees = of.trees()
    for tree, label in list(zip(trees, _labels(trees), strict=True))[:MOST_TREES]:
        console().print()
        console().print(_picture(tree, label), highlight=False)
    if len(trees) > MOST_TREES:
        console().print(f"\nand {several(len(trees) - MOST_TREES, 'more tree')}", highlight=False)
    if not of.plan.in_store and any(tree.trunk.forks for tree in trees):
        console().print("\nBranches whose answers turn out equal are trained once: the epochs are a bound from above.")


def _picture(tree: Tree, label: str) -> Picture:
    """A trunk and its branches; those alike on one line."""
    many = len(tree.seeds) > 1
    seeds = f" x {len(tree.seeds)} seeds" if many else f", seed {tree.seeds[0]}"
    picture = Picture(f"[bold]{escape(label)}{seeds}[/bold]\n{_formula(tree)}", guide_style="dim")
    trunk = tree.trunk
    picture.add(f"{_span(trunk)}{': ' if trunk.ending else ''}{_names(trunk.ending)}{_stored(trunk)}")
    _hang(picture, trunk.forks)
    return picture


def _hang(picture: Picture, branches: Sequence[Branch]) -> None:
    for branch in branches[:MOST_BRANCHES]:
        count = f" x {branch.count}" if branch.count > 1 else ""
        _hang(picture.add(f"{_span(branch)}{count}: {_names(branch.arms)}{_stored(branch)}"), branch.forks)
    if len(branches) > MOST_BRANCHES:
        picture.add(f"and {len(branches) - MOST_BRANCHES} more kinds of branch")


def _formula(tree: Tree) -> str:
    """How the epochs of one seed come about: the bound, in numbers."""
    if tree.runs == 1:
        return several(tree.epochs_shared, "epoch")
    trunk, *forks = tree.trunk.all()
    counts: Counter[int] = Counter()
    for fork in forks:
        counts[fork.epochs] += fork.count
    terms = [f"{count} x {epochs}" if count > 1 else str(epochs) for epochs, count in counts.items()]
    more = ["..."] if len(terms) > MOST_TERMS else []
    terms_shown = " + ".join([str(trunk.epochs), *terms[:MOST_TERMS], *more])
    shared = f"{terms_shown} = {tree.epochs_shared:,}" if terms else f"{tree.epochs_shared:,}"
    return f"{shared} epochs instead of {tree.epochs_straight:,}"


def _span(line: Branch) -> str:
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


def _stored(line: Branch) -> str:
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
