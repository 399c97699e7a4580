"""A study's results as files that anybody can read without imil-sim, and its runs in an experiment tracker.

Tables are CSV, or Parquet where pyarrow is installed; arrays are npz, weights safetensors. Nothing in them differs
between two equal runs. Trackers are written through their own clients.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
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

TABLES = {
    "results": "a row a run and test set",
    "differences": "a row a comparison and metric",
    "predictions": "a row a run and test image",
    "epochs": "the curve of training: a row a run and epoch",
    "answers": "a row a question to the oracle",
}
"""What the files hold, by name."""


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
    tables = {
        "results": of.results, "differences": of.differences, "predictions": of.predictions,
        "epochs": epochs(of.stored), "answers": answers(of.stored),
    }  # fmt: skip
    written: list[Path] = []
    for name, table in tables.items():
        written.append(folder / f"{name}.{table_format}")
        if table_format == "csv":
            write_csv(table, written[-1])
        else:
            write_whole(written[-1], table.to_parquet(None, engine="pyarrow", index=False))
    files = {f"cams/{result.name}.npz": _maps(result) for result in of.stored}
    files |= {f"weights/{result.name}.safetensors": _weights(result) for result in of.stored}
    files["README.md"] = readme(of, tables, table_format).encode()
    for name, content in files.items():
        if content:
            written.append(folder / name)
            write_whole(written[-1], content)
    return written


def epochs(stored: Iterable[RunResult]) -> pd.DataFrame:
    """The curve of training: a row for every run and epoch, each epoch once although runs share what they can."""
    rows = [(of.arm, of.seed, row.epoch, row.loss, row.accuracy) for of in stored for row in of.record.history]
    return pd.DataFrame(rows, columns=["arm", "seed", "epoch", "loss", "accuracy"])


def answers(stored: Iterable[RunResult]) -> pd.DataFrame:
    """What every oracle was asked and answered: a row a question."""
    columns = (
        "arm", "seed", "consultation", "epoch", "order", "image_id", "label", "predicted", "confidence", "grid_rows",
        "grid_cols", "cells", "effect", "reason", "note",
    )  # fmt: skip
    rows = [
        (
            of.arm, of.seed, number, asked.epoch, order, a.image_id, of.record.class_names[a.label],
            of.record.class_names[a.predicted], a.confidence, *asked.grid,
            None if a.cells is None else " ".join(map(str, a.cells)), a.effect, a.reason, a.note,
        )
        for of in stored
        for number, asked in enumerate(of.record.consultations, 1)
        for order, a in enumerate(asked.answers, 1)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(columns))


def _maps(of: RunResult) -> bytes:
    """The heat maps of a run that is done: of test images, and of the questions of each consultation; empty: none."""
    arrays: dict[str, Any] = {}
    for test_set in of.record.n_test:
        if (shown := of.predictions(test_set)) is not None and len(shown.cam_rows):
            arrays[f"{test_set}_ids"] = np.array([shown.ids[row] for row in shown.cam_rows], dtype=np.str_)
            arrays[f"{test_set}_cams"] = shown.cams
    for number, asked in enumerate(of.record.consultations, 1):
        if (cams := of.cams(number)) is not None:
            arrays[f"consultation{number}_ids"] = np.array([a.image_id for a in asked.answers], dtype=np.str_)
            arrays[f"consultation{number}_cams"] = cams
    content = io.BytesIO()
    if arrays:
        np.savez_compressed(content, **arrays)
    return content.getvalue()


def _weights(of: RunResult) -> bytes:
    """The final weights of a run that is done; empty unless the store has kept its last state."""
    if of.record.status != "done" or not of.record.stages:
        return b""
    kept = of.stage(of.record.stages[-1]) / WEIGHTS
    return kept.read_bytes() if kept.is_file() else b""


# ---------------------------------------------------------------------------------------------- what the columns mean

COLUMNS: dict[Any, str] = pd.read_csv(Path(__file__).with_name("columns.csv"), index_col="column")["holds"].to_dict()
"""What a column holds; those of metrics, classes, groups and swept fields are explained by their kind."""

KINDS = {
    "p_": "probability of that class, 0 to 1",
    "accuracy_": "accuracy within that group of test images",
    "auroc_": "AUROC within that group of test images",
    "n_": "test images of that group",
    "worst_": "the lowest of the groups",
    "attribute_": "what is known of the image under that name; empty: unknown",
}
"""The same by how the name begins."""


def _explained(column: str, swept: Iterable[str]) -> str:
    if column in COLUMNS:
        return COLUMNS[column]
    if column in metric_names(compared=False):
        metric = metric_named(column)
        return f"{metric.label}; {metric.better_side} is better"
    if column in swept:
        return "the arm's value of that field of the study file"
    return next((what for start, what in KINDS.items() if column.startswith(start)), "")


def readme(of: StudyResults, tables: Mapping[str, pd.DataFrame], table_format: TableFormat) -> str:
    """README.md of an export: each file, and each column of each table."""
    study, swept = of.study, swept_values(of.study)
    described: list[str] = []
    for name, table in tables.items():
        described += ["", f"## {name}.{table_format}: {TABLES[name]}", "", "| column | what it holds |", "|---|---|"]
        described += [f"| `{column}` | {_explained(str(column), swept)} |" for column in table.columns]
    explained = "\n".join(described)
    return f"""# {study.title or study.name}

Study `{study.name}`: {len(study.arms)} arms x {len(study.seeds)} seeds; differences are taken from `{study.reference}`.
Written by imil-sim; nothing here needs it to be read.

Empty cells are unknown. A text that would be a formula in a spreadsheet has an apostrophe in front (CSV).
{explained}

## Folders

- `cams/ARM-seedN.npz` (numpy): for every test set `SET_ids` (k,), text, and `SET_cams` (k, height, width), uint8, the
  Grad-CAM of the predicted class, 0 to 255; and the same of what was shown at consultation N (`consultationN_ids`,
  `consultationN_cams`).
- `weights/ARM-seedN.safetensors`: weights and optimizer after the last epoch, of runs whose store kept them
  (`keep_weights = true`).
"""


# ---------------------------------------------------------------------------------------------------------- trackers


def to_mlflow(of: StudyResults, folder: Path) -> None:
    """Log to MLflow, wherever its environment variables point; the experiment has the study's name."""
    import mlflow  # optional: the extra [mlflow]

    mlflow.set_experiment(of.study.name)
    for result, metrics in _numbers(of):
        with mlflow.start_run(run_name=result.name, tags={"run_key": result.record.run_key}):
            mlflow.log_params(parameters(result))
            for row in result.record.history:
                mlflow.log_metrics({"train/loss": row.loss, "train/accuracy": row.accuracy}, step=row.epoch)
            mlflow.log_metrics(metrics)


def to_wandb(of: StudyResults, folder: Path) -> None:
    """Log to Weights & Biases; the project has the study's name, and its files lie in the folder."""
    import wandb  # optional: the extra [wandb]

    for result, metrics in _numbers(of):
        run = wandb.init(project=of.study.name, name=result.name, config=parameters(result), dir=str(folder))
        for row in result.record.history:
            run.log({"train/loss": row.loss, "train/accuracy": row.accuracy}, step=row.epoch)
        run.summary.update(metrics)
        run.finish()


def to_tensorboard(of: StudyResults, folder: Path) -> None:
    """Write event files for TensorBoard to ``tensorboard/ARM-seedN`` in the folder."""
    from tensorboard.summary import Writer  # optional: the extra [tensorboard]

    for result, metrics in _numbers(of):
        writer = Writer(str(folder / "tensorboard" / result.name))
        for row in result.record.history:
            writer.add_scalar("train/loss", row.loss, step=row.epoch)
            writer.add_scalar("train/accuracy", row.accuracy, step=row.epoch)
        scalars = {  # texts among the parameters stay in the tables
            f"parameter/{name}": float(value)
            for name, value in parameters(result).items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
        for name, value in {**metrics, **scalars}.items():
            writer.add_scalar(name, value, step=result.record.spec.arm.training.epochs)
        writer.close()


TRACKERS: Mapping[str, Callable[[StudyResults, Path], None]] = {
    "mlflow": to_mlflow,
    "wandb": to_wandb,
    "tensorboard": to_tensorboard,
}


def track(of: StudyResults, folder: Path, name: str) -> None:
    """Log every run that is done to the tracker of that name.

    Raises:
        UsageError: its client is not installed.
    """
    try:
        TRACKERS[name](of, folder)
    except ModuleNotFoundError as error:
        raise UsageError(f"--{name} needs the package {error.name}: pip install 'imil-sim[{name}]'") from error


def parameters(of: RunResult) -> dict[str, str | int | float | bool]:
    """The whole spec of a run by dotted field, and its seed: ``training.learning_rate``, ``feedback.oracle``, ..."""
    (flat,) = pd.json_normalize(of.record.spec.arm.model_dump(mode="json")).astype(object).to_dict("records")
    given = {str(name): value for name, value in flat.items() if value is not None}
    shown = {
        name: value if isinstance(value, str | int | float | bool) else str(value) for name, value in given.items()
    }
    return {"arm": of.arm, "seed": of.seed, **shown}


def _numbers(of: StudyResults) -> Iterator[tuple[RunResult, dict[str, float]]]:
    """Every run that is done, and its numbers: ``auroc`` of the study's own test set, ``SET/auroc`` of further ones."""
    for result in of.stored:
        if result.record.status != "done":
            continue
        metrics: dict[str, float] = {}
        for name, frame in of.frames.items():
            (row,) = frame[(frame["arm"] == result.arm) & (frame["seed"] == result.seed)].to_dict("records")
            prefix = "" if name == "main" else f"{name}/"
            metrics |= {
                f"{prefix}{column}": float(value)
                for column, value in row.items()
                if column != "seed" and isinstance(value, int | float) and value == value
            }
        yield result, metrics
