"""The generator of studies whose truth is known: it has that truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from imil_sim.stats import metrics


@pytest.mark.parametrize("interaction", [0.0, 0.3])
def test_the_arms_have_the_auroc_and_the_accuracy_they_are_said_to_have(synthetic: Any, interaction: float) -> None:
    areas: dict[str, list[float]] = {"baseline": [], "lesions": []}
    shares: dict[str, list[float]] = {"baseline": [], "lesions": []}
    for rng_seed in range(60):
        _, runs = synthetic(
            {"baseline": 0.0, "lesions": 0.1}, 2, 200, rng_seed, image_interaction_sd=interaction, answers=0
        )
        for run in runs:
            shown = run.predictions["main"]
            areas[run.arm].append(metrics.auroc(shown.labels, shown.probabilities))
            shares[run.arm].append(metrics.accuracy(shown.labels, shown.probabilities))
    for arm, effect in (("baseline", 0.0), ("lesions", 0.1)):
        # Three standard errors, of 120 seeds and 12,000 images.
        assert np.mean(areas[arm]) == pytest.approx(0.8 + effect, abs=0.015)
        assert np.mean(shares[arm]) == pytest.approx(synthetic.accuracy(effect), abs=0.015)


def test_equal_arguments_give_equal_studies_and_other_seeds_others(synthetic: Any) -> None:
    def shown(rng_seed: int) -> bytes:
        _, runs = synthetic({"baseline": 0.0, "lesions": 0.1}, seeds=2, images=20, rng_seed=rng_seed)
        records = "".join(run.record.model_dump_json() for run in runs)
        return records.encode() + b"".join(run.predictions["main"].probabilities.tobytes() for run in runs)

    assert shown(1) == shown(1)
    assert shown(1) != shown(2)


def test_arms_of_one_seed_are_asked_about_the_same_images(synthetic: Any) -> None:
    _, runs = synthetic({"baseline": 0.0, "lesions": 0.1, "lung-fields": 0.0}, seeds=1, images=20)
    baseline, lesions, lungs = (run.record.consultations for run in runs)
    assert baseline == ()
    asked = [[answer.image_id for answer in one[0].answers] for one in (lesions, lungs)]
    assert asked[0] == asked[1]
    assert [answer.cells for answer in lesions[0].answers] != [answer.cells for answer in lungs[0].answers]
    assert lesions[0].n_abstained == 1
