"""How far a study has come: never below nothing, never beyond the total, and at the end all of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from imil_sim.engine.execute import Observer, carry_out, reached
from imil_sim.engine.plan import Plan, plan_runs, unseen_trunk
from imil_sim.engine.progress import EpochProgress
from imil_sim.engine.steps import Consult, Consulted, Done, Evaluate, Step, Train
from imil_sim.errors import AwaitsAnswers, NonFiniteLoss, RunError
from imil_sim.study.record import Consultation
from imil_sim.study.spec import RunSpec

EPOCHS = 10


def spec(*imil_epoch: int, oracle: str = "a") -> RunSpec:
    arm: dict[str, Any] = {"images": {"source": "phantom"}, "training": {"epochs": EPOCHS}}
    if imil_epoch:
        arm["feedback"] = {"oracle": oracle, "imil_epoch": list(imil_epoch)}
    return RunSpec.model_validate({"arm": arm, "seed": 0})


class PretendHands:
    """Carries out steps by saying so; tells of every epoch, as workers do.

    ``answers`` holds the overlay each oracle's answers lead to; an error instead ends the run.
    """

    def __init__(self, headway: EpochProgress, answers: dict[str, str | RunError], held: Sequence[str] = ()) -> None:
        self.headway, self.answers, self.held = headway, answers, set(held)
        self.waiting: list[Step] = []
        self.counts: list[tuple[int, int]] = []
        self.diverges_at = 0
        self.loses_first = 0
        self.trained = 0

    def submit(self, step: Step, priority: int) -> None:
        self.waiting.append(step)

    def completed(self) -> Done:
        step = self.waiting.pop(0)
        self.look()
        match step:
            case Train():
                return self.train(step)
            case Consult():
                assert step.run.arm.feedback is not None
                answer = self.answers[step.run.arm.feedback.oracle]
                if isinstance(answer, RunError):
                    return Done(step.key, None, answer)
                overlay = answer and f"{answer}, {step.number}"
                return Done(step.key, Consulted(NOTHING, overlay, frozenset(), ""))
            case Evaluate():
                return Done(step.key, {})

    def train(self, step: Train) -> Done:
        if step.target.key in self.held:
            return Done(step.key, step.target)
        self.held.add(step.target.key)
        for _ in range(self.loses_first):  # told by a worker that was lost
            self.tell()
        self.loses_first = 0
        for done, epoch in enumerate(range(step.start.epoch + 1, step.until + 1), 1):
            self.tell()
            if epoch == self.diverges_at:
                return Done(step.key, None, NonFiniteLoss("infinite"), done)
        return Done(step.key, step.target, None, step.until - step.start.epoch)

    def tell(self) -> None:
        self.trained += 1
        self.headway.train_epoch()
        self.look()

    def look(self) -> None:
        self.counts.append((self.headway.done, self.headway.total))

    def close(self) -> None:
        return


NOTHING = Consultation(
    epoch=1, grid=(4, 4), requested=2, n_mispredictions=0, n_excluded=0, n_filled_up=0, answers=()
)  # fmt: skip


def carried_out(runs: Sequence[RunSpec], plan: Plan, **how: Any) -> tuple[PretendHands, EpochProgress]:
    headway = EpochProgress(plan)
    executor = PretendHands(headway, how.pop("answers", {"a": "of a", "b": "of b"}), how.pop("held", ()))
    for name, value in how.items():
        setattr(executor, name, value)

    def on_done(step: Step, done: Done) -> None:
        if isinstance(step, Train):
            headway.finish_stage(done.epochs)

    observer = Observer(
        lambda step, position, first: headway.reach(position, reached(step)),
        on_done,
        lambda position, ended: headway.end(position),
    )
    carry_out(runs, unseen_trunk, executor, observer)
    executor.look()
    return executor, headway


RUNS = [spec(), spec(4), spec(4, oracle="b"), spec(4, 7, oracle="b"), spec(6)]


def cases() -> Iterator[Any]:
    yield pytest.param({}, id="as planned")
    yield pytest.param({"answers": {"a": "same", "b": "same"}}, id="branches meet")
    yield pytest.param({"answers": {"a": "", "b": "of b"}}, id="answers that change nothing")
    yield pytest.param({"answers": {"a": AwaitsAnswers("later"), "b": "of b"}}, id="waiting")
    yield pytest.param({"answers": {"a": RunError("no"), "b": RunError("no")}}, id="oracles fail")
    yield pytest.param({"diverges_at": 2}, id="the trunk diverges")
    yield pytest.param({"diverges_at": 6}, id="branches diverge")
    yield pytest.param({"loses_first": 3}, id="a worker is lost")


@pytest.mark.parametrize("how", list(cases()))
def test_what_is_done_never_leaves_its_bounds_and_ends_at_the_total(how: dict[str, Any]) -> None:
    plan = plan_runs(RUNS, unseen_trunk)
    executor, headway = carried_out(RUNS, plan, **how)
    assert all(0 <= done <= total <= plan.epochs_shared + EPOCHS for done, total in executor.counts), executor.counts
    assert headway.left == 0
    lost = how.get("loses_first", 0)
    assert (headway.done, headway.total) == (executor.trained - lost, executor.trained - lost)
    assert executor.counts[0] == (0, plan.epochs_shared)


def test_where_all_goes_as_planned_the_total_holds_still_between_stages_and_the_count_never_falls() -> None:
    plan = plan_runs(RUNS, unseen_trunk)
    executor, headway = carried_out(RUNS, plan)
    assert {total for _, total in executor.counts} == {plan.epochs_shared}
    assert [done for done, _ in executor.counts] == sorted(done for done, _ in executor.counts)
    assert headway.done == executor.trained == plan.epochs_shared


def test_the_total_falls_when_branches_turn_out_equal() -> None:
    plan = plan_runs(RUNS, unseen_trunk)
    executor, headway = carried_out(RUNS, plan, answers={"a": "same", "b": "same"})
    assert headway.total == executor.trained < plan.epochs_shared


def test_what_the_store_holds_is_not_counted() -> None:
    bare = plan_runs(RUNS, unseen_trunk)
    trunk = [stage.key for stage in bare.stages if stage.overlay == ""]
    plan = replace(bare, in_store=frozenset(trunk))
    executor, headway = carried_out(RUNS, plan, held=trunk)
    assert executor.counts[0] == (0, bare.epochs_shared - EPOCHS)
    assert headway.done == headway.total == executor.trained == plan.epochs_to_train


def test_a_branch_that_is_there_unknown_to_the_plan_needs_no_training() -> None:
    """As after an interruption: the answers were given, the branch was trained, and no record tells of it."""
    plan = plan_runs(RUNS, unseen_trunk)
    first, _ = carried_out(RUNS, plan)
    trunk = frozenset(stage.key for stage in plan.stages if stage.overlay == "")
    executor, headway = carried_out(RUNS, replace(plan, in_store=trunk), held=sorted(first.held))
    assert executor.trained == headway.done == headway.total == 0


def test_what_is_told_late_counts_when_its_stage_is_finished() -> None:
    headway = EpochProgress(plan_runs([spec()], unseen_trunk))
    headway.finish_stage(EPOCHS)
    headway.reach(0, EPOCHS)
    assert (headway.done, headway.total) == (EPOCHS, EPOCHS)
    headway.train_epoch()
    assert (headway.done, headway.total) == (EPOCHS, EPOCHS)
