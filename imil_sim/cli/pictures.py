"""The pictures that ``run`` leaves beside the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from imil_sim.engine.data import ImageLibrary
from imil_sim.engine.results import RunResult
from imil_sim.feedback.blackout import blackout
from imil_sim.report.interactions import Sample, interaction_sheet, sample_of, write_png
from imil_sim.study.study import Study

SHOWN = 6
"""Interactions on one sheet."""


def write_interactions(study: Study, results: Sequence[RunResult], library: ImageLibrary, folder: Path) -> list[Path]:
    """One sheet for each arm of [arms] that consulted: the surest questions of each class, of its first finished seed.

    Arms of a sweep have none: they would be the same questions again and again.
    """
    swept = {level.arm for sweep in study.sweeps for level in sweep.levels}
    written = []
    for arm in study.arms:
        consulted = [r for r in results if r.arm == arm and r.record.consultations]
        if arm in swept or not consulted:
            continue
        samples = varied(interactions(consulted[0], library), SHOWN)
        if samples:
            path = folder / f"interactions-{arm}.png"
            write_png(interaction_sheet(samples), path)
            written.append(path)
    return written


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
    samples = []
    for number, consultation in enumerate(result.record.consultations, 1):
        cams = result.cams(number)
        if cams is None:
            continue
        for answer, cam in zip(consultation.answers, cams, strict=True):
            image = np.asarray(images.pixels[rows[answer.image_id]])
            sample = sample_of(
                answer,
                image=image,
                cam=cam.astype(np.float32) / 255,
                result=image,
                grid=consultation.grid,
                class_names=images.class_names,
                oracle=run.arm.feedback.oracle if run.arm.feedback else "",
            )
            samples.append(_with_result(sample, changed=answer.effect != "none"))
    return samples


def _with_result(sample: Sample, *, changed: bool) -> Sample:
    """The sample with what is trained on from here: blacked out where the answer had an effect."""
    if not changed or sample.cells is None:
        return sample
    keep = sample.grid.cells_to_mask(sample.cells, (sample.image.shape[0], sample.image.shape[1]))
    return replace(sample, result=blackout(sample.image, keep))
