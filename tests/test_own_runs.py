"""`record_run`: runs of a training of one's own become a study, with its tables, comparisons and report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import imil_sim as im
from imil_sim.errors import DataError, StudyError, UsageError
from tests.test_callback import callback, network

IDS = [f"test-{number}" for number in range(30)]
TRUE = np.arange(30) % 2


def guessed(arm: str, seed: int) -> np.ndarray:
    """Probabilities of the second class, the better the more the arm's name weighs."""
    noise = np.random.default_rng([seed, len(arm)]).normal(0, 1, 30)
    return 1 / (1 + np.exp(-((2 * TRUE - 1) * 0.3 * len(arm) + noise)))


def recorded(folder: Path, arms: tuple[str, ...] = ("baseline", "more"), seeds: int = 5) -> Path:
    for arm in arms:
        for seed in range(seeds):
            im.record_run(
                folder, study="mine", arm=arm, seed=seed, ids=IDS, labels=TRUE, probabilities=guessed(arm, seed),
                class_names=("normal", "TB"),
            )  # fmt: skip
    return folder


def test_the_numbers_are_those_of_the_predictions(tmp_path: Path) -> None:
    folder = recorded(tmp_path / "results")
    table = im.results(folder)
    assert sorted(zip(table["arm"], table["seed"], strict=True)) == [
        (a, s) for a in ("baseline", "more") for s in range(5)
    ]
    for _, row in table.iterrows():
        right = (guessed(row["arm"], row["seed"]) > 0.5) == (TRUE == 1)
        assert row["accuracy"] == pytest.approx(right.mean())
    found = im.differences(folder).set_index("metric").loc["accuracy"]
    means = table.groupby("arm")["accuracy"].mean()
    assert (found["arm"], found["reference"]) == ("more", "baseline")
    assert found["difference"] == pytest.approx(means["more"] - means["baseline"])


@pytest.mark.usefixtures("undrawn")
def test_five_old_tables_of_predictions_become_a_report(tmp_path: Path) -> None:
    for seed in range(5):
        for arm in ("baseline", "mixup"):
            table = pd.DataFrame({"image": IDS, "label": TRUE, "p_TB": guessed(arm, seed)})
            table.to_csv(tmp_path / f"{arm}-{seed}.csv", index=False)
    for path in sorted(tmp_path.glob("*.csv")):
        arm, seed = path.stem.split("-")
        table = pd.read_csv(path)
        im.record_run(
            tmp_path / "results", arm=arm, seed=int(seed), ids=table["image"], labels=table["label"],
            probabilities=table["p_TB"],
        )  # fmt: skip
    page = im.write_report(tmp_path / "results", tmp_path / "report")
    assert "training of one's own" in page.with_name("report.md").read_text()  # what such runs lack is said
    assert len(pd.read_csv(page.with_name("results.csv"))) == 10


def test_what_the_oracle_was_asked_is_recorded_and_can_be_replayed(tmp_path: Path) -> None:
    first = callback()
    consultation = first.after_epoch(1, network())
    assert consultation is not None
    place = im.record_run(
        tmp_path, arm="left", seed=0, imil=first, ids=IDS, labels=TRUE, probabilities=guessed("left", 0)
    )
    record = json.loads((place / "record.json").read_text())
    assert [a["image_id"] for a in record["consultations"][0]["answers"]] == [a.image_id for a in consultation.answers]
    replayed = callback(oracle="replay", options={"session": str(place / "session.jsonl"), "strict": True})
    replayed.after_epoch(1, network())
    assert replayed.overlay.key == first.overlay.key
    row = im.results(tmp_path).iloc[0]
    assert (row["n_outliers_asked"], row["n_outliers_replaced"]) == (3, 3)


@pytest.mark.usefixtures("undrawn")
def test_folders_of_runs_are_compared_and_checked_as_studies_are(tmp_path: Path) -> None:
    one, other = recorded(tmp_path / "one"), recorded(tmp_path / "other")
    assert im.compare(one, other).rows["difference"].abs().max() == 0
    baseline = tmp_path / "baseline.json"
    assert im.check(one, baseline, update=True).passed
    assert im.check(other, baseline).passed
    im.record_run(other, study="mine", arm="more", seed=0, ids=IDS, labels=TRUE, probabilities=guessed("baseline", 9))
    assert not im.check(other, baseline).passed


@pytest.mark.parametrize(
    ("error", "wrong"),
    [
        (DataError, {"ids": IDS[:5]}),
        (DataError, {"ids": ["same"] * 30}),
        (DataError, {"labels": TRUE + 5}),
        (DataError, {"probabilities": np.full((30, 2), 3.0)}),
        (DataError, {"class_names": ("a", "b", "c")}),
        (UsageError, {"arm": "a/../b"}),
        (UsageError, {"seed": -1}),
    ],
)
def test_what_is_no_run_is_refused_and_nothing_is_written(
    tmp_path: Path, error: type[Exception], wrong: dict[str, object]
) -> None:
    right = {"arm": "a", "seed": 0, "ids": IDS, "labels": TRUE, "probabilities": guessed("a", 0)}
    with pytest.raises(error):
        im.record_run(tmp_path / "results", **(right | wrong))  # type: ignore[arg-type]
    assert not (tmp_path / "results").exists()


def test_a_folder_without_runs_or_with_two_studies_is_named(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="holds no study"):
        im.results(tmp_path)
    im.record_run(tmp_path, study="a", arm="x", seed=0, ids=IDS, labels=TRUE, probabilities=guessed("x", 0))
    im.record_run(tmp_path, study="b", arm="y", seed=0, ids=IDS, labels=TRUE, probabilities=guessed("y", 0))
    with pytest.raises(DataError, match="2 studies: a, b"):
        im.results(tmp_path)
