"""The pictures of images in a report: interactions, augmentations side by side, and where each arm's model looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from imil_sim.engine.consult import Filling
from imil_sim.engine.data import ImageLibrary
from imil_sim.engine.results import RunResult
from imil_sim.output.side_by_side import side_by_side
from imil_sim.report.document import Picture
from imil_sim.report.figures import CamRow, Sample, augmentations, cam_panels, sample_of
from imil_sim.report.figures import interactions as interactions_picture
from imil_sim.study.record import Predictions
from imil_sim.study.study import Study

SHOWN = 6
"""Interactions on one sheet."""

MOST_SHEETS = 6
"""Sheets of interactions; a page with one for every arm of a large study would be too heavy to open."""

EACH = 2
"""Test images of each class whose CAMs are shown."""


def image_pictures(
    study: Study, results: Sequence[RunResult], library: ImageLibrary, arms: Sequence[str]
) -> dict[str, list[Picture]]:
    """Every figure made of images, by the anchor of its section of the report.

    Args:
        study: as its file stands.
        results: what there is of its runs.
        library: its images.
        arms: those with CAMs of their own; others have been left out of figures with a panel an arm.
    """
    drawn: dict[str, list[Picture]] = {"augmentations": [], "attention": [], "feedback": []}
    if (shown := side_by_side(study, results, library)) is not None:
        notes = [f"true class: {name}" for name in shown.classes]
        drawn["augmentations"] = [augmentations(shown.images, shown.columns, shown.ids, name="images", notes=notes)]
    if rows := cam_rows(results, library, arms):
        drawn["attention"] = [cam_panels(rows.rows, rows.arms, name="cams")]
    drawn["feedback"] = interaction_sheets(study, results, library)
    return {section: found for section, found in drawn.items() if found}


@dataclass(frozen=True, slots=True)
class CamRows:
    """The same test images under the map of each arm."""

    arms: tuple[str, ...]
    rows: tuple[CamRow, ...]


def cam_rows(results: Sequence[RunResult], library: ImageLibrary, arms: Sequence[str]) -> CamRows | None:
    """Test images of every class and what each arm of one seed says of them; None where no run is done.

    Of the seed in which most of the arms are done. An arm that was tested on other images is left out.
    """
    done = [r for r in results if r.record.status == "done" and r.arm in arms]
    if not done:
        return None
    seeds = [r.seed for r in done]
    seed = max(sorted(set(seeds)), key=seeds.count)
    said = {r.arm: shown for r in done if r.seed == seed and (shown := r.predictions()) is not None}
    first = next(said[arm] for arm in arms if arm in said)
    alike = {arm: said[arm] for arm in arms if arm in said and said[arm].ids == first.ids}
    spec = next(r.record.spec for r in done if r.seed == seed)
    test = library.of_run(spec).tests["main"].images
    names = test.class_names
    rows = tuple(_cam_row(place, np.asarray(test.pixels[row]), names, alike) for place, row in _examples(first))
    return CamRows(tuple(alike), rows)


def _examples(of: Predictions) -> list[tuple[int, int]]:
    """Place among the CAMs that are kept, and row, of the first `EACH` images of each class."""
    turns: dict[int, int] = {}
    chosen = []
    for place, row in enumerate(of.cam_rows.tolist()):
        label = int(of.labels[row])
        turns[label] = turns.get(label, 0) + 1
        if turns[label] <= EACH:
            chosen.append((place, row))
    return chosen


def _cam_row(place: int, image: NDArray[np.uint8], names: Sequence[str], said: Mapping[str, Predictions]) -> CamRow:
    first = next(iter(said.values()))
    row = int(first.cam_rows[place])
    shown = [of.probabilities[row] for of in said.values()]
    return CamRow(
        image_id=first.ids[row],
        true_name=names[first.labels[row]],
        image=image,
        cams=np.stack([of.cams[place] for of in said.values()]),
        predicted=tuple(names[int(p.argmax())] for p in shown),
        confidence=tuple(float(p.max()) for p in shown),
    )


def interaction_sheets(study: Study, results: Sequence[RunResult], library: ImageLibrary) -> list[Picture]:
    """One sheet for each arm of [arms] that consulted: the surest questions of each class, of its first finished seed.

    Arms of a sweep have none: they would be the same questions again and again. Of more than `MOST_SHEETS` the first
    are drawn, and the last caption says how many are not.
    """
    swept = {level.arm for sweep in study.sweeps for level in sweep.levels if level.arm != level.base}
    first: dict[str, RunResult] = {}
    for result in results:
        if result.arm not in swept and _answered(result):  # who abstains throughout has nothing to show
            first.setdefault(result.arm, result)
    arms = [arm for arm in study.arms if arm in first]
    drawn = [
        interactions_picture(varied(interactions(first[arm], library), SHOWN), name=f"interactions-{arm}", arm=arm)
        for arm in arms[:MOST_SHEETS]
    ]
    if (left := len(arms) - MOST_SHEETS) > 0:
        told = f"{drawn[-1].caption} The sheets of {left} more arms are left out."
        drawn[-1] = replace(drawn[-1], caption=told)
    return drawn


def _answered(result: RunResult) -> bool:
    return any(answer.cells is not None for of in result.record.consultations for answer in of.answers)


def varied(samples: Sequence[Sample], most: int) -> list[Sample]:
    """Up to ``most`` samples, as many of each true class as there are, the earliest of each, in the order of asking."""
    turns: dict[str, int] = {}
    ranked = []
    for place, sample in enumerate(samples):
        turns[sample.true_name] = turns.get(sample.true_name, 0) + 1
        ranked.append((turns[sample.true_name], place))
    return [samples[place] for place in sorted(place for _, place in sorted(ranked)[:most])]


def interactions(result: RunResult, library: ImageLibrary) -> list[Sample]:
    """Every question of a run with its answer, in the order of asking."""
    run = result.record.spec
    images = library.of_run(run).train
    rows = {image_id: row for row, image_id in enumerate(images.ids)}
    feedback = run.arm.feedback
    samples: list[Sample] = []
    for number, consultation in enumerate(result.record.consultations, 1):
        cams = result.cams(number)
        if cams is None or feedback is None:
            continue
        filling = Filling(feedback.fill, images, run.seed, number)
        for answer, cam in zip(consultation.answers, cams, strict=True):
            image = np.asarray(images.pixels[rows[answer.image_id]])
            sample = sample_of(
                answer,
                image=image,
                cam=cam.astype(np.float32) / 255,
                result=image,
                grid=consultation.grid,
                class_names=images.class_names,
                oracle=feedback.oracle,
            )
            samples.append(sample if answer.effect == "none" else _with_result(sample, rows, filling))
    return samples


def _with_result(sample: Sample, rows: Mapping[str, int], filling: Filling) -> Sample:
    """The sample of an answer that had an effect, with what is trained on from here."""
    assert sample.cells is not None  # an abstention has no effect
    keep = sample.grid.cells_to_mask(sample.cells, (sample.image.shape[0], sample.image.shape[1]))
    return replace(sample, result=filling(rows[sample.image_id], keep))
