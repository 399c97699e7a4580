"""Other images, other fills, and readers of a whole consultation, in a study that is really carried out."""

from __future__ import annotations

from typing import Any

import numpy as np

from imil_sim.engine.data import ImageLibrary
from imil_sim.engine.results import RunResult
from imil_sim.feedback.selection import share_outside
from imil_sim.output.pictures import interactions

ARMS = """
[arms.default]
feedback.oracle = "lung-fields"
[arms.random-images]
feedback = { oracle = "lung-fields", selection = "random-images" }
[arms.outside]
feedback = { oracle = "lung-fields", selection = "cam-outside-lungs", num_outliers = 2 }
[arms.cutmix]
feedback = { oracle = "lung-fields", fill = "guided-cutmix" }
[arms.noise]
feedback = { oracle = "lung-fields", fill = "noise" }
[arms.swapped]
feedback = { oracle = "swapped", options.like = "lung-fields", grid_size = 8 }
[arms.abstain]
feedback.oracle = "abstain"
"""


def asked(result: RunResult) -> list[str]:
    return [answer.image_id for answer in result.record.consultations[0].answers]


def last_stage(result: RunResult) -> str:
    return result.record.stages[-1]


def test_each_choice_is_made_as_it_says_and_trains_a_branch_of_its_own(lab: Any) -> None:
    study = lab.study(ARMS)
    results = {arm: result for (arm, _), result in lab.carry_out(study).items()}
    assert {result.record.status for result in results.values()} == {"done"}
    default = results["default"]

    # Fills are about the same images and the same cells, and only the pixels differ.
    for arm in ("cutmix", "noise"):
        assert results[arm].record.consultations == default.record.consultations
    assert len({last_stage(result) for result in results.values()}) == len(results)
    assert lab.epochs == 2 + len(results)  # one trunk, and one epoch for each branch

    # The pictures of the interactions show what was trained on: around the chosen cells another image of the class.
    library = ImageLibrary(study.beside, lab.store)
    images = library.of_run(default.record.spec).train
    for sample in interactions(results["cutmix"], library):
        keep = sample.grid.cells_to_mask(sample.cells, images.shape)
        label = images.class_names.index(sample.true_name)
        partners = [
            image_id
            for image_id, image in zip(images.ids, images.pixels, strict=True)
            if (image[~keep] == sample.result[~keep]).all()
        ]
        assert (sample.result[keep] == sample.image[keep]).all()
        assert len(partners) == 1
        assert partners != [sample.image_id]
        assert images.labels[images.ids.index(partners[0])] == label

    # Random images are not the mispredicted ones, and it is counted how many were predicted right.
    drawn = results["random-images"].record.consultations[0]
    assert sorted(asked(results["random-images"])) != sorted(asked(default))
    assert drawn.n_filled_up == sum(not answer.mispredicted for answer in drawn.answers)

    # The heat-maps that were shown lie less and less outside the lungs.
    rows = {image_id: row for row, image_id in enumerate(images.ids)}
    cams = results["outside"].cams(1)
    assert cams is not None
    shares = [
        share_outside(cam.astype(np.float32) / 255, images.masks_of(rows[name])[0].get("lung"))
        for name, cam in zip(asked(results["outside"]), cams, strict=True)
    ]
    assert all(answer.mispredicted for answer in results["outside"].record.consultations[0].answers)
    assert np.diff(shares).max() < 0.01  # CAMs are kept in 8 bits

    # A reader of the whole consultation is asked as one: nobody is left without an image to swap with.
    assert results["swapped"].record.consultations[0].n_abstained == 0
    assert "lung-fields's cells for" in results["swapped"].record.consultations[0].answers[0].note
    assert results["abstain"].record.consultations[0].n_abstained == len(asked(default))


def test_a_straight_run_gives_the_bytes_of_a_forked_one(lab: Any) -> None:
    study = lab.study('[arms.one]\nfeedback = { oracle = "lazy", options.like = "lesions", fill = "noise" }')
    forked = lab.carry_out(study)["one", 0].predictions()
    straight = lab.carry_out(study, sharing=False)["one", 0].predictions()
    assert forked.probabilities.tobytes() == straight.probabilities.tobytes()
