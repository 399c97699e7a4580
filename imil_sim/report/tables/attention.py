"""Where the models look, whether they are right for the wrong reason, and for whom they are least right."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from imil_sim.report.analysis import Analysis, SetAnalysis
from imil_sim.report.document import Column, Table
from imil_sim.report.parts import ReportData, TablePart
from imil_sim.report.tables.text import anchor, named, on_set, over_seeds, table_of
from imil_sim.stats.subsets import MINIMUM_GROUP, UNKNOWN

LEFT_OVER = 0.5
"""Share of the AUROC above 0.5 that must be left with the lungs blacked out before the table remarks on it."""

WORST = "worst"

MEAN = "Mean over seeds (standard deviation)."

LOOKS = {
    "attention_ratio": Column(
        "CAM in the lung", 2, explained="its share of the CAM over its share of the image; 1 is a map without aim"
    ),
    "n_attention": Column("n, lung", explained="test images with CAM and lung mask"),
    "pointing": Column("Pointing game", 2, explained="share of lesions that hold the maximum of the true class's CAM"),
    "n_pointing": Column("n, lesion", explained="test images with CAM and lesion mask"),
    "auroc": Column("AUROC", explained="of the whole images"),
    "auroc_lungs_hidden": Column(
        "lungs hidden", explained="AUROC with the lungs blacked out; 0.5 is a model that looks at the lungs"
    ),
    "auroc_lungs_only": Column("lungs only", explained="AUROC with all but the lungs blacked out"),
    "n_lungs": Column("n, hidden", explained="test images with a lung mask"),
}
"""Columns of results.csv, as the table shows them."""

VALUE = Column("Value", explained="worst: the lowest of each run, whichever group that is")
GROUP = (Column("n", explained="test images of the group"), Column("Accuracy"), Column("AUROC"))


def build(data: ReportData) -> Iterator[Table]:
    """Of every test set the attention and the groups."""
    for name, of in data.analysis.sets.items():
        yield _attention(data.analysis, of, data.frames[name])
        yield from _groups(data.analysis, of, data.frames[name])


def _attention(analysis: Analysis, of: SetAnalysis, frame: pd.DataFrame) -> Table:
    """The CAM's share in the lung, the pointing game, and the AUROC with and without lungs, of every arm."""
    arms = analysis.arms
    notes = [f"{MEAN} Training had no blacked-out images: only a high AUROC without lungs proves something."]
    means = frame.groupby("arm")[["auroc", "auroc_lungs_hidden"]].mean().reindex(list(arms))
    left = means["auroc_lungs_hidden"] - 0.5 > LEFT_OVER * (means["auroc"] - 0.5)
    if suspects := [arm for arm in arms if means["auroc"][arm] > 0.5 and left[arm]]:
        notes.append(
            "Right for the wrong reason, perhaps: with the lungs blacked out more than half of what the AUROC has "
            f"above 0.5 is left ({named(suspects, len(arms))})."
        )
    if len(estimated := frame["n_lungs_estimated"].dropna()) and int(estimated.max()):
        notes.append(f"Up to {int(estimated.max())} lung masks a run were estimated from the image.")
    return table_of(
        anchor("attention", of.name), f"Where the models look{on_set(of.name)}",
        over_seeds(frame, arms, LOOKS), notes,
        "no run of the arm is done, or no test image has the masks, or images of one class only have them",
    )  # fmt: skip


def _groups(analysis: Analysis, of: SetAnalysis, frame: pd.DataFrame) -> Iterator[Table]:
    """Accuracy and AUROC of every group of test images and of the worst; nothing where no image has an attribute."""
    parts: list[Any] = []
    for attribute, values in _attributes(analysis, of).items():
        names = {f"worst_{{}}_{attribute}": WORST, **{f"{{}}_{attribute}_{value}": value for value in values}}
        for name, value in names.items():
            keys = [name.format(what) for what in ("n", "accuracy", "auroc")]
            if set(keys[1:]) <= set(frame):  # of the worst there is no number of images
                known = frame.reindex(columns=["arm", *keys])
                part: Any = pd.DataFrame(
                    over_seeds(known, analysis.arms, dict(zip(keys, GROUP, strict=True))), dtype=object
                )
                part.insert(1, Column("Attribute"), attribute)
                part.insert(2, VALUE, value)
                parts.append(part)
    if parts:
        whole: Any = pd.concat(parts)
        yield table_of(
            anchor("groups", of.name), f"By group of test images{on_set(of.name)}",
            {column: whole[column] for column in parts[0]},
            (f"{MEAN} Groups are not tested against each other. The worst, of those with {MINIMUM_GROUP} images and a "
             "known value, is low by chance too.",),
            "no run is done, a class has no image in the group, or no group is large enough; the worst has no n",
        )  # fmt: skip


def _attributes(analysis: Analysis, of: SetAnalysis) -> dict[str, list[str]]:
    """Every attribute that the runs' test images have, sorted, with its values, sorted."""
    shown = [own for run in analysis.runs.values() if (own := run.predictions.get(of.name))]
    found: dict[str, set[str]] = {}
    for predictions in shown[: 1 if of.ids else None]:  # where all have the same images, one run has them all
        for name, values in predictions.attributes.items():
            found.setdefault(name, set()).update(value or UNKNOWN for value in values)
    return {name: sorted(values) for name, values in sorted(found.items())}


PART = TablePart("attention", build)
