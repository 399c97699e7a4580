"""The runs of a study in an experiment tracker, through its own client: parameters, curves and metrics of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from imil_sim.engine.results import RunResult
from imil_sim.errors import UsageError
from imil_sim.output.report import StudyResults


def to_mlflow(of: StudyResults, folder: Path) -> None:
    """Log to MLflow, wherever its environment variables point; the experiment has the study's name."""
    import mlflow  # optional: the extra [mlflow]

    mlflow.set_experiment(of.study.name)
    for result, metrics in _runs(of):
        with mlflow.start_run(run_name=_name(result), tags={"run_key": result.record.run_key}):
            mlflow.log_params(parameters(result))
            for row in result.record.history:
                mlflow.log_metrics({"train/loss": row.loss, "train/accuracy": row.accuracy}, step=row.epoch)
            mlflow.log_metrics(metrics)


def to_wandb(of: StudyResults, folder: Path) -> None:
    """Log to Weights & Biases; the project has the study's name, and its files lie in the folder."""
    import wandb  # optional: the extra [wandb]

    for result, metrics in _runs(of):
        run = wandb.init(project=of.study.name, name=_name(result), config=parameters(result), dir=str(folder))
        for row in result.record.history:
            run.log({"train/loss": row.loss, "train/accuracy": row.accuracy}, step=row.epoch)
        run.summary.update(metrics)
        run.finish()


def to_tensorboard(of: StudyResults, folder: Path) -> None:
    """Write event files for TensorBoard to ``tensorboard/ARM-seedN`` in the folder."""
    from tensorboard.summary import Writer  # optional: the extra [tensorboard]

    for result, metrics in _runs(of):
        writer = Writer(str(folder / "tensorboard" / _name(result)))
        for row in result.record.history:
            writer.add_scalar("train/loss", row.loss, step=row.epoch)
            writer.add_scalar("train/accuracy", row.accuracy, step=row.epoch)
        last = result.record.spec.arm.training.epochs
        for name, value in {**metrics, **_numbers(parameters(result))}.items():
            writer.add_scalar(name, value, step=last)
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
    return {"arm": of.arm, "seed": of.seed, **dict(_flat(of.record.spec.arm.model_dump(mode="json")))}


def _flat(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str | int | float | bool]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        elif value is not None:
            yield f"{above}{name}", value if isinstance(value, str | int | float | bool) else str(value)


def _numbers(given: Mapping[str, str | int | float | bool]) -> dict[str, float]:
    """TensorBoard's scalars are numbers; texts among the parameters stay in the tables."""
    return {
        f"parameter/{name}": float(value)
        for name, value in given.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _runs(of: StudyResults) -> Iterator[tuple[RunResult, dict[str, float]]]:
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


def _name(of: RunResult) -> str:
    return f"{of.arm.replace('/', '_')}-seed{of.seed}"
