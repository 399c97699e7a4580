"""What only the images of a study can show in its report: interactions, augmentations side by side, heat maps.

Arrays only, each by the name of the figure part that draws it; what they look like on paper is the part's business.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from imil_sim.engine.consult import Filling
from imil_sim.engine.data import ImageLibrary
from imil_sim.engine.results import RunResult
from imil_sim.feedback import Grid
from imil_sim.images.image_set import ImageSet
from imil_sim.report.figures import attention as heat_maps
from imil_sim.report.figures import images as augmented_images
from imil_sim.report.figures import interactions as sheets
from imil_sim.report.figures.attention import CamRow, CamRows
from imil_sim.report.figures.images import SideBySide
from imil_sim.report.figures.interactions import Sample, Sheet
from imil_sim.study.record import Answer, Predictions
from imil_sim.study.spec import AugmentationSpec
from imil_sim.study.study import Study
from imil_sim.training.augment import Draw, augmentation

MOST_SHEETS = 6
"""Sheets of interactions; a page with one for every arm of a large study would be too heavy to open."""
EACH = 2
"""Test images of each class whose CAMs are shown."""
IMAGES = 3
"""Images under the augmentations."""
DRAWS = 20
"""Draws of an augmentation among which one is shown that changes the images by half of what the strongest does.

Most draws of MixUp leave an image nearly as it was, or put the other image in its place.
"""


def shown_images(
    study: Study, results: Sequence[RunResult], library: ImageLibrary, arms: Sequence[str]
) -> dict[str, Sequence[Any]]:
    """`ReportData.shown`: what there is to draw of the images, by the name of the figure part.

    Args:
        study: as its file stands.
        results: what there is of its runs.
        library: its images.
        arms: those with CAMs of their own; others have been left out of figures with a panel an arm.
    """
    found: dict[str, list[Any]] = {
        augmented_images.NAME: [side_by_side(study, results, library)],
        heat_maps.NAME: [cam_rows(results, library, arms)],
        sheets.NAME: list(interaction_sheets(study, results, library)),
    }
    return {name: [one for one in of if one is not None] for name, of in found.items()}


# -------------------------------------------------------------------------------------------------------- heat maps


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


# ----------------------------------------------------------------------------------------------------- interactions


def interaction_sheets(study: Study, results: Sequence[RunResult], library: ImageLibrary) -> Iterator[Sheet]:
    """One sheet for each of the first `MOST_SHEETS` arms of [arms] that got an answer.

    It is of the first seed in which the arm was asked about the most classes. Arms of a sweep have none: they would be
    the same questions again and again.
    """
    swept = {level.arm for sweep in study.sweeps for level in sweep.levels if level.arm != level.base}
    found: dict[str, RunResult] = {}
    for result in results:
        if result.arm not in swept and _classes(result) > (_classes(found[result.arm]) if result.arm in found else 0):
            found[result.arm] = result
    for arm in [arm for arm in study.arms if arm in found][:MOST_SHEETS]:
        yield Sheet(arm, tuple(interactions(found[arm], library)))


def _classes(of: RunResult) -> int:
    """How many classes the run was asked about; 0 where every answer was an abstention: there is nothing to show."""
    answers = [answer for consultation in of.record.consultations for answer in consultation.answers]
    return len({answer.label for answer in answers}) if any(answer.cells is not None for answer in answers) else 0


def interactions(result: RunResult, library: ImageLibrary) -> list[Sample]:
    """Every question of a run with its answer, in the order of asking."""
    run = result.record.spec
    images, feedback = library.of_run(run).train, run.arm.feedback
    rows = {image_id: row for row, image_id in enumerate(images.ids)}
    samples: list[Sample] = []
    for number, consultation in enumerate(result.record.consultations, 1):
        cams = result.cams(number)
        if cams is None or feedback is None:
            continue
        filling, grid = Filling(feedback.fill, images, run.seed, number), Grid(*consultation.grid)
        for answer, cam in zip(consultation.answers, cams, strict=True):
            row = rows[answer.image_id]
            samples.append(
                Sample(
                    image_id=answer.image_id,
                    image=np.asarray(images.pixels[row]),
                    cam=cam.astype(np.float32) / 255,
                    grid=grid,
                    cells=None if answer.cells is None else grid.cells_from_numbers(answer.cells),
                    result=_trained_on(images, row, answer, grid, filling),
                    true_name=images.class_names[answer.label],
                    predicted_name=images.class_names[answer.predicted],
                    confidence=answer.confidence,
                    oracle=feedback.oracle,
                    note=answer.reason or answer.note,
                )
            )
    return samples


def _trained_on(images: ImageSet, row: int, answer: Answer, grid: Grid, filling: Filling) -> NDArray[np.uint8]:
    """The image as it is trained on after the answer."""
    if answer.effect == "none" or answer.cells is None:
        return np.asarray(images.pixels[row])
    return filling(row, grid.cells_to_mask(grid.cells_from_numbers(answer.cells), images.shape))


# --------------------------------------------------------------------------------------------------- augmentations


def side_by_side(study: Study, results: Sequence[RunResult], library: ImageLibrary) -> SideBySide | None:
    """The same images under every augmentation and every feedback arm of [arms]; None where no arm changes an image.

    The images are those that most arms were asked about, at the first consultation of the first seed that has one.
    """
    swept = {level.arm for sweep in study.sweeps for level in sweep.levels}
    shown = [arm for arm in study.arms if arm not in swept or arm == study.reference]
    blends = [arm for arm in shown if study.arms[arm].augmentation.name != "none" and study.arms[arm].feedback is None]
    answers = _answers(shown, results)
    run = next((result.record.spec for result in results if result.arm in shown), None)
    if run is None or not (blends or answers):
        return None
    alike = [arm for arm in (*blends, *answers) if study.arms[arm].images == run.arm.images]
    train = library.of_run(run).train
    rows = _rows(train, [answers[arm] for arm in alike if arm in answers])
    images, labels = np.asarray(train.pixels[rows]), train.labels[rows]
    partner = int(np.flatnonzero(train.labels != labels[0])[0])  # what the last image is blended with
    columns = {"original": images}
    for arm in alike:
        if arm in answers:
            feedback = study.arms[arm].feedback
            assert feedback is not None  # it has been consulted
            filling = Filling(feedback.fill, train, run.seed, 1)
            columns[arm] = np.stack([_fed_back(train, row, answers[arm], filling) for row in rows])
        else:
            batch = np.concatenate([images, train.pixels[partner][None]])
            targets = np.append(labels, train.labels[partner])
            columns[arm] = augmented(study.arms[arm].augmentation, batch, targets, run.seed)[: len(images)]
    names = tuple(train.class_names[label] for label in labels)
    return SideBySide(tuple(train.ids[row] for row in rows), names, tuple(columns), np.stack([*columns.values()], 1))


def augmented(
    spec: AugmentationSpec, images: NDArray[np.uint8], labels: NDArray[np.int64], seed: int
) -> NDArray[np.uint8]:
    """The images (n, height, width) as the augmentation leaves them, in the draw of `DRAWS` nearest to half a blend."""
    classes = int(labels.max()) + 1
    drawn = [_draw(spec, images, labels, classes, seed, epoch) for epoch in range(1, DRAWS + 1)]
    change = np.array([np.abs(draw.astype(np.int64) - images).mean() for draw in drawn])
    return drawn[int(np.abs(change - change.max() / 2).argmin())]


def _draw(
    spec: AugmentationSpec, images: NDArray[np.uint8], labels: NDArray[np.int64], classes: int, seed: int, epoch: int
) -> NDArray[np.uint8]:
    draw, augment = Draw(seed, epoch, 0), augmentation(spec)
    inputs = augment.pixels(torch.from_numpy(images), draw).float().unsqueeze(1).expand(-1, 3, -1, -1)
    mixed, _ = augment.images(inputs, torch.from_numpy(np.array(labels)), classes, draw)
    return np.round(mixed[:, 0].numpy()).astype(np.uint8)


_Answers = Mapping[str, tuple[Answer, tuple[int, int]]]
"""By image id: the answer, and rows and columns of its grid."""


def _answers(arms: Sequence[str], results: Sequence[RunResult]) -> dict[str, _Answers]:
    """By arm, what it was answered at the first consultation of the first seed that has one."""
    found: dict[str, _Answers] = {}
    for result in results:
        if result.arm in arms and result.arm not in found and result.record.consultations:
            first = result.record.consultations[0]
            found[result.arm] = {answer.image_id: (answer, first.grid) for answer in first.answers}
    return found


def _rows(train: ImageSet, answers: Sequence[_Answers]) -> list[int]:
    """Rows of the images to show, of every class if possible: those most arms answered about, else the first."""
    rows = {image_id: row for row, image_id in enumerate(train.ids)}
    counts = Counter(rows[image_id] for of in answers for image_id in of)
    known = [row for row, _ in counts.most_common()] or list(range(len(train)))  # equal counts: in the order of asking
    one_each = {int(train.labels[row]): row for row in reversed(known)}
    return list(dict.fromkeys([*sorted(one_each.values(), key=known.index), *known]))[:IMAGES]


def _fed_back(train: ImageSet, row: int, answers: _Answers, filling: Filling) -> NDArray[np.uint8]:
    if train.ids[row] not in answers:
        return np.asarray(train.pixels[row])
    answer, grid = answers[train.ids[row]]
    return _trained_on(train, row, answer, Grid(*grid), filling)
