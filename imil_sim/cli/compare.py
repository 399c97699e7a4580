"""The ``compare`` verb: two studies, or two versions of one, against each other."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from rich.console import Console

from imil_sim.cli.report import stored_results
from imil_sim.cli.results import check_place, reported
from imil_sim.cli.study import open_study
from imil_sim.report.analysis import Analysis, analyse
from imil_sim.report.compare import compare_studies
from imil_sim.report.files import write_whole
from imil_sim.report.page import render_html, render_markdown
from imil_sim.report.results import write_csv


def compare_stored(first: str, second: str, *, stores: tuple[Path, Path], out: Path | None, device: str) -> None:
    """Write and print what the second study gained or lost beside the first, arm by arm and seed by seed.

    Args:
        first: the study that is taken for the reference.
        second: the one that is compared with it; may be the same file with another store.
        stores: where the runs of each lie.
        out: folder to write to; none: reports/FIRST-SECOND.
        device: the runs were trained on.

    Raises:
        ImilSimError: a study or a store cannot be used, or the two have nothing in common.
    """
    one, other = (_analysis(asked, store, device) for asked, store in zip((first, second), stores, strict=True))
    names = list(dict.fromkeys([one.study.name, other.study.name]))
    folder = out or Path("reports") / f"compare-{'-'.join(names)}"
    check_place(folder)
    found = compare_studies(one, other)
    write_csv(found.rows, folder / "comparison.csv")
    write_whole(folder / "comparison.md", render_markdown(found.document).encode())
    write_whole(folder / "comparison.html", render_html(found.document))
    say = partial(Console().print, markup=False, highlight=False, soft_wrap=True)
    for statement in found.document.statements:
        say(statement.text)
    say(f"\ncomparison: {folder / 'comparison.html'}")


def _analysis(asked: str, store: Path, device: str) -> Analysis:
    study = open_study(asked)
    results, _ = stored_results(study, store, device)
    return analyse(study, reported(study, results))
