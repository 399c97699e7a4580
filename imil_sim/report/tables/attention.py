"""Where the models look, whether they are right for the wrong reason, and for whom they are least right."""

from __future__ import annotations

import math

import pandas as pd

from imil_sim.report.analysis import Analysis, SetAnalysis
from imil_sim.report.document import Cell, Column, Table
from imil_sim.report.tables.text import anchor, grouped, mean_sd, named, on_set
from imil_sim.stats.subsets import MINIMUM_GROUP, UNKNOWN, mean_known

LEFT_OVER = 0.5
"""Share of the AUROC above 0.5 that must be left with the lungs blacked out before the table remarks on it."""


def attention_table(analysis: Analysis, of: SetAnalysis, frame: pd.DataFrame) -> Table:
    """The CAM's share in the lung, the pointing game, and the AUROC with and without lungs, of every arm.

    Args:
        analysis: the study.
        of: one of its test sets.
        frame: the `results_table` of that set.
    """
    rows: list[tuple[Cell, ...]] = []
    told: list[tuple[str, str]] = []
    suspects = []
    for arm in analysis.arms:
        own = frame[(frame["arm"] == arm) & (frame["status"] == "done")]
        rows.append(
            (
                arm,
                mean_sd(own["attention_ratio"], digits=2), _count(own["n_attention"]),
                mean_sd(own["pointing"], digits=2), _count(own["n_pointing"]),
                mean_sd(own["auroc"]), mean_sd(own["auroc_lungs_hidden"]), mean_sd(own["auroc_lungs_only"]),
                _count(own["n_lungs"]),
            )
        )  # fmt: skip
        told += [(arm, why) for why in _why_absent(own)]
        whole, hidden = mean_known(own["auroc"]).value, mean_known(own["auroc_lungs_hidden"]).value
        if whole > 0.5 and hidden - 0.5 > LEFT_OVER * (whole - 0.5):
            suspects.append(arm)
    columns = (
        Column("Arm"),
        Column("CAM in the lung", explained="its share of the CAM over its share of the image; 1 is a map without aim"),
        Column("n, lung", explained="test images with CAM and lung mask"),
        Column("Pointing game", explained="share of lesions that hold the maximum of the true class's CAM"),
        Column("n, lesion", explained="test images with CAM and lesion mask"),
        Column("AUROC", explained="of the whole images"),
        Column("lungs hidden", explained="AUROC with the lungs blacked out; 0.5 is a model that looks at the lungs"),
        Column("lungs only", explained="AUROC with all but the lungs blacked out"),
        Column("n, hidden", explained="test images with a lung mask"),
    )
    notes = [
        "Mean over seeds, in brackets the standard deviation over seeds. An image with something blacked out is none "
        "the "
        "model has seen in training, so a low AUROC of such images alone proves little; a high one without lungs does."
    ]
    if suspects:
        notes.append(
            "Right for the wrong reason, perhaps: with the lungs blacked out more than half of what the AUROC has "
            f"above 0.5 is left ({named(suspects, len(rows))})."
        )
    if len(estimated := frame["n_lungs_estimated"].dropna()) and int(estimated.max()):
        notes.append(f"Up to {int(estimated.max())} lung masks a run were estimated from the image.")
    return Table(
        anchor("attention", of.name), f"Where the models look{on_set(of.name)}", columns, tuple(rows),
        (*notes, *grouped(told, len(rows))),
    )  # fmt: skip


def worst_groups_table(analysis: Analysis, of: SetAnalysis, frame: pd.DataFrame) -> Table | None:
    """The accuracy and the AUROC of the worst group of every attribute; None where no image has one with few values."""
    attributes = [name for name in _attributes(analysis, of) if f"worst_accuracy_{name}" in frame]
    if not attributes:
        return None
    rows: list[tuple[Cell, ...]] = []
    told: list[tuple[str, str]] = []
    for attribute in attributes:
        for arm in analysis.arms:
            own = frame[frame["arm"] == arm]
            accuracy, auroc = (mean_sd(own[f"worst_{metric}_{attribute}"]) for metric in ("accuracy", "auroc"))
            rows.append((arm, attribute, mean_sd(own["accuracy"]), accuracy, mean_sd(own["auroc"]), auroc))
            if not (own["status"] == "done").any():
                told.append((arm, "No numbers: no run is done"))
            else:
                lost = [name for name, value in (("accuracy", accuracy), ("AUROC", auroc)) if value is None]
                told += [(attribute, f"No worst {name}: no group is large enough and has one") for name in lost]
    columns = (
        Column("Arm"),
        Column("Attribute"),
        Column("Accuracy", explained="of all test images"),
        Column("worst group's accuracy"),
        Column("AUROC", explained="of all test images"),
        Column("worst group's AUROC"),
    )
    notes = (
        "Mean over seeds, in brackets the standard deviation over seeds, of the worst group of each run: which one it "
        f"is may differ from seed to seed. Groups of fewer than {MINIMUM_GROUP} images and of unknown value do not "
        "count. The worst of several is low by chance too.",
        *grouped(told, len(rows)),
    )
    return Table(
        anchor("worst-groups", of.name), f"The worst group by attribute{on_set(of.name)}", columns, tuple(rows), notes,
    )  # fmt: skip


def groups_table(analysis: Analysis, of: SetAnalysis, frame: pd.DataFrame) -> Table | None:
    """Accuracy and AUROC of every group of the test images; None where no image has an attribute with few values."""
    rows: list[tuple[Cell, ...]] = []
    told: list[tuple[str, str]] = []
    for attribute, values in _attributes(analysis, of).items():
        for value in values:
            if f"accuracy_{attribute}_{value}" not in frame:
                continue
            for arm in analysis.arms:
                own = frame[frame["arm"] == arm]
                accuracy, auroc = (mean_sd(own[f"{metric}_{attribute}_{value}"]) for metric in ("accuracy", "auroc"))
                rows.append((arm, attribute, value, _count(own[f"n_{attribute}_{value}"]), accuracy, auroc))
                if accuracy is None:
                    told.append((arm, "No numbers: no run is done, or none with this group"))
                elif auroc is None:
                    told.append((f"{attribute} {value}", "No AUROC: a class has no image in the group"))
    if not rows:
        return None
    columns = (
        Column("Arm"),
        Column("Attribute"),
        Column("Value"),
        Column("n", explained="test images of the group"),
        Column("Accuracy"),
        Column("AUROC"),
    )
    notes = (
        "Mean over seeds, in brackets the standard deviation over seeds. Groups are not compared with each other by a "
        "test; a group may be harder than another for reasons that lie in its images.",
        *grouped(told, len(rows)),
    )
    return Table(anchor("groups", of.name), f"By group of test images{on_set(of.name)}", columns, tuple(rows), notes)


def _attributes(analysis: Analysis, of: SetAnalysis) -> dict[str, list[str]]:
    """Every attribute that the runs' test images have, sorted, with its values, sorted."""
    runs = analysis.runs.values()
    shown = [told for run in runs if run.predictions and (told := run.predictions.get(of.name))]
    found: dict[str, set[str]] = {}
    for predictions in shown[: 1 if of.ids else None]:  # where all have the same images, one run tells
        for name, values in predictions.attributes.items():
            found.setdefault(name, set()).update(value or UNKNOWN for value in values)
    return {name: sorted(values) for name, values in sorted(found.items())}


def _count(values: pd.Series[int]) -> Cell:
    """How many images: one number, or from fewest to most where runs have different ones."""
    known = values.dropna()
    if not len(known):
        return None
    few, most = int(known.min()), int(known.max())
    return few if few == most else f"{few} to {most}"


def _why_absent(own: pd.DataFrame) -> list[str]:
    if own.empty:
        return ["No numbers: no run is done"]
    needs = {
        "auroc": "No AUROC: a class has no test image, or the predictions are not numbers",
        "attention_ratio": "No CAM in the lung: no test image has a CAM and a lung mask",
        "pointing": "No pointing game: no test image has a CAM and a lesion mask",
        "auroc_lungs_hidden": "No AUROC with lungs hidden or alone: no test image has a lung mask, or only "
        "images of one class have",
    }
    return [why for column, why in needs.items() if math.isnan(mean_known(own[column]).value)]
