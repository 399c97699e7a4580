"""The stage tree as a picture: one line a trunk and a branch, and what is alike drawn once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from imil_sim.engine.plan import Branch, Plan, Tree, plan_runs, trees_of, unseen_trunk
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


def branches(trunk: Branch) -> list[tuple[int, int, int, tuple[str, ...]]]:
    return [(one.count, one.start, one.until, one.arms) for one in trunk.all()]


def test_a_trunk_is_one_line_however_often_it_halts() -> None:
    arms = {"base": spec(), "at-70": spec(70), "at-30": spec(30), "at-50": spec(50)}
    _, (tree,) = drawn(arms)
    assert branches(tree.trunk) == [
        (1, 0, 100, tuple(arms)), (1, 30, 100, ("at-30",)), (1, 50, 100, ("at-50",)), (1, 70, 100, ("at-70",)),
    ]  # fmt: skip
    assert tree.trunk.ending == ("base",)
    assert (tree.runs, tree.epochs_straight, tree.epochs_shared) == (4, 400, 100 + 70 + 50 + 30)


def test_a_trunk_that_nobody_follows_to_the_end_ends_at_its_last_fork() -> None:
    _, (tree,) = drawn({"a": spec(70), "b": spec(70, num_outliers=5)})
    assert branches(tree.trunk) == [(1, 0, 70, ("a", "b")), (2, 70, 100, ("a", "b"))]
    assert tree.trunk.ending == ()


def test_branches_fork_again() -> None:
    _, (tree,) = drawn({"base": spec(), "once": spec(70), "twice": spec(70, 80), "four": spec(70, num_outliers=5)})
    assert branches(tree.trunk) == [
        (1, 0, 100, ("base", "once", "twice", "four")), (1, 70, 100, ("once", "twice")), (1, 80, 100, ("twice",)),
        (1, 70, 100, ("four",)),
    ]  # fmt: skip
    assert tree.epochs_shared == 100 + 30 + 20 + 30


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


def test_branches_that_are_alike_but_for_their_arms_are_named_together() -> None:
    arms = {
        "base": spec(), "a": spec(70), "b": spec(70, oracle="b"), "c": spec(80), "twice": spec(70, 90, num_outliers=5),
        "again": spec(70, 90, num_outliers=6), "a-too": spec(70),
    }  # fmt: skip
    _, (tree,) = drawn(arms)
    _, *found = branches(tree.trunk)
    assert found == [
        (2, 70, 100, ("a", "b", "a-too")), (2, 70, 90, ("twice", "again")), (2, 90, 100, ("twice", "again")),
        (1, 80, 100, ("c",)),
    ]  # fmt: skip
    assert tree.trunk.ending == ("base",)
