"""The ``report`` verb: a study's report from what the store holds, without training anything."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from rich.console import Console

from imil_sim.cli.progress import Counter
from imil_sim.cli.results import StudyResults, check_place, print_results, write_report
from imil_sim.cli.study import open_study
from imil_sim.engine.data import ImageLibrary
from imil_sim.engine.results import RunResult, recorded
from imil_sim.engine.stages import run_key
from imil_sim.engine.store import Store
from imil_sim.errors import UsageError
from imil_sim.study.study import Study
from imil_sim.training.numerics import find_device


def report_study(
    asked: str, *, store: Path, out: Path | None, seeds: int | None, device: str, images: bool = True
) -> None:
    """Write the report of a study from its records.

    Raises:
        ImilSimError: the study or its images cannot be used, the store holds no run of it, or the place cannot be
            written.
    """
    study = open_study(asked, seeds)
    folder = out or Path("reports") / study.name
    check_place(folder)
    results, library = stored_results(study, store, device)
    told = StudyResults.of(study, results)
    page = write_report(told, results, library, folder, images=images)
    print_results(told, results)
    partial(Console().print, markup=False, highlight=False, soft_wrap=True)(f"\nreport: {page}")


def stored_results(study: Study, root: Path, device_name: str) -> tuple[list[RunResult], ImageLibrary]:
    """What the store holds of a study's runs, in its order, and the images of the study.

    Raises:
        ImilSimError: the images cannot be used, there is no such store, or it holds no run of the study.
    """
    if not root.is_dir():
        raise UsageError(f'there is no store "{root}"; run the study first, or name the store with --store')
    device, store = find_device(device_name), Store(root, lambda entry: None)
    found = []
    with Counter(Console(stderr=True)) as counter:
        library = ImageLibrary(study.beside, root, counter)
        for arm, run in study.runs():
            held = recorded(store, run_key(run, library.of_run(run).fingerprints, device))
            if held is not None:
                found.append(RunResult(arm, run.seed, *held))
    if not found:
        raise UsageError(
            f"the store {root} holds no run of study {study.name} as its file stands now (device {device.type}): "
            "`imil-sim run` makes them"
        )
    return found, library
