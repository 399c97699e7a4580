"""A study's results as files that anybody can read without imil-sim: tables, maps, weights, and what each column means.

Tables are CSV, or Parquet where pyarrow is installed; arrays are npz, weights safetensors. Nothing in them differs
between two equal runs.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from imil_sim.engine.results import RunResult
from imil_sim.errors import UsageError
from imil_sim.output.report import StudyResults
from imil_sim.report.results import write_csv, write_whole
from imil_sim.report.sweeps import swept_values
from imil_sim.stats import metric_named, metric_names

TableFormat = Literal["csv", "parquet"]

WEIGHTS = "state.safetensors"
"""In the store's entry of a state of training."""


def export(of: StudyResults, folder: Path, table_format: TableFormat = "csv") -> list[Path]:
    """The files of an export, written to ``folder``; those of an earlier one are replaced.

    Args:
        of: a study that was run.
        folder: made where it is missing.
        table_format: of the tables.

    Raises:
        UsageError: the folder cannot be written, or pyarrow is missing.
    """
    if table_format == "parquet" and find_spec("pyarrow") is None:
        raise UsageError("--format parquet needs pyarrow: pip install pyarrow, or take --format csv")
    written = []
    tables = tables_of(of)
    for name, table in tables.items():
        path = folder / f"{name}.{table_format}"
        _write_table(table, path)
        written.append(path)
    for result in of.stored:
        written += [*_write_arrays(result, folder), *_copy_weights(result, folder)]
    write_whole(folder / "README.md", readme(of, tables, table_format).encode())
    return [*written, folder / "README.md"]


def tables_of(of: StudyResults) -> dict[str, pd.DataFrame]:
    """Every table of an export, by the name of its file."""
    return {
        "results": of.results,
        "differences": of.differences,
        "predictions": of.predictions,
        "epochs": epochs(of.stored),
        "answers": answers(of.stored),
    }


def epochs(stored: Iterable[RunResult]) -> pd.DataFrame:
    """The curve of training: a row for every run and epoch, each epoch once although runs share what they can."""
    rows = [
        {"arm": of.arm, "seed": of.seed, "epoch": row.epoch, "loss": row.loss, "accuracy": row.accuracy}
        for of in stored
        for row in of.record.history
    ]
    return pd.DataFrame(rows, columns=["arm", "seed", "epoch", "loss", "accuracy"])


ANSWER_COLUMNS = (
    "arm", "seed", "consultation", "epoch", "order", "image_id", "label", "predicted", "confidence", "grid_rows",
    "grid_cols", "cells", "effect", "reason", "note",
)  # fmt: skip


def answers(stored: Iterable[RunResult]) -> pd.DataFrame:
    """What every oracle was asked and answered: a row a question."""
    return pd.DataFrame([*_answers(stored)], columns=list(ANSWER_COLUMNS))


def _answers(stored: Iterable[RunResult]) -> Iterator[tuple[Any, ...]]:
    for of in stored:
        names = of.record.class_names
        for number, asked in enumerate(of.record.consultations, 1):
            for order, answer in enumerate(asked.answers, 1):
                cells = None if answer.cells is None else " ".join(map(str, answer.cells))
                yield (
                    of.arm, of.seed, number, asked.epoch, order, answer.image_id, names[answer.label],
                    names[answer.predicted], answer.confidence, *asked.grid, cells, answer.effect, answer.reason,
                    answer.note,
                )  # fmt: skip


# ------------------------------------------------------------------------------------------------------------- writing


def _write_table(table: pd.DataFrame, path: Path) -> None:
    if path.suffix == ".csv":
        write_csv(table, path)
        return
    content = io.BytesIO()
    table.to_parquet(content, engine="pyarrow", index=False)
    write_whole(path, content.getvalue())


def _write_arrays(of: RunResult, folder: Path) -> Iterator[Path]:
    """The heat maps of a run that is done: of test images, and of the questions of each consultation."""
    arrays: dict[str, Any] = {}
    for test_set in of.record.n_test:
        if (shown := of.predictions(test_set)) is not None and len(shown.cam_rows):
            arrays[f"{test_set}_ids"] = np.array([shown.ids[row] for row in shown.cam_rows], dtype=np.str_)
            arrays[f"{test_set}_cams"] = shown.cams
    for number, asked in enumerate(of.record.consultations, 1):
        if (cams := of.cams(number)) is not None:
            arrays[f"consultation{number}_ids"] = np.array([a.image_id for a in asked.answers], dtype=np.str_)
            arrays[f"consultation{number}_cams"] = cams
    if arrays:
        content = io.BytesIO()
        np.savez_compressed(content, **arrays)
        path = folder / "cams" / f"{_name(of)}.npz"
        write_whole(path, content.getvalue())
        yield path


def _copy_weights(of: RunResult, folder: Path) -> Iterator[Path]:
    """The final weights of a run, where the store has kept its last state."""
    if of.record.status != "done" or not of.record.stages:
        return
    kept = of.folder.parent.parent / "stages" / of.record.stages[-1] / WEIGHTS
    if kept.is_file():
        path = folder / "weights" / f"{_name(of)}.safetensors"
        write_whole(path, kept.read_bytes())
        yield path


def _name(of: RunResult) -> str:
    return f"{of.arm.replace('/', '_')}-seed{of.seed}"


# ---------------------------------------------------------------------------------------------- what the columns mean

COLUMNS = {
    "arm": "name of the arm: one line of the comparison",
    "seed": "of the split, weights and order of images; arms with one seed are paired",
    "test_set": "`main` is the study's own; others are further sets of images",
    "status": "`done`, `failed`, `waiting` (for a person's answers), `missing` (not run)",
    "accuracy": "share of images predicted right, 0 to 1 (in epochs: of training images, while training on them)",
    "n_outliers_asked": "questions put to the oracle",
    "n_outliers_replaced": "answers that changed the training set",
    "n_outliers_abstained": "questions without an answer",
    "n_mispredictions": "training images predicted wrong when the oracle was consulted",
    "n_nothing": "answers that chose no cell",
    "n_everything": "answers that chose every cell",
    "shortage": "questions fewer than the study asked for",
    "run_key": "identifies the run in the store",
    "train_accuracy": "accuracy on training images in the last epoch",
    "n_train": "training images",
    "n_test": "test images",
    "attention_ratio": "share of the Grad-CAM in the lungs, divided by the lungs' share of the image; 1 is chance",
    "cam_in_lung": "share of the Grad-CAM (predicted class) that lies in the lungs, 0 to 1",
    "n_attention": "test images with a Grad-CAM and a lung mask",
    "pointing": "1 where the Grad-CAM of the true class peaks in a lesion, else 0 (in results: the mean)",
    "n_pointing": "test images with a Grad-CAM and a lesion mask",
    "auroc_lungs_hidden": "AUROC with the lungs blacked out",
    "auroc_lungs_only": "AUROC with all but the lungs blacked out",
    "n_lungs": "test images with a lung mask",
    "n_lungs_estimated": "of these, masks that were estimated from the image",
    "reason": "why a run failed, waits, or an oracle gave no answer",
    "notes": "why numbers are missing",
    "image_id": "of the image within its set",
    "label": "true class",
    "predicted": "class the model predicted",
    "lung_share": "the lungs' share of the image, 0 to 1",
    "lung_estimated": "whether the lung mask was estimated from the image",
    "epoch": "from 1; in answers: completed epochs before the consultation",
    "loss": "mean training loss of the epoch",
    "consultation": "number within the run, from 1",
    "order": "of asking, from 1",
    "confidence": "probability given to the predicted class, 0 to 1",
    "grid_rows": "rows of the grid laid over the image",
    "grid_cols": "columns of that grid",
    "cells": "chosen cells, numbered from 1 at the top left, row by row; empty: none, or no answer (see reason)",
    "effect": "what became of the training set: `replaced`, `appended`, `none`",
    "note": "what the oracle said of its answer",
    "reference": "the arm that is subtracted",
    "metric": "what is compared",
    "difference": "arm minus reference, the mean over seeds",
    "low_a": "95% interval A (new seeds and new patients), lower end",
    "high_a": "its upper end",
    "low_b": "95% interval B (new seeds, these images), lower end",
    "high_b": "its upper end",
    "low_c": "95% interval C (new patients, these seeds), lower end",
    "high_c": "its upper end",
    "p": "two-sided p value",
    "p_holm": "of a planned comparison: p after Holm's correction, within metric and test set",
    "p_superior": "share of seeds in which the arm is better than the reference",
    "p_bh": "of an exploratory comparison: p after Benjamini and Hochberg's correction, within metric and test set",
    "n_seeds": "seeds in which both arms are there",
    "n_images": "test images of the comparison",
    "why_no_interval": "why there is no interval",
    "mde": "difference that would be found with 80% power",
    "family": "`planned` or `exploratory`",
}
"""What a column holds; those of metrics, classes, groups and swept fields are explained by their kind."""


def explained(column: str, swept: Iterable[str]) -> str:
    """What a column of an export holds; empty where nobody knows."""
    if column in COLUMNS:
        return COLUMNS[column]
    if column in metric_names(compared=False):
        metric = metric_named(column)
        return f"{metric.label}; {'higher' if metric.higher_is_better else 'lower'} is better"
    if column in swept:
        return "the arm's value of that field of the study file"
    for start, what in (
        ("p_", "probability of that class, 0 to 1"),
        ("accuracy_", "accuracy within that group of test images"),
        ("auroc_", "AUROC within that group of test images"),
        ("n_", "test images of that group"),
        ("worst_", "the lowest of the groups"),
        ("attribute_", "what is known of the image under that name; empty: unknown"),
    ):
        if column.startswith(start):
            return what
    return ""


def readme(of: StudyResults, tables: Mapping[str, pd.DataFrame], table_format: TableFormat) -> str:
    """README.md of an export: each file, and each column of each table."""
    study, swept = of.study, swept_values(of.study)
    lines = [
        f"# {study.title or study.name}",
        "",
        f"Study `{study.name}`: {len(study.arms)} arms x {len(study.seeds)} seeds; differences are taken from "
        f"`{study.reference}`. Written by imil-sim; nothing here needs it to be read.",
        "",
        "Empty cells are unknown. A text that would be a formula in a spreadsheet has an apostrophe in front (CSV).",
    ]
    about = {
        "results": "a row a run and test set",
        "differences": "a row a comparison and metric",
        "predictions": "a row a run and test image",
        "epochs": "the curve of training: a row a run and epoch",
        "answers": "a row a question to the oracle",
    }
    for name, table in tables.items():
        lines += ["", f"## {name}.{table_format}: {about[name]}", "", "| column | what it holds |", "|---|---|"]
        lines += [f"| `{column}` | {explained(str(column), swept)} |" for column in table.columns]
    lines += [
        "",
        "## Folders",
        "",
        "- `cams/ARM-seedN.npz` (numpy): for every test set `SET_ids` (k,), text, and `SET_cams` (k, height, width), "
        "uint8, the Grad-CAM of the predicted class, 0 to 255; and the same of what was shown at consultation N "
        "(`consultationN_ids`, `consultationN_cams`).",
        "- `weights/ARM-seedN.safetensors`: weights and optimizer after the last epoch, of runs whose store kept them "
        "(`keep_weights = true`).",
        "",
    ]
    return "\n".join(lines)
