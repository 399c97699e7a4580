"""The images a report shows: as every arm's augmentation or feedback leaves them, and where each arm's model looks.

Arrays only; what they look like on paper is the report's business.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from imil_sim.engine.consult import Filling
from imil_sim.engine.data import ImageLibrary
from imil_sim.engine.results import RunResult
from imil_sim.feedback import Grid
from imil_sim.images.image_set import ImageSet
from imil_sim.study.record import Answer
from imil_sim.study.spec import AugmentationSpec
from imil_sim.study.study import Study
from imil_sim.training.augment import Draw, augmentation

IMAGES = 3
"""Rows of the augmentations side by side."""

DRAWS = 20
"""Draws of an augmentation among which one is shown that changes the images by half of what the strongest does.

Most draws of MixUp leave an image nearly as it was, or put the other image in its place.
"""


@dataclass(frozen=True, slots=True)
class SideBySide:
    """The same training images as the arms train on them."""

    ids: tuple[str, ...]
    """(images,)"""
    classes: tuple[str, ...]
    """(images,): name of the true class."""
    columns: tuple[str, ...]
    """``original``, then one arm each."""
    images: NDArray[np.uint8]
    """(images, columns, height, width)"""


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
    rows = _images(train, [answers[arm] for arm in alike if arm in answers])
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
    """By arm, what it was told at the first consultation of the first seed that has one."""
    found: dict[str, _Answers] = {}
    for result in results:
        if result.arm in arms and result.arm not in found and result.record.consultations:
            first = result.record.consultations[0]
            found[result.arm] = {answer.image_id: (answer, first.grid) for answer in first.answers}
    return found


def _images(train: ImageSet, answers: Sequence[_Answers]) -> list[int]:
    """Rows of the images to show, of every class if possible: those most arms answered about, else the first."""
    rows = {image_id: row for row, image_id in enumerate(train.ids)}
    counts = Counter(rows[image_id] for of in answers for image_id in of)
    known = [row for row, _ in counts.most_common()] or list(range(len(train)))  # equal counts: in the order of asking
    one_each = {int(train.labels[row]): row for row in reversed(known)}
    return list(dict.fromkeys([*sorted(one_each.values(), key=known.index), *known]))[:IMAGES]


def _fed_back(train: ImageSet, row: int, answers: _Answers, filling: Filling) -> NDArray[np.uint8]:
    image = np.asarray(train.pixels[row])
    answer, grid = answers.get(train.ids[row], (None, (1, 1)))
    if answer is None or answer.effect == "none" or answer.cells is None:
        return image
    of_grid = Grid(*grid)
    return filling(row, of_grid.cells_to_mask(of_grid.cells_from_numbers(answer.cells), train.shape))
