"""Where the models look, whether they are right for the wrong reason, and for whom they are least right."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from imil_sim.report.analysis import Analysis, SetAnalysis
from imil_sim.report.document import Cell, Column, Table
from imil_sim.report.parts import ReportData, TablePart
from imil_sim.report.tables.text import anchor, named, on_set, over_seeds, table_of
from imil_sim.stats.subsets import MINIMUM_GROUP, UNKNOWN, mean_known
from imil_sim.text import DIGITS

LEFT_OVER = 0.5
"""Share of the AUROC above 0.5 that must be left with the lungs blacked out before the table remarks on it."""

WORST = "worst"

MEAN = "Mean over seeds (standard deviation)."


def build(data: ReportData) -> Iterator[Table]:
    """Of every test set the attention and the groups."""
    for name, of in data.analysis.sets.items():
        frame, values = data.frames[name], _attributes(data.analysis, of)
        yield _attention(data.analysis, of, frame)
        yield from _groups(data.analysis, of, frame, values)


def _attention(analysis: Analysis, of: SetAnalysis, frame: pd.DataFrame) -> Table:
    """The CAM's share in the lung, the pointing game, and the AUROC with and without lungs, of every arm."""
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
    shown = {
        "attention_ratio": 2, "pointing": 2, "auroc": DIGITS, "auroc_lungs_hidden": DIGITS, "auroc_lungs_only": DIGITS
    }  # fmt: skip
    table = over_seeds(frame, analysis.arms, shown)
    for place, count in ((2, "n_attention"), (4, "n_pointing"), (8, "n_lungs")):
        table.insert(place, count, _counts(analysis, frame, count))
    notes = [f"{MEAN} Training had no blacked-out images: only a high AUROC without lungs proves something."]
    if suspects := [arm for arm in analysis.arms if _without_lungs(frame[frame["arm"] == arm])]:
        notes.append(
            "Right for the wrong reason, perhaps: with the lungs blacked out more than half of what the AUROC has "
            f"above 0.5 is left ({named(suspects, len(analysis.arms))})."
        )
    if len(estimated := frame["n_lungs_estimated"].dropna()) and int(estimated.max()):
        notes.append(f"Up to {int(estimated.max())} lung masks a run were estimated from the image.")
    return table_of(
        anchor("attention", of.name), f"Where the models look{on_set(of.name)}", columns, table, notes,
        dash="no run of the arm is done, or no test image has the masks, or images of one class only have them",
    )  # fmt: skip


def _without_lungs(own: pd.DataFrame) -> bool:
    whole, hidden = mean_known(own["auroc"]).value, mean_known(own["auroc_lungs_hidden"]).value
    return whole > 0.5 and hidden - 0.5 > LEFT_OVER * (whole - 0.5)


def _groups(analysis: Analysis, of: SetAnalysis, frame: pd.DataFrame, values: dict[str, list[str]]) -> Iterator[Table]:
    """Accuracy and AUROC of every group of test images and of the worst; nothing where no image has an attribute."""
    columns = (
        Column("Arm"),
        Column("Attribute"),
        Column("Value", explained="worst: the lowest of each run, whichever group that is"),
        Column("n", explained="test images of the group"),
        Column("Accuracy"),
        Column("AUROC"),
    )
    parts = []
    for attribute, of_attribute in values.items():
        names = {f"worst_{{}}_{attribute}": WORST, **{f"{{}}_{attribute}_{value}": value for value in of_attribute}}
        for name, value in names.items():
            shown = {name.format("accuracy"): DIGITS, name.format("auroc"): DIGITS}
            if set(shown) <= set(frame):
                part = over_seeds(frame, analysis.arms, shown).set_axis(["arm", "accuracy", "auroc"], axis=1)
                part.insert(1, "attribute", attribute)
                part.insert(2, "value", value)
                part.insert(3, "n", _counts(analysis, frame, name.format("n")) if value != WORST else None)
                parts.append(part)
    if parts:
        yield table_of(
            anchor("groups", of.name), f"By group of test images{on_set(of.name)}", columns, pd.concat(parts),
            (f"{MEAN} Groups are not tested against each other. The worst, of those with {MINIMUM_GROUP} images and a "
             "known value, is low by chance too.",),
            dash="no run is done, a class has no image in the group, or no group is large enough; the worst has no n",
        )  # fmt: skip


def _attributes(analysis: Analysis, of: SetAnalysis) -> dict[str, list[str]]:
    """Every attribute that the runs' test images have, sorted, with its values, sorted."""
    shown = [own for run in analysis.runs.values() if (own := (run.predictions or {}).get(of.name))]
    found: dict[str, set[str]] = {}
    for predictions in shown[: 1 if of.ids else None]:  # where all have the same images, one run has them all
        for name, values in predictions.attributes.items():
            found.setdefault(name, set()).update(value or UNKNOWN for value in values)
    return {name: sorted(values) for name, values in sorted(found.items())}


def _counts(analysis: Analysis, frame: pd.DataFrame, column: str) -> pd.Series:
    """How many images, an arm: one number, or from fewest to most where runs have different ones."""
    return pd.Series([_count(frame.loc[frame["arm"] == arm, column].dropna()) for arm in analysis.arms], dtype=object)


def _count(known: pd.Series) -> Cell:
    if not len(known):
        return None
    few, most = int(known.min()), int(known.max())
    return few if few == most else f"{few} to {most}"


PART = TablePart("attention", build)
