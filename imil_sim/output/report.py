"""The results of a study: as tables, and as a report in a folder."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from imil_sim.engine.data import ImageLibrary
from imil_sim.engine.results import RunResult, provenance
from imil_sim.errors import UsageError
from imil_sim.output.pictures import shown_images
from imil_sim.output.sessions import replayed_runs
from imil_sim.report.analysis import MAIN, Analysis, ReportedRun, analyse, unlike_environments
from imil_sim.report.assemble import assemble
from imil_sim.report.baseline import Baseline, baseline_of
from imil_sim.report.figures import interactions
from imil_sim.report.figures.images import contact_sheet
from imil_sim.report.page import csv_tables, render_html, render_latex, render_markdown
from imil_sim.report.results import (
    Value,
    differences_table,
    results_table,
    run_row,
    timings_row,
    write_csv,
    write_whole,
)
from imil_sim.report.sweeps import swept_values
from imil_sim.report.tables.paper import table_1
from imil_sim.study.record import Predictions
from imil_sim.study.study import Study
from imil_sim.training.numerics import environment, find_device

MANIFEST = ".files"
"""Names the files of a report, so that the next one knows which are its own."""

OF_A_REPORT = re.compile(r"(figures/|tables/)?[a-z0-9][a-z0-9_-]*\.(csv|html|md|png|svg|tex)")
"""What a line of the manifest may name."""


PREDICTION_COLUMNS = ["arm", "seed", "test_set", "image_id", "label", "predicted"]


@dataclass(frozen=True, slots=True)
class StudyResults:
    """A study that was run, or found in a store, with every number that a report shows."""

    study: Study
    runs: tuple[ReportedRun, ...]
    """Every expected run, with its record and predictions as far as they are there."""
    stored: tuple[RunResult, ...]
    """The runs that have a record, in the order of the study."""
    library: ImageLibrary | None
    """Its images; none where they belong to a training of one's own."""
    analysis: Analysis
    """Estimates and comparisons."""
    frames: Mapping[str, pd.DataFrame]
    """By test set, results.csv: a row for every expected run, whatever became of it."""
    environment: Mapping[str, str]
    """Versions and hardware of a run made here and now."""
    reused: int
    """Runs that were in the store beforehand."""

    @classmethod
    def of(
        cls, study: Study, stored: Sequence[RunResult], library: ImageLibrary | None, device: str, reused: int
    ) -> StudyResults:
        """Of a study as its file stands and the results there are; runs without one are missing."""
        runs, swept = tuple(_reported(study, stored)), swept_values(study)
        analysis = analyse(study, runs)
        frames = {name: results_table([_row(run, name) for run in runs], swept) for name in analysis.sets or [MAIN]}
        return cls(study, runs, tuple(stored), library, analysis, frames, surroundings(device), reused)

    @property
    def statuses(self) -> frozenset[str]:
        """Of the runs that have a record: done, failed, waiting."""
        return frozenset(result.record.status for result in self.stored)

    @property
    def questions(self) -> tuple[str, ...]:
        """Entries of the store (``questions/KEY``) with the questions that runs wait for, each once."""
        return tuple(dict.fromkeys(result.record.questions for result in self.stored if result.record.questions))

    @property
    def results(self) -> pd.DataFrame:
        """A row for every expected run and test set: results.csv, with the column ``test_set`` after arm and seed."""
        parts = [frame.assign(test_set=name) for name, frame in self.frames.items()]
        whole = pd.concat(parts, ignore_index=True)
        first = ["arm", "seed", "test_set"]
        return whole[[*first, *whole.columns.drop(first)]]

    @property
    def differences(self) -> pd.DataFrame:
        """A row for every comparison of two arms and metric: differences.csv."""
        return differences_table(self.analysis)

    @property
    def predictions(self) -> pd.DataFrame:
        """A row for every run, test set and test image.

        Columns: arm, seed, test_set, image_id, label, predicted (names of classes), ``p_CLASS``, the probability of
        each class, in [0, 1]; cam_in_lung, lung_share, lung_estimated and pointing as in `Predictions`, and
        ``attribute_NAME``, what is known of the image.
        """
        parts = [
            _predictions(result, name, shown)
            for result in self.stored
            for name in result.record.n_test
            if (shown := result.predictions(name)) is not None
        ]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=PREDICTION_COLUMNS)

    @property
    def findings(self) -> Baseline:
        """What a baseline keeps of them."""
        around = dict(self.environment)
        if mixed := unlike_environments(result.record for result in self.stored):
            around["runs"] = mixed  # not one environment, so none that a baseline could be equal to
        return baseline_of(self.study, self.runs, around)


def surroundings(device: str) -> dict[str, str]:
    """Versions and hardware of a run made here and now: what its record says, and what enters its keys."""
    found = find_device(device)
    return {**provenance(found), **environment(found)}


def _predictions(result: RunResult, test_set: str, shown: Predictions) -> pd.DataFrame:
    names = np.array(result.record.class_names, dtype=object)
    about: dict[str, object] = {
        "arm": result.arm,
        "seed": result.seed,
        "test_set": test_set,
        "image_id": shown.ids,
        "label": names[shown.labels],
        "predicted": names[shown.probabilities.argmax(axis=1)],
    }
    about |= {f"p_{name}": shown.probabilities[:, place] for place, name in enumerate(names)}
    about |= {name: getattr(shown, name) for name in ("cam_in_lung", "lung_share", "lung_estimated", "pointing")}
    return pd.DataFrame(about | {f"attribute_{name}": values for name, values in sorted(shown.attributes.items())})


def write_report(of: StudyResults, out: Path, *, images: bool = True) -> Path:
    """The page of the report that is written to the folder ``out``, with everything that lies beside it.

    report.html, report.md, results.csv (one more for each further test set), differences.csv, table1.tex, timings.csv,
    the figures by themselves, and in tables/ every table and the numbers of every figure as CSV. Files of an earlier
    report that this one does not have are removed. Without ``images`` no figure shows an image of the set, for people
    who may not see it.

    Raises:
        UsageError: the folder cannot be written.
    """
    analysis = of.analysis
    shown = shown_images(analysis, of.stored, of.library) if images and of.library else {}
    document = assemble(analysis, of.frames, replayed=[*replayed_runs(of.stored)], shown=shown)
    pictures = document.pictures
    tables = {f"results{'' if name == MAIN else f'-{name}'}.csv": frame for name, frame in of.frames.items()}
    tables["differences.csv"] = of.differences
    tables["timings.csv"] = pd.DataFrame([timings_row(r.arm, r.record) for r in of.stored])
    tables |= {f"tables/figure-{one.name}.csv": one.data for one in pictures if one.data is not None}
    files = {f"figures/{one.name}.png": one.png for one in pictures}
    files |= {f"figures/{one.name}.svg": one.svg for one in pictures if one.svg is not None}
    if pictures:
        sheets = [one for one in pictures if one.name.startswith(f"{interactions.NAME}-")]  # alike when they are small
        files["figures/contact-sheet.png"] = contact_sheet([one for one in pictures if one not in sheets[1:]])
    files["table1.tex"] = render_latex(table_1(analysis)).encode()
    files["report.md"] = render_markdown(document, tables_folder="tables").encode()
    files |= {f"tables/{name}": content for name, content in csv_tables(document).items()}
    files["report.html"] = render_html(document, tables_folder="tables")
    _clear(out, keep={*tables, *files})
    for name, frame in tables.items():
        write_csv(frame, out / name)
    for name, content in files.items():
        write_whole(out / name, content)
    return out / "report.html"


def _clear(out: Path, keep: Collection[str]) -> None:
    """Remove what an earlier report left in the folder and this one does not have; nothing that others put there."""
    manifest = out / MANIFEST
    with suppress(OSError, ValueError):
        for name in manifest.read_text(encoding="utf-8").splitlines():
            if name not in keep and OF_A_REPORT.fullmatch(name):
                with suppress(OSError):
                    (out / name).unlink()
    write_whole(manifest, "".join(f"{name}\n" for name in sorted(keep)).encode())


def _reported(study: Study, results: Sequence[RunResult]) -> Iterator[ReportedRun]:
    """Every expected run of the study, with what is there of it."""
    found = {(result.arm, result.seed): result for result in results}
    for place in ((arm, run.seed) for arm, run in study.runs()):
        if (of := found.get(place)) is None:
            yield ReportedRun(*place)
        else:
            shown = {name: of.predictions(name) for name in of.record.n_test}
            predictions = {name: known for name, known in shown.items() if known is not None}
            yield ReportedRun(*place, of.record, predictions, of.training())


def _row(run: ReportedRun, test_set: str) -> dict[str, Value]:
    if run.record is None:
        return {"arm": run.arm, "seed": run.seed, "status": run.status}
    predictions = run.predictions.get(test_set)
    if run.status == "done" and predictions is None:  # an arm with other test sets
        about: dict[str, Value] = {"arm": run.arm, "seed": run.seed, "status": run.status}
        return {**about, "run_key": run.record.run_key, "notes": f"not tested on {test_set}"}
    return run_row(run.arm, run.record, predictions)


def check_place(out: Path) -> None:
    """Check that the results can be written to ``out``; better known before training than after.

    Raises:
        UsageError: a file stands in the way, or the folder that is there cannot be written.
    """
    there = next(place for place in (out, *out.absolute().parents) if place.exists())
    if not there.is_dir():
        raise UsageError(f"the results cannot go to {out}: {there} is a file; name a folder with --out")
    if not os.access(there, os.W_OK):
        raise UsageError(f"the results cannot go to {out}: {there} cannot be written; name another folder with --out")
