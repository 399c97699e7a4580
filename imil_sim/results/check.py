"""What a study comes to now, held against what it came to before."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from imil_sim.engine.run import provenance
from imil_sim.engine.study_run import Execution, Progress, load_images_of, run_study
from imil_sim.report.analysis import ReportedRun
from imil_sim.report.baseline import Findings, changes, check_of_study, findings_of, read_baseline
from imil_sim.report.gate import check_margins
from imil_sim.report.results import unlike_environments
from imil_sim.results.report import reported_run
from imil_sim.study.study import Study
from imil_sim.training.numerics import environment, find_device


@dataclass(frozen=True, slots=True)
class MeasuredStudy:
    """A study that was run for a check."""

    study: Study
    runs: tuple[ReportedRun, ...]
    findings: Findings
    """What a baseline keeps of them."""
    notes: tuple[str, ...]
    """What is to be known of how it was run."""


def measure(study: Study, execution: Execution, progress: Progress) -> MeasuredStudy:
    """Run a study, its results in the order of the study; nothing is written but the store.

    Raises:
        ImilSimError: the study, its images, or the store cannot be used.
    """
    there = {entry.name for entry in (execution.store / "runs").glob("*")}
    library = load_images_of(study, execution.store, progress)
    results = run_study(study, execution, library, progress)
    records = [result.record for result in results]
    around, notes = surroundings(execution.device), []
    if mixed := unlike_environments(records):
        around["runs"] = mixed  # not one environment, so none that a baseline could be equal to
    if stored := sum(record.run_key in there for record in records):
        notes.append(
            f"{stored} of {len(records)} runs were in the store already: the code that is checked did not make them."
        )
    runs = tuple(reported_run(result) for result in results)
    return MeasuredStudy(study, runs, findings_of(study, runs, around), tuple(notes))


def usable_baseline(study: Study, path: Path, remedy: str, device: str) -> Findings:
    """The baseline in a file, if the study's runs on that device can be compared with it: known before any training.

    Raises:
        UsageError: it is missing, damaged, or another's, or the environment is another one and the study has no margin.
    """
    known = read_baseline(path, remedy)
    check_of_study(study, known, remedy)
    check_margins(study, changes(known.environment, surroundings(device)))
    return known


def surroundings(device: str) -> dict[str, str]:
    """Versions and hardware of a run made here and now: what its record says, and what enters its keys."""
    found = find_device(device)
    return {**provenance(found), **environment(found)}
