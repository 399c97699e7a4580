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

from imil_sim.engine.data import ImageLibrary
from imil_sim.engine.results import RunResult
from imil_sim.feedback import Grid
from imil_sim.images.image_set import ImageSet
from imil_sim.loop import Filling
from imil_sim.report.analysis import Analysis
from imil_sim.report.figures import interactions as sheets
from imil_sim.report.figures.images import AUGMENTED, HEATED, HeatMaps, SideBySide
from imil_sim.report.figures.interactions import Sample, Sheet
from imil_sim.report.figures.style import arms_shown
from imil_sim.report.tables.text import made_by_sweeps
from imil_sim.study.record import Answer
from imil_sim.study.spec import AugmentationSpec
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


def shown_images(analysis: Analysis, results: Sequence[RunResult], library: ImageLibrary) -> dict[str, Sequence[Any]]:
    """`ReportData.shown`: what there is to draw of the images of a study, by the name of the figure part."""
    made = made_by_sweeps(analysis)  # the same questions again and again
    own = [result for result in results if result.arm not in made]
    return {
        AUGMENTED: list(_side_by_side(analysis, own, library)),
        HEATED: list(_heat_maps([r for r in results if r.arm in arms_shown(analysis)], library)),
        sheets.NAME: list(_sheets(analysis, own, library)),
    }


# -------------------------------------------------------------------------------------------------------- heat maps


def _heat_maps(results: Sequence[RunResult], library: ImageLibrary) -> Iterator[HeatMaps]:
    """Of the first `EACH` test images of every class, in the seed in which most arms are done; none where none is.

    An arm that was tested on other images is left out.
    """
    done = [result for result in results if result.record.status == "done"]
    if not done:
        return
    seeds = Counter(result.seed for result in sorted(done, key=lambda result: result.seed))
    seed = seeds.most_common(1)[0][0]
    said = {r.arm: shown for r in done if r.seed == seed and (shown := r.predictions()) is not None}
    first = next(iter(said.values()))
    alike = {arm: of for arm, of in said.items() if of.ids == first.ids}
    test = library.of_run(next(r.record.spec for r in done if r.seed == seed)).tests["main"].images
    labels = first.labels[first.cam_rows]
    places = np.sort(np.concatenate([np.flatnonzero(labels == label)[:EACH] for label in np.unique(labels)]))
    rows = first.cam_rows[places]
    chances = np.stack([of.probabilities[rows] for of in alike.values()], axis=1)
    yield HeatMaps(
        ids=tuple(first.ids[row] for row in rows),
        classes=tuple(test.class_names[first.labels[row]] for row in rows),
        arms=tuple(alike),
        images=np.asarray(test.pixels[rows]),
        cams=np.stack([of.cams[places] for of in alike.values()], axis=1),
        predicted=np.array(test.class_names)[chances.argmax(axis=2)].tolist(),
        confidence=chances.max(axis=2),
    )


# ----------------------------------------------------------------------------------------------------- interactions


def _sheets(analysis: Analysis, results: Sequence[RunResult], library: ImageLibrary) -> Iterator[Sheet]:
    """One sheet for each of the first `MOST_SHEETS` arms that got an answer.

    It is of the first seed in which the arm was asked about the most classes.
    """
    by_classes = sorted(results, key=_classes, reverse=True)
    best = {result.arm: result for result in reversed(by_classes) if _classes(result)}
    for arm in [arm for arm in analysis.arms if arm in best][:MOST_SHEETS]:
        yield Sheet(arm, tuple(interactions(best[arm], library)))


def _classes(of: RunResult) -> int:
    """How many classes the run was asked about; 0 where every answer was an abstention: there is nothing to show."""
    answers = [answer for consultation in of.record.consultations for answer in consultation.answers]
    return len({answer.label for answer in answers}) if any(answer.cells is not None for answer in answers) else 0


def interactions(result: RunResult, library: ImageLibrary) -> Iterator[Sample]:
    """Every question of a run with its answer, in the order of asking."""
    run = result.record.spec
    images, feedback = library.of_run(run).train, run.arm.feedback
    rows = {image_id: row for row, image_id in enumerate(images.ids)}
    for number, consultation in enumerate(result.record.consultations, 1):
        cams = result.cams(number)
        if cams is None or feedback is None:
            continue
        filling, grid = Filling(feedback.fill, images, run.seed, number), Grid(*consultation.grid)
        for answer, cam in zip(consultation.answers, cams, strict=True):
            row = rows[answer.image_id]
            yield Sample(
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


def _trained_on(images: ImageSet, row: int, answer: Answer | None, grid: Grid, filling: Filling) -> NDArray[np.uint8]:
    """The image as it is trained on after the answer, if there is one."""
    if answer is None or answer.effect == "none" or answer.cells is None:
        return np.asarray(images.pixels[row])
    return filling(row, grid.cells_to_mask(grid.cells_from_numbers(answer.cells), images.shape))


# --------------------------------------------------------------------------------------------------- augmentations


def _side_by_side(analysis: Analysis, results: Sequence[RunResult], library: ImageLibrary) -> Iterator[SideBySide]:
    """The same images under every augmentation and every feedback arm; none where no arm changes an image.

    The images are those that most arms were asked about, at the first consultation of the first seed that has one.
    """
    if not results:
        return
    first: dict[str, RunResult] = {}
    for result in results:
        if result.record.consultations:
            first.setdefault(result.arm, result)
    run, specs = results[0].record.spec, analysis.study.arms
    blends = [arm for arm in dict.fromkeys(r.arm for r in results)
              if specs[arm].augmentation.name != "none" and specs[arm].feedback is None]  # fmt: skip
    alike = [arm for arm in (*blends, *first) if specs[arm].images == run.arm.images]
    if not alike:
        return
    train = library.of_run(run).train
    answers = {arm: {a.image_id: a for a in first[arm].record.consultations[0].answers} for arm in alike
               if arm in first}  # fmt: skip
    rows = _rows(train, list(answers.values()))
    images, labels = np.asarray(train.pixels[rows]), train.labels[rows]
    partner = int(np.flatnonzero(train.labels != labels[0])[0])  # what the last image is blended with
    columns = {"original": images}
    for arm in alike:
        feedback = specs[arm].feedback
        if arm in answers and feedback is not None:
            filling = Filling(feedback.fill, train, first[arm].seed, 1)
            grid = Grid(*first[arm].record.consultations[0].grid)
            given = answers[arm]
            columns[arm] = np.stack([_trained_on(train, r, given.get(train.ids[r]), grid, filling) for r in rows])
        else:
            batch = np.concatenate([images, train.pixels[partner][None]])
            targets = np.append(labels, train.labels[partner])
            columns[arm] = augmented(specs[arm].augmentation, batch, targets, run.seed)[: len(images)]
    names = tuple(train.class_names[label] for label in labels)
    yield SideBySide(tuple(train.ids[row] for row in rows), names, tuple(columns), np.stack([*columns.values()], 1))


def augmented(
    spec: AugmentationSpec, images: NDArray[np.uint8], labels: NDArray[np.int64], seed: int
) -> NDArray[np.uint8]:
    """The images (n, height, width) as the augmentation leaves them, in the draw of `DRAWS` nearest to half a blend."""
    augment, pixels, targets = augmentation(spec), torch.from_numpy(images), torch.from_numpy(np.array(labels))
    drawn = []
    for draw in (Draw(seed, epoch, 0) for epoch in range(1, DRAWS + 1)):
        inputs = augment.pixels(pixels, draw).float().unsqueeze(1).expand(-1, 3, -1, -1)
        mixed, _ = augment.images(inputs, targets, int(labels.max()) + 1, draw)
        drawn.append(np.round(mixed[:, 0].numpy()).astype(np.uint8))
    change = np.array([np.abs(draw.astype(np.int64) - images).mean() for draw in drawn])
    return drawn[int(np.abs(change - change.max() / 2).argmin())]


def _rows(train: ImageSet, answers: Sequence[Mapping[str, Answer]]) -> list[int]:
    """Rows of the images to show, of every class if possible: those most arms answered about, else the first."""
    rows = {image_id: row for row, image_id in enumerate(train.ids)}
    counts = Counter(rows[image_id] for of in answers for image_id in of if image_id in rows)
    known = [row for row, _ in counts.most_common()] or list(range(len(train)))  # equal counts: in the order of asking
    one_each = {int(train.labels[row]): row for row in reversed(known)}
    return list(dict.fromkeys([*sorted(one_each.values(), key=known.index), *known]))[:IMAGES]
