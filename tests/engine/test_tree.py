"""The stage tree as a picture: one line a trunk and a branch, and what is alike drawn once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from imil_sim.engine.plan import Plan, plan_runs, unseen_trunk
from imil_sim.engine.tree import Alike, Line, Tree, grouped, trees_of
from imil_sim.study.spec import RunSpec


def spec(*imil_epoch: int, seed: int = 0, epochs: int = 100, mixup: bool = False, **feedback: Any) -> RunSpec:
    arm: dict[str, Any] = {"images": {"source": "phantom"}, "training": {"epochs": epochs}}
    if mixup:
        arm["augmentation"] = {"name": "mixup"}
    if imil_epoch:
        arm["feedback"] = {"oracle": "lesions", "imil_epoch": list(imil_epoch), **feedback}
    return RunSpec.model_validate({"arm": arm, "seed": seed})


def drawn(arms: Mapping[str, RunSpec], seeds: Sequence[int] = (0,)) -> tuple[Plan, list[Tree]]:
    runs = [run.model_copy(update={"seed": seed}) for seed in seeds for run in arms.values()]
    plan = plan_runs(runs, unseen_trunk)
    return plan, trees_of(plan, list(arms) * len(seeds), runs)


def lines(line: Line) -> list[tuple[int, int, list[str]]]:
    return [(one.start, one.until, sorted(one.ending)) for one in line.lines()]


def told(branches: Sequence[Alike]) -> list[tuple[int, int, int, tuple[str, ...]]]:
    return [(one.count, one.start, one.until, one.arms) for one in branches]


def test_a_trunk_is_one_line_however_often_it_halts() -> None:
    arms = {"base": spec(), "at-70": spec(70), "at-30": spec(30), "at-50": spec(50)}
    _, (tree,) = drawn(arms)
    assert lines(tree.trunk) == [
        (0, 100, ["base"]), (30, 100, ["at-30"]), (50, 100, ["at-50"]), (70, 100, ["at-70"]),
    ]  # fmt: skip
    assert (tree.runs, tree.epochs_straight, tree.epochs_shared) == (4, 400, 100 + 70 + 50 + 30)


def test_a_trunk_that_nobody_follows_to_the_end_ends_at_its_last_fork() -> None:
    _, (tree,) = drawn({"a": spec(70), "b": spec(70, num_outliers=5)})
    assert lines(tree.trunk) == [(0, 70, []), (70, 100, ["a"]), (70, 100, ["b"])]
    assert tree.trunk.arms == {"a", "b"}


def test_branches_fork_again() -> None:
    _, (tree,) = drawn({"base": spec(), "once": spec(70), "twice": spec(70, 80), "four": spec(70, num_outliers=5)})
    assert lines(tree.trunk) == [
        (0, 100, ["base"]), (70, 100, ["once"]), (80, 100, ["twice"]), (70, 100, ["four"]),
    ]  # fmt: skip


def test_seeds_that_are_alike_are_one_tree_and_recipes_are_not() -> None:
    arms = {"base": spec(), "asked": spec(70), "mixup": spec(mixup=True)}
    plan, trees = drawn(arms, seeds=(0, 1, 5))
    assert [(tree.seeds, sorted(tree.trunk.arms)) for tree in trees] == [
        ((0, 1, 5), ["asked", "base"]), ((0, 1, 5), ["mixup"]),
    ]  # fmt: skip
    assert sum(len(tree.seeds) * tree.epochs_shared for tree in trees) == plan.epochs_shared
    assert sum(len(tree.seeds) * tree.epochs_straight for tree in trees) == plan.epochs_straight


def test_a_seed_of_which_the_store_holds_something_is_a_tree_of_its_own() -> None:
    arms = {"base": spec(), "asked": spec(70)}
    plan, _ = drawn(arms, seeds=(0, 1))
    trunk_of_seed_1 = next(stage.key for stage in plan.stages if stage.runs == (2, 3))
    partly = replace(plan, in_store=frozenset({trunk_of_seed_1}))
    runs = [run.model_copy(update={"seed": seed}) for seed in (0, 1) for run in arms.values()]
    trees = trees_of(partly, ["base", "asked"] * 2, runs)
    assert [(tree.seeds, tree.trunk.epochs_in_store) for tree in trees] == [((0,), 0), ((1,), 70)]


def test_branches_that_are_alike_but_for_their_arms_are_told_together() -> None:
    arms = {
        "base": spec(), "a": spec(70), "b": spec(70, oracle="b"), "c": spec(80), "twice": spec(70, 90, num_outliers=5),
        "again": spec(70, 90, num_outliers=6), "a-too": spec(70),
    }  # fmt: skip
    _, (tree,) = drawn(arms)
    found = grouped(tree.trunk.forks, list(arms))
    assert told(found) == [
        (2, 70, 100, ("a", "b", "a-too")), (2, 70, 90, ("twice", "again")), (1, 80, 100, ("c",)),
    ]  # fmt: skip
    assert told(found[1].forks) == [(2, 90, 100, ("twice", "again"))]
