"""Whole studies, small ones: what is trained once, what equals what to the bit, and what a failure leaves standing."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imil_sim.engine import steps
from imil_sim.engine.results import RunResult
from imil_sim.feedback import Feedback, Oracle, Question, make_oracle

BARE = """
name = "tiny"
seeds = 1
images = { source = "phantom", size = 32, train = 16, test = 6 }
model.name = "resnet10"
training = { epochs = 3, batch_size = 8, learning_rate = 0.01 }
"""

KINDS = {"stages", "predictions", "cams", "overlays", "evaluations", "runs"}


def bits(results: Mapping[tuple[str, int], RunResult]) -> dict[tuple[str, int], Any]:
    """All that two equal commands must have equal: the record without its times, and the bytes of every array."""
    return {
        name: (
            result.record.model_dump(exclude={"seconds", "stages"}),
            {path.name: path.read_bytes() for path in sorted(result.folder.glob("*.npz"))},
        )
        for name, result in results.items()
    }


def statuses(results: Mapping[tuple[str, int], RunResult]) -> dict[str, str]:
    return {arm: result.record.status for (arm, _), result in results.items()}


@pytest.fixture
def oracles(monkeypatch: pytest.MonkeyPatch) -> dict[str, Oracle]:
    """Oracles by name, in addition to the installed ones."""
    own: dict[str, Oracle] = {}
    monkeypatch.setattr(steps, "make_oracle", lambda name, options: own.get(name) or make_oracle(name, options))
    return own


@dataclass(frozen=True)
class Answers:
    """Answers as the function does."""

    how: Callable[[Question], object]

    def answer(self, question: Question, rng: np.random.Generator) -> Feedback:
        return self.how(question)  # type: ignore[return-value]


# ------------------------------------------------------------------------------------------------------- to the bit


def test_a_fresh_store_gives_the_same_bytes_and_another_seed_others(warm: Any, lab: Any) -> None:
    assert set(statuses(warm.results).values()) == {"done"}
    assert bits(lab.carry_out(warm.study)) == bits(warm.results)
    one, two = (warm.results[arm, 0].predictions().probabilities for arm in ("baseline", "lesions"))
    assert not np.array_equal(one, two)
    other = lab.carry_out(lab.study("[arms.baseline]", top=BARE).model_copy(update={"seeds": (1,)}))
    assert not np.array_equal(other["baseline", 1].predictions().probabilities, one)


def test_runs_that_share_nothing_end_with_the_bytes_of_runs_that_share(warm: Any, lab: Any) -> None:
    assert bits(lab.carry_out(warm.study, sharing=False)) == bits(warm.results)
    assert (warm.lab.epochs, lab.epochs) == (5, 9)


def test_a_study_that_was_carried_out_trains_nothing_again(warm: Any) -> None:
    lab = warm.again()
    assert bits(lab.carry_out(warm.study)) == bits(warm.results)
    assert lab.epochs == 0


@pytest.mark.parametrize("epoch", [1, 2, 4])
def test_an_interrupted_study_goes_on_to_the_same_bytes(warm: Any, lab: Any, epoch: int) -> None:
    def interrupt(count: int) -> None:
        if count == epoch:
            raise KeyboardInterrupt

    lab.epoch_trained = interrupt
    with pytest.raises(KeyboardInterrupt):
        lab.carry_out(warm.study)
    assert lab.epochs == epoch
    lab.epoch_trained = lambda count: None
    assert bits(lab.carry_out(warm.study)) == bits(warm.results)
    assert lab.epochs <= warm.lab.epochs + 2  # at most the stage that was interrupted is trained again


def test_damaged_entries_are_named_and_made_again_to_the_same_bytes(warm: Any, lab: Any) -> None:
    shutil.copytree(warm.lab.store, lab.store)
    for kind in KINDS:
        for path in (lab.store / kind).glob("*/*"):
            if path.suffix in (".safetensors", ".npz"):
                content = bytearray(path.read_bytes())
                content[len(content) // 2] ^= 1
                path.write_bytes(bytes(content))
    assert bits(lab.carry_out(warm.study)) == bits(warm.results)
    assert {entry.split("/")[0] for entry in lab.damaged} == KINDS


# --------------------------------------------------------------------------------------------------- trained once


def test_a_shared_trunk_is_trained_once(warm: Any) -> None:
    assert sorted(warm.lab.stages) == [(0, 2), (2, 3), (2, 3), (2, 3)]


def test_oracles_that_give_equal_answers_share_the_branch(warm: Any, oracles: dict[str, Oracle]) -> None:
    perfect = make_oracle("lesions", {})
    oracles["twin"] = Answers(lambda question: perfect.answer(question, np.random.default_rng(0)))
    lab = warm.again()
    results = lab.carry_out(lab.study('[arms.twin]\nfeedback.oracle = "twin"'))
    assert lab.epochs == 0
    twin, lesions = results["twin", 0], warm.results["lesions", 0]
    assert twin.record.run_key != lesions.record.run_key
    assert twin.record.stages == lesions.record.stages
    assert bits(results)["twin", 0][1] == bits(warm.results)["lesions", 0][1]


def test_a_question_says_which_consultation_of_its_run_it_belongs_to(warm: Any, oracles: dict[str, Oracle]) -> None:
    oracles["counting"] = Answers(lambda question: Feedback.abstain(question, str(question.consultation)))
    lab = warm.again()
    results = lab.carry_out(lab.study('[arms.counting]\nfeedback = { oracle = "counting", imil_epoch = [1, 2] }'))
    consultations = results["counting", 0].record.consultations
    assert [{answer.reason for answer in one.answers} for one in consultations] == [{"1"}, {"2"}]


def test_answers_that_change_nothing_share_the_baseline(warm: Any) -> None:
    lab = warm.again()
    results = lab.carry_out(lab.study('[arms.all]\nfeedback.oracle = "all-cells"'))
    assert lab.epochs == 0
    (consultation,) = results["all", 0].record.consultations
    assert 0 < consultation.n_asked == consultation.n_everything
    assert consultation.n_replaced == 0
    assert bits(results)["all", 0][1].keys() - {"interactions.npz"} == {"predictions-main.npz", "predictions-train.npz"}


# ------------------------------------------------------------------------------------------------------ the record


def test_a_record_tells_the_whole_run(lab: Any) -> None:
    results = lab.carry_out(
        lab.study(
            """
            [arms.twice]
            feedback = { oracle = "random-cells", options.count = 8, imil_epoch = [1, 2], num_outliers = 3 }
            test_sets.more = { source = "phantom", size = 32, train = 4, test = 5, seed = 5 }
            """
        )
    )
    result = results["twice", 0]
    record = result.record
    assert [row.epoch for row in record.history] == [1, 2, 3]
    assert (record.n_train, record.n_test) == (16, {"main": 6, "more": 9})
    assert set(record.data) == {"train", "main", "more"}
    first, second = record.consultations
    assert (first.epoch, second.epoch) == (1, 2)
    asked = [{answer.image_id for answer in found.answers} for found in record.consultations]
    assert len(asked[0]) == 3
    assert asked[0].isdisjoint(asked[1])
    assert first.n_replaced == 3
    assert len(record.stages) == 3
    assert result.predictions().probabilities.shape == (6, 2)
    assert result.predictions("more").probabilities.shape == (9, 2)
    assert result.predictions("none") is None
    shown = result.cams(1)
    assert shown.shape == (3, 32, 32)
    assert shown.dtype == np.uint8


def test_a_shortage_is_named_and_nothing_is_padded(warm: Any) -> None:
    lab = warm.again()
    results = lab.carry_out(lab.study('[arms.many]\nfeedback = { oracle = "all-cells", num_outliers = 16 }'))
    (consultation,) = results["many", 0].record.consultations
    assert 0 < consultation.n_asked == consultation.n_mispredictions < 16
    assert consultation.shortage == 16 - consultation.n_asked
    assert all(answer.mispredicted for answer in consultation.answers)


# ----------------------------------------------------------------------------------------------------- what fails


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        (lambda question: 1 / 0, r'oracle Answers failed on image "train-\d+": ZeroDivisionError'),
        (lambda question: None, "must return a Feedback, not a NoneType"),
        (lambda question: Feedback(question.image_id, np.ones((2, 2), np.bool_)), "gave no valid answer"),
    ],
)
def test_an_oracle_that_fails_ends_its_run_and_no_other(
    warm: Any, oracles: dict[str, Oracle], how: Callable[[Question], object], reason: str
) -> None:
    broken = '[arms.broken]\nfeedback.oracle = "broken"\n'
    oracles["broken"] = Answers(how)
    lab = warm.again()
    results = lab.carry_out(lab.study(broken + warm.arms))
    assert statuses(results) == {"broken": "failed", "baseline": "done", "lesions": "done", "random": "done"}
    failed = results["broken", 0]
    assert re.search(reason, failed.record.reason)
    assert failed.predictions() is None
    oracles["broken"] = make_oracle("lesions", {})
    mended = lab.carry_out(lab.study(broken))
    assert statuses(mended) == {"broken": "done"}
    assert mended["broken", 0].folder == failed.folder


def test_an_oracle_whose_files_have_gone_since_it_was_checked_ends_its_run(warm: Any, tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    arm = f'[arms.replayed]\nfeedback = {{ oracle = "replayed-masks", options.folder = "{tmp_path}/masks" }}\n'
    lab = warm.again()
    lab.check(lab.study(arm))
    (tmp_path / "masks").rmdir()
    results = lab.carry_out(lab.study(arm + warm.arms))
    assert statuses(results)["replayed"] == "failed"
    assert "replayed-masks" in results["replayed", 0].record.reason


def test_a_run_that_diverges_is_recorded_with_epoch_and_batch(warm: Any) -> None:
    lab = warm.again()
    results = lab.carry_out(lab.study("[arms.wild]\ntraining.learning_rate = 1e30" + warm.arms))
    assert statuses(results) == {"wild": "failed", "baseline": "done", "lesions": "done", "random": "done"}
    reason = results["wild", 0].record.reason
    assert re.match(r"the loss of batch \d in epoch \d is (nan|inf); lower training\.learning_rate", reason)


def test_a_step_that_does_not_fit_is_tried_again_and_then_given_up(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real, fits = steps.train, iter([False, False, True])

    def train(*arguments: Any, **options: Any) -> Any:
        if not next(fits, False):
            raise MemoryError("no room")
        return real(*arguments, **options)

    monkeypatch.setattr(steps, "train", train)
    study = lab.study("[arms.baseline]\n[arms.other]\ntraining.weight_decay = 0.1", top=BARE)
    results = lab.carry_out(study)
    assert sorted(statuses(results).values()) == ["done", "failed"]
    (reason,) = [result.record.reason for result in results.values() if result.record.status == "failed"]
    assert reason.startswith("training from epoch 0 to 3 ran out of memory 3 times (no room)")


PLACEBO = """
[arms.baseline]
[arms.nobody]
feedback = { oracle = "all-cells" }
[arms.placebo]
feedback = { oracle = "all-cells", reorder = true }
"""


def test_a_placebo_shares_the_trunk_replaces_nothing_and_trains_on_in_another_order(lab: Any) -> None:
    """All cells chosen is a no-op, so only the order parts the placebo from the baseline."""
    results = lab.carry_out(lab.study(PLACEBO))
    assert sorted(lab.stages) == [(0, 2), (2, 3), (2, 3)]
    baseline, nobody, placebo = (results[arm, 0] for arm in ("baseline", "nobody", "placebo"))
    assert nobody.record.stages == baseline.record.stages
    assert placebo.record.stages[0] == baseline.record.stages[0]
    assert sum(c.n_replaced for c in placebo.record.consultations) == 0
    shown = [run.predictions() for run in (baseline, nobody, placebo)]
    assert all(shown)
    ours, same, other = (s.probabilities.tobytes() for s in shown if s)
    assert ours == same != other
    assert [row.epoch for row in placebo.record.history] == [1, 2, 3]


def test_what_the_model_says_of_its_training_images_is_kept(warm: Any) -> None:
    result = warm.results["baseline", 0]
    fit = result.training()
    assert fit is not None
    assert fit.probabilities.shape == (16, 2)
    assert np.bincount(fit.labels).tolist() == [8, 8]
    assert "train" not in result.record.n_test
