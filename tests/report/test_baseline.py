"""A baseline reads back exactly, and a file that is none, is damaged or another's explains itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imil_sim.errors import UsageError
from imil_sim.report.baseline import (
    Baseline,
    BaselineRun,
    BaselineSet,
    ImageList,
    baseline_of,
    changes,
    check_of_study,
    fingerprint,
    read_baseline,
    write_baseline,
)
from imil_sim.study.study import Study

REMEDY = "Do this."


@pytest.fixture
def found(synthetic: Any) -> tuple[Study, Baseline]:
    study, runs = synthetic({"baseline": 0.0, "lesions": 0.0}, seeds=3, images=20, test_sets={"other": 12}, groups=True)
    return study, baseline_of(study, runs, {"torch": "2.13.0"})


def test_findings_hold_the_predictions_and_the_numbers_of_the_results_to_the_bit(synthetic: Any) -> None:
    study, runs = synthetic({"baseline": 0.0, "lesions": 0.0}, seeds=2, images=20, test_sets={"other": 12})
    findings = baseline_of(study, runs, {})
    for run in runs:
        kept = findings.by_run[run.arm, run.seed]
        assert [*kept.sets] == ["main", "other"]
        for name, of in run.predictions.items():
            assert kept.sets[name].shown.tobytes() == of.probabilities.tobytes()
            assert findings.images[kept.sets[name].images].ids == of.ids
        assert kept.losses == tuple(row.loss for row in run.record.history)
    assert len(findings.images) == 2  # shared by all runs, kept once
    values = findings.by_run["lesions", 1].sets["main"].values
    assert values["n_outliers_replaced"] == 3
    assert not {"run_key", "seed", "status", "notes"} & values.keys()


def test_a_baseline_reads_back_exactly_and_is_written_the_same_twice(
    found: tuple[Study, Baseline], tmp_path: Path
) -> None:
    _, findings = found
    for name in ("one.json", "two.json"):
        write_baseline(findings, tmp_path / "deep" / name)
    assert read_baseline(tmp_path / "deep" / "one.json", REMEDY) == findings
    content = (tmp_path / "deep" / "one.json").read_bytes()
    assert content == (tmp_path / "deep" / "two.json").read_bytes()
    runs = [line for line in content.decode().splitlines() if '"arm":"lesions"' in line]
    assert len(runs) == 3  # a line a run


@given(numbers=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_every_float_reads_back_exactly(numbers: list[float]) -> None:
    tested = BaselineSet(images=0, values={"auroc": numbers[0]}, probabilities=tuple((number,) for number in numbers))
    images = ImageList(ids=tuple(f"é{i}" for i in range(len(numbers))), labels=(1,) * len(numbers))
    run = BaselineRun(arm="a", seed=2**62, status="done", losses=tuple(numbers), sets={"main": tested})
    findings = Baseline(study="x", arms={"a": ""}, seeds=(2**62,), environment={}, images=(images,), runs=(run,))
    with TemporaryDirectory() as folder:
        write_baseline(findings, Path(folder) / "b.json")
        found = read_baseline(Path(folder) / "b.json", REMEDY)
    assert found == findings
    assert found.runs[0].sets["main"].shown.tobytes() == tested.shown.tobytes()


def test_predictions_that_are_no_numbers_survive(synthetic: Any, tmp_path: Path) -> None:
    study, runs = synthetic({"baseline": 0.0}, seeds=1, images=20)
    runs[0].predictions["main"].probabilities[3] = np.nan
    write_baseline(baseline_of(study, runs, {}), tmp_path / "b.json")
    shown = read_baseline(tmp_path / "b.json", REMEDY).runs[0].sets["main"].shown
    assert np.isnan(shown).all(axis=1).tolist() == [row == 3 for row in range(20)]


def damaged(change: Callable[[dict[str, Any]], object]) -> Callable[[str], str]:
    def changed(text: str) -> str:
        content = json.loads(text)
        change(content)
        return json.dumps(content)

    return changed


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[: len(text) // 2], "is no baseline: it is not JSON"),
        (lambda text: "[1, 2]", r'is no baseline: it does not begin with "format": "imil-sim baseline"'),
        (lambda text: '{"format": "other"}', "is no baseline"),
        (lambda text: "[" * 100_000, "is no baseline: it is not JSON"),
        (damaged(lambda c: c.update(version=2)), "has format version 2, and this imil-sim reads version 1"),
        (damaged(lambda c: c.pop("seeds")), "is damaged: seeds: is missing"),
        (damaged(lambda c: c["runs"][0].pop("arm")), r"is damaged: runs\.0\.arm: is missing"),
        (damaged(lambda c: c["runs"][0]["sets"]["main"]["values"].update(auroc=0.123)), "its checksum does not fit"),
        (damaged(lambda c: c["runs"].pop()), "was changed after it was written, by hand or in a merge"),
    ],
)
def test_a_file_that_cannot_be_used_explains_itself(
    change: Callable[[str], str], message: str, found: tuple[Study, Baseline], tmp_path: Path
) -> None:
    path = tmp_path / "b.json"
    write_baseline(found[1], path)
    path.write_text(change(path.read_text()))
    with pytest.raises(UsageError, match=message) as error:
        read_baseline(path, REMEDY)
    assert str(error.value).endswith(REMEDY)
    assert str(path) in str(error.value)


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no baseline .*b\.json\. Do this\."):
        read_baseline(tmp_path / "b.json", REMEDY)
    with pytest.raises(UsageError, match=r"cannot be read: Is a directory"):
        read_baseline(tmp_path, REMEDY)


def test_a_baseline_of_another_study_says_in_what_they_differ(found: tuple[Study, Baseline], synthetic: Any) -> None:
    study, findings = found
    check_of_study(study, findings, REMEDY)
    other, _ = synthetic(
        {"baseline": 0.0, "lesions": 0.0, "mixup": 0.0}, seeds=2, images=20, test_sets={"other": 12},
        tables={"lesions": {"feedback": {"oracle": "lesions", "grid_size": 8}}}, study={"name": "new"},
    )  # fmt: skip
    with pytest.raises(UsageError) as message:
        check_of_study(other, findings, REMEDY)
    assert str(message.value).splitlines() == [
        'the baseline is not of study "new" as it stands now:',
        '  - it is of a study called "synthetic"',
        '  - it has no arm "mixup"',
        '  - arm "lesions" was another one',
        "  - its seeds are 0, 1, 2, those of the study 0, 1",
        REMEDY,
    ]


def test_a_fingerprint_is_of_what_the_file_says_not_of_where_images_lie(found: tuple[Study, Baseline]) -> None:
    arm = found[0].arms["lesions"]
    assert arm.feedback is not None
    training = arm.training.model_copy(update={"momentum": 0.0})  # the default, in so many words
    assert fingerprint(arm.model_copy(update={"training": training})) == fingerprint(arm)
    training = arm.training.model_copy(update={"momentum": 0.9})
    assert fingerprint(arm.model_copy(update={"training": training})) != fingerprint(arm)


def test_an_environment_is_another_where_bits_may_move() -> None:
    here = {"torch": "2.13", "kernels": "AVX512-1", "processor": "A", "threads": "1", "imil-sim": "1", "python": "3.11"}
    assert changes(here, {**here, "imil-sim": "2", "python": "3.12", "pandas": "3"}) == ()
    for name in ("torch", "kernels", "processor", "threads"):
        assert [change.split()[0] for change in changes(here, {**here, name: "other"})] == [name]
    assert changes(here, {**here, "MKL_CBWR": "AVX2"}) == ("MKL_CBWR unknown, now AVX2",)
