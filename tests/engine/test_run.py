"""The story of a run: exactly these steps in exactly this order, each handed what the ones before it gave."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from imil_sim.engine.results import provenance
from imil_sim.engine.run import Halts, Performed, halts_of, perform
from imil_sim.engine.stages import Consult, ConsultationResult, Evaluate, Lineage, Step, Train
from imil_sim.study.record import Consultation
from imil_sim.study.spec import RunSpec

TRUNK = Lineage("trunk")


def spec(epochs: int, *imil_epoch: int) -> RunSpec:
    arm: dict[str, Any] = {"images": {"source": "phantom"}, "training": {"epochs": epochs}}
    if imil_epoch:
        arm["feedback"] = {"oracle": "lesions", "imil_epoch": list(imil_epoch)}
    return RunSpec.model_validate({"arm": arm, "seed": 0})


def answer(overlay: str, *answered: str) -> ConsultationResult:
    consultation = Consultation(
        epoch=1, grid=(4, 4), requested=2, n_mispredictions=0, n_excluded=0, n_filled_up=0, answers=()
    )
    return ConsultationResult(consultation, overlay, frozenset(answered), f"cams of {overlay}")


def steps_of(
    run: RunSpec, others: Iterable[RunSpec], answers: Sequence[ConsultationResult]
) -> tuple[list[str], Performed]:
    """The steps as text, and what the run gave, where training succeeds and the oracle gives ``answers``.

    ``others`` are runs of the same trunk.
    """
    steps = perform(run, TRUNK, Halts([run, *others]))
    said: list[str] = []
    waiting = iter(answers)
    outcome: object = None
    try:
        while True:
            step: Step = steps.send(outcome)
            match step:
                case Train():
                    said.append(f"train {step.state.epoch}-{step.until} {step.overlay or '-'}")
                    outcome = step.target
                case Consult():
                    known = "+".join(sorted(step.answered)) or "-"
                    said.append(f"consult {step.number} at {step.state.epoch} {step.overlay or '-'} {known}")
                    outcome = next(waiting)
                case Evaluate():
                    said.append(f"evaluate {step.state.epoch}")
                    outcome = {"main": "evaluation"}
            assert step.run is run
    except StopIteration as end:
        return said, end.value


def test_a_baseline_trains_and_is_tested_once() -> None:
    said, performed = steps_of(spec(100), [], [])
    assert said == ["train 0-100 -", "evaluate 100"]
    assert performed == Performed((TRUNK.trained(100, ""),), (), {"main": "evaluation"})


def test_one_consultation_parts_the_run_in_two() -> None:
    given = answer("o1", "x")
    said, performed = steps_of(spec(100, 70), [spec(100)], [given])
    assert said == ["train 0-70 -", "consult 1 at 70 - -", "train 70-100 o1", "evaluate 100"]
    branch = TRUNK.trained(70, "").trained(100, "o1")
    assert performed.states == (TRUNK.trained(70, ""), branch)
    assert performed.consultations == (given,)


def test_a_second_consultation_knows_of_the_first() -> None:
    said, performed = steps_of(spec(100, 70, 85), [], [answer("o1", "x", "y"), answer("o2", "x", "y", "z")])
    assert said == [
        "train 0-70 -", "consult 1 at 70 - -", "train 70-85 o1", "consult 2 at 85 o1 x+y", "train 85-100 o2",
        "evaluate 100",
    ]  # fmt: skip
    assert [state.segments for state in performed.states] == [
        ((70, ""),), ((70, ""), (85, "o1")), ((70, ""), (85, "o1"), (100, "o2")),
    ]  # fmt: skip


def test_answers_that_change_nothing_leave_the_run_on_its_trunk() -> None:
    _, performed = steps_of(spec(100, 70), [], [answer("")])
    assert performed.states[-1] == TRUNK.trained(100, "")


@pytest.mark.parametrize(
    ("run", "others", "trains"),
    [
        (spec(100), [spec(100, 70), spec(100, 50)], ["0-50", "50-70", "70-100"]),
        (spec(100), [spec(120, 70, 110), spec(60)], ["0-60", "60-70", "70-100"]),
        (spec(100, 70), [spec(100, 50), spec(100, 80)], ["0-50", "50-70", "70-100"]),
        (spec(100, 70), [spec(100, 70, 80), spec(90, 70), spec(95)], ["0-70", "70-80", "80-90", "90-100"]),
        (spec(100, 70, 80), [spec(100, 70, 90), spec(100, 80, 85)], ["0-70", "70-80", "80-100"]),
    ],
)
def test_training_halts_where_runs_that_are_still_the_same_part_or_end(
    run: RunSpec, others: Sequence[RunSpec], trains: list[str]
) -> None:
    said, performed = steps_of(run, others, [answer("o1"), answer("o2")])
    assert [line.split()[1] for line in said if line.startswith("train")] == trains
    straight = steps_of(run, [], [answer("o1"), answer("o2")])[1]
    assert performed.states[-1] == straight.states[-1]  # a halt on the way is not part of the state


def test_a_run_whose_answers_changed_nothing_halts_where_its_trunk_does() -> None:
    said, _ = steps_of(spec(100, 70), [spec(100, 80)], [answer("")])
    assert [line.split()[1] for line in said if line.startswith("train")] == ["0-70", "70-80", "80-100"]


def test_each_trunk_has_halts_of_its_own() -> None:
    other = Lineage("other")
    halts = halts_of([spec(100), spec(100, 70), spec(50, 20)], [TRUNK, TRUNK, other])
    assert {trunk: found.after(()) for trunk, found in halts.items()} == {TRUNK: (70, 100), other: (20, 50)}


def test_provenance_names_versions_and_survives_a_package_of_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from imil_sim.engine import results

    found = provenance(torch.device("cpu"))
    assert found["torch"] == torch.__version__
    assert found["device"] == "cpu"

    def missing(name: str) -> str:
        raise results.PackageNotFoundError(name)

    monkeypatch.setattr(results, "version", missing)
    results._version.cache_clear()
    try:
        assert provenance(torch.device("cpu"))["opencv-python"] == "unknown"
    finally:
        results._version.cache_clear()
