"""The plan against the arithmetic of sharing, and against what is then trained."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from imil_sim.engine.data import ImageLibrary
from imil_sim.engine.plan import Plan, plan_runs, unseen_trunk
from imil_sim.engine.results import RECORD, recorded_segments
from imil_sim.engine.stages import run_key
from imil_sim.engine.steps import StepRunner
from imil_sim.engine.store import Store
from imil_sim.study.spec import RunSpec
from imil_sim.study.study import Study, find_study, parse_study, read_study

CPU = torch.device("cpu")


def spec(epochs: int, *imil_epoch: int, seed: int = 0, **feedback: Any) -> RunSpec:
    arm: dict[str, Any] = {"images": {"source": "phantom"}, "training": {"epochs": epochs}}
    if imil_epoch:
        arm["feedback"] = {"oracle": "lesions", "imil_epoch": list(imil_epoch), **feedback}
    return RunSpec.model_validate({"arm": arm, "seed": seed})


def clinicians(count: int, epochs: int, *imil_epoch: int) -> list[RunSpec]:
    """Runs that differ in the oracle alone."""
    return [spec(epochs, *imil_epoch, oracle=f"oracle-{number}") for number in range(count)]


def counted(runs: Sequence[RunSpec]) -> Plan:
    return plan_runs(runs, unseen_trunk)


def plan_of(study: Study, store: Path) -> Plan:
    """As ``imil-sim plan`` and ``imil-sim run`` make it."""
    library, kept = ImageLibrary(study.beside, store), Store(store)
    return plan_runs(
        [run for _, run in study.runs()],
        StepRunner(library, kept, CPU, study.beside).trunk,
        lambda key: kept.holds("stages", key),
        lambda run: recorded_segments(kept, run_key(run, library.of_run(run).fingerprints, CPU)),
    )


def epochs(plan: Plan) -> list[tuple[int, int]]:
    return sorted((stage.start, stage.until) for stage in plan.stages)


# ---------------------------------------------------------------------------------------------------------- counting


@pytest.mark.parametrize("arms", [1, 2, 10, 50])
@pytest.mark.parametrize(("epoch", "last"), [(70, 100), (1, 2), (10, 100), (99, 100)])
def test_feedback_arms_cost_the_trunk_and_a_branch_each(arms: int, epoch: int, last: int) -> None:
    plan = counted(clinicians(arms, last, epoch))
    assert plan.epochs_straight == arms * last
    assert plan.epochs_shared == epoch + arms * (last - epoch)
    assert plan.saving == pytest.approx(arms * last / (epoch + arms * (last - epoch)))


def test_ten_arms_at_70_of_100_save_what_the_formula_says() -> None:
    assert counted(clinicians(10, 100, 70)).saving == pytest.approx(1000 / 370)  # 2.70
    beside_a_baseline = counted([spec(100), *clinicians(10, 100, 70)])
    assert beside_a_baseline.saving == pytest.approx(1100 / 400)  # 2.75
    assert beside_a_baseline.runs == 11
    assert epochs(beside_a_baseline) == [(0, 70), *[(70, 100)] * 11]


def test_seeds_and_recipes_share_nothing() -> None:
    runs = [spec(100, seed=seed) for seed in (0, 1)]
    other = RunSpec.model_validate({"arm": {**runs[0].arm.model_dump(), "augmentation": {"name": "mixup"}}, "seed": 0})
    plan = counted([*runs, other])
    assert (plan.epochs_straight, plan.epochs_shared, plan.saving) == (300, 300, 1.0)


def test_a_shorter_run_lies_on_the_way_of_a_longer_one() -> None:
    assert epochs(counted([spec(50), spec(100), spec(90)])) == [(0, 50), (50, 90), (90, 100)]
    assert counted([spec(80, 70), spec(100, 70)]).epochs_shared == 100


def test_two_loops_share_what_one_loop_of_the_same_questions_trains() -> None:
    once, twice = spec(100, 70, num_outliers=10), spec(100, 70, 85, num_outliers=10)
    assert epochs(counted([once, twice])) == [(0, 70), (70, 85), (85, 100), (85, 100)]
    other = spec(100, 70, 85, num_outliers=5)
    assert counted([once, twice, other]).epochs_shared == 70 + (15 + 2 * 15) + 30


def test_arms_that_ask_the_same_are_one_branch() -> None:
    assert counted([spec(100, 70), spec(100, 70)]).epochs_shared == 100
    assert counted([spec(100, 70), spec(100, 70, grid_size=8)]).epochs_shared == 130


def test_without_sharing_every_epoch_is_trained_by_every_run() -> None:
    runs = [spec(100), *clinicians(10, 100, 70), spec(100, 30, 60)]
    plan = plan_runs(runs, lambda run: unseen_trunk(run).apart(run.arm))
    assert (plan.epochs_straight, plan.epochs_shared, plan.saving) == (1200, 1200, 1.0)
    assert (0, 100) in epochs(plan)  # nobody else's consultation halts it


def test_a_stage_stands_behind_the_one_it_starts_from_and_knows_its_runs() -> None:
    plan = counted([spec(100), spec(100, 70), spec(100, 50)])
    seen: set[str] = set()
    for stage in plan.stages:
        assert (stage.start == 0) == (stage.parent not in seen)
        seen.add(stage.key)
    assert [(stage.start, stage.until, stage.runs) for stage in plan.stages] == [
        (0, 50, (0, 1, 2)), (50, 70, (0, 1)), (70, 100, (0,)), (70, 100, (1,)), (50, 100, (2,)),
    ]  # fmt: skip
    assert [stage.overlay != "" for stage in plan.stages] == [False, False, False, True, True]


@pytest.mark.parametrize(
    ("name", "straight", "shared"),
    [
        ("sweep-outliers", 14 * 100, 100 + 13 * 30),
        ("sweep-timing", 23 * 100, 100 + 3 * (70 + 60 + 50 + 40 + 30 + 20 + 10) + 30),
        ("sweep-grid", 17 * 100, 100 + 16 * 30),
        ("sweep-loops", 11 * 100, 100 + 10 * 50),
        ("shenzhen-small", 9 * 100, 4 * 100 + 5 * 30),
    ],
)
def test_the_shipped_sweeps_save_what_the_formula_says(name: str, straight: int, shared: int) -> None:
    study = read_study(find_study(name))
    plan = counted([run for _, run in study.runs()])
    seeds = len(study.seeds)
    assert (plan.epochs_straight, plan.epochs_shared) == (seeds * straight, seeds * shared)
    assert plan.saving == pytest.approx(straight / shared)


# ------------------------------------------------------------------------------------------------- what is trained


def test_an_empty_store_holds_nothing_and_a_finished_study_has_nothing_left(warm: Any, tmp_path: Path) -> None:
    before, after = plan_of(warm.study, tmp_path / "store"), plan_of(warm.study, warm.lab.store)
    assert (before.epochs_shared, before.epochs_in_store, before.epochs_to_train) == (5, 0, 5)
    assert (after.epochs_shared, after.epochs_in_store, after.epochs_to_train) == (5, 5, 0)
    assert warm.lab.epochs == before.epochs_shared
    assert {stage.key for stage in after.stages} == set().union(*(r.record.stages for r in warm.results.values()))


def test_branches_that_met_are_planned_as_one_once_that_is_known(lab: Any) -> None:
    twins = (
        '[arms.a]\nfeedback.oracle = "lesions"\n[arms.b]\nfeedback = { oracle = "lesions", options.threshold = 0.1 }'
    )
    study = lab.study(twins)
    assert plan_of(study, lab.store).epochs_shared == 2 + 1 + 1
    lab.carry_out(study)
    after = plan_of(study, lab.store)
    assert (after.epochs_shared, after.epochs_in_store) == (lab.epochs, lab.epochs) == (3, 3)


def test_an_arm_added_later_finds_what_is_there_and_halts_in_between(lab: Any) -> None:
    """The trunk was trained straight to epoch 3: it is there, but nobody can fork off at 2."""
    lab.carry_out(lab.study("[arms.baseline]", top=BARE))
    assert lab.epochs == 3
    wider = lab.study("[arms.baseline]\n[arms.lesions]\nfeedback = { oracle = 'lesions', imil_epoch = 2 }", top=BARE)
    plan = plan_of(wider, lab.store)
    assert (plan.epochs_shared, plan.epochs_in_store, plan.epochs_to_train) == (4, 1, 3)
    lab.carry_out(wider)
    assert lab.epochs == 3 + plan.epochs_to_train
    earlier = lab.study(
        "[arms.baseline]\n[arms.lesions]\nfeedback = { oracle = 'lesions', imil_epoch = 2 }\n"
        "[arms.early]\nfeedback = { oracle = 'lesions', imil_epoch = 1 }", top=BARE,
    )  # fmt: skip
    plan = plan_of(earlier, lab.store)
    assert (plan.epochs_shared, plan.epochs_in_store, plan.epochs_to_train) == (6, 3, 3)
    before = lab.epochs
    lab.carry_out(earlier)
    assert lab.epochs == before + plan.epochs_to_train


def test_a_record_that_cannot_be_read_leaves_the_answers_unknown(warm: Any, tmp_path: Path) -> None:
    record = warm.results["lesions", 0].record
    store = Store(warm.lab.store)
    branch = recorded_segments(store, record.run_key)
    assert [end for end, _ in branch] == [2, 3]
    assert recorded_segments(store, "0" * 64) == ()
    other = Store(tmp_path / "other")
    folder = other.root / "runs" / record.run_key
    folder.mkdir(parents=True)
    for text in ("", "[]", '{"stages": []}', '{"stages": ["gone"]}', record.model_dump_json()):
        (folder / RECORD).write_text(text)
        assert recorded_segments(other, record.run_key) == ()


@pytest.mark.slow
def test_the_phantom_sweeps_are_carried_out_as_planned(lab: Any) -> None:
    study = read_study(find_study("phantom-sweeps")).model_copy(update={"seeds": (0,)})
    plan = plan_of(study, lab.store)
    assert (plan.runs, plan.epochs_straight) == (20, 120)
    results = lab.carry_out(study)
    assert {result.record.status for result in results.values()} == {"done"}
    after = plan_of(study, lab.store)
    assert (after.epochs_shared, after.epochs_in_store, after.epochs_to_train) == (lab.epochs, lab.epochs, 0)
    assert lab.epochs < plan.epochs_shared  # some answers were equal: all cells, and a threshold told in full
    held = {path.name for path in (lab.store / "stages").iterdir()}
    assert held == {stage.key for stage in after.stages}


def test_what_is_counted_with_and_without_the_images_is_the_same(warm: Any, tmp_path: Path) -> None:
    seen = plan_of(warm.study, tmp_path / "store")
    unseen = counted([run for _, run in warm.study.runs()])
    assert epochs(seen) == epochs(unseen)
    assert {stage.key for stage in seen.stages}.isdisjoint(stage.key for stage in unseen.stages)


BARE = """
name = "tiny"
seeds = 1
images = { source = "phantom", size = 32, train = 16, test = 6 }
model.name = "resnet10"
training = { epochs = 3, batch_size = 8, learning_rate = 0.01 }
"""


def test_ten_thousand_runs_are_planned_without_looking_at_any_twice() -> None:
    """No time is taken here (benchmarks/planning.py does); the work is counted instead: one key a stage and run."""
    study = parse_study(
        tomllib.loads(
            BARE + "[arms.baseline]\n[arms.lesions]\nfeedback.oracle = 'lesions'\nfeedback.imil_epoch = 1\n"
            "[sweeps.n]\nbase = 'lesions'\nvary.feedback.num_outliers = " + str(list(range(1, 100)))
        ),
        beside=Path(),
    )
    runs = [run for _, run in study.model_copy(update={"seeds": tuple(range(100))}).runs()]
    asked: list[int] = []

    def trunk(run: RunSpec) -> Any:
        asked.append(run.seed)
        return unseen_trunk(run)

    plan = plan_runs(runs, trunk)
    assert (plan.runs, len(plan.stages)) == (10_000, 100 * (2 + 99))
    assert len(asked) == 10_000
    assert all(run.arm is study.arms["lesions"] for run in runs[1::100])  # specs are made once an arm, not once a run
