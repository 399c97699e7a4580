"""How long a plan takes: the arithmetic, and that a real step is timed. What a clock says is not tested."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from imil_sim.engine.plan import MOST_KINDS, estimate_time, extrapolated, plan_runs, time_steps, unseen_trunk
from imil_sim.study.spec import ArmSpec, RunSpec


def spec(*imil_epoch: int, **arm: Any) -> RunSpec:
    fields: dict[str, Any] = {"images": {"source": "phantom"}, "training": {"epochs": 10, "batch_size": 8}, **arm}
    if imil_epoch:
        fields["feedback"] = {"oracle": "lesions", "imil_epoch": list(imil_epoch)}
    return RunSpec.model_validate({"arm": fields, "seed": 0})


def test_work_is_epochs_times_steps_and_the_longest_path_bounds_it() -> None:
    runs = [spec(), spec(4), spec(8)]
    plan = plan_runs(runs, unseen_trunk)
    taking = estimate_time(plan, runs, lambda run: 40, lambda arm: 0.5)
    assert taking is not None
    assert taking.work == pytest.approx((10 + 6 + 2) * 5 * 0.5)
    assert taking.longest == pytest.approx(10 * 5 * 0.5)
    assert [taking.on(processes) for processes in (1, 2, 100)] == pytest.approx([45.0, 25.0, 25.0])


def test_what_the_store_holds_takes_no_time() -> None:
    runs = [spec(), spec(4)]
    plan = plan_runs(runs, unseen_trunk)
    trunk = next(stage.key for stage in plan.stages if stage.start == 0)
    taking = estimate_time(replace(plan, in_store=frozenset({trunk})), runs, lambda run: 40, lambda arm: 0.5)
    assert taking is not None
    assert (taking.work, taking.longest) == pytest.approx(((6 + 6) * 2.5, 6 * 2.5))
    nothing = estimate_time(replace(plan, in_store=frozenset(s.key for s in plan.stages)), runs, lambda run: 40, _never)
    assert nothing is not None
    assert (nothing.work, nothing.on(2)) == (0.0, 0.0)


def _never(arm: ArmSpec) -> float:
    raise AssertionError("nothing is to be timed")


def test_each_different_model_is_timed_once() -> None:
    big = {"model": {"name": "resnet18"}}
    runs = [spec(), spec(4), spec(**big), spec(4, **big)]
    timed: list[str] = []

    def time_of(arm: ArmSpec) -> float:
        timed.append(arm.model.name)
        return 1.0 if arm.model.name == "resnet18" else 0.0

    taking = estimate_time(plan_runs(runs, unseen_trunk), runs, lambda run: 8, time_of)
    assert sorted(timed) == ["resnet18", "resnet50"]
    assert taking is not None
    assert taking.work == pytest.approx(16)


def test_nothing_is_timed_without_images_or_for_too_many_models() -> None:
    runs = [spec()]
    assert estimate_time(plan_runs(runs, unseen_trunk), runs, lambda run: None, _never) is None
    many = [spec(images={"source": "phantom", "size": 32 + i}) for i in range(MOST_KINDS + 1)]
    assert estimate_time(plan_runs(many, unseen_trunk), many, lambda run: 8, _never) is None


@pytest.mark.parametrize(
    ("batch", "cost", "seconds"),
    [
        (64, lambda n: 0.001 * n, 0.064),  # there is time for the whole batch
        (64, lambda n: 0.5 + 0.1 * n, 0.5 + 6.4),  # only 2 and 4 fit: the line through them
        (64, lambda n: 10.0 * n, 640.0),  # not even 4 fit: in proportion
        (1, lambda n: 0.25, 0.25),
        (3, lambda n: 0.01 * n, 0.03),
    ],
)
def test_a_batch_is_timed_whole_or_extrapolated(batch: int, cost: Callable[[int], float], seconds: float) -> None:
    tried: list[int] = []

    def take(count: int) -> float:
        slow = 0.0 if count in tried else 0.01 * cost(count)  # the first step of a size prepares its kernels
        tried.append(count)
        return cost(count) + slow

    assert extrapolated(batch, take, seconds=5.0) == pytest.approx(seconds)
    assert max(tried) <= batch


def test_a_step_of_the_arm_is_really_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    from imil_sim.engine import plan as module

    sizes: list[tuple[int, ...]] = []
    step = module.step

    def watched(model: Any, optimizer: Any, inputs: torch.Tensor, targets: torch.Tensor, *, bf16: bool) -> Any:
        assert bf16
        sizes.append(tuple(inputs.shape))
        return step(model, optimizer, inputs, targets, bf16=bf16)

    monkeypatch.setattr(module, "step", watched)
    arm = spec(
        images={"source": "phantom", "size": 32}, model={"name": "resnet10"},
        training={"batch_size": 4, "precision": "bf16"},
    ).arm  # fmt: skip
    before = torch.get_rng_state()
    assert time_steps(arm, torch.device("cpu")) > 0
    assert sizes[:2] == [(2, 3, 32, 32)] * 2
    assert sizes[2:] in ([], [(4, 3, 32, 32)] * 2)  # a busy machine has no time for the second size
    assert torch.equal(torch.get_rng_state(), before)
