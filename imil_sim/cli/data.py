"""The ``data`` verb."""

from __future__ import annotations

from pathlib import Path

from rich.markup import escape
from rich.table import Table

from imil_sim import api
from imil_sim.cli.console import console
from imil_sim.cli.progress import TerminalProgress
from imil_sim.engine.data import ImageLibrary
from imil_sim.errors import DataError
from imil_sim.images.split import split_images
from imil_sim.images.summary import Summary, summarise
from imil_sim.study.spec import AnySource, SplitSpec, canonical
from imil_sim.study.study import Study


def show_data(asked: str, *, store: Path) -> None:
    """Print what the sources of a study hold and what is wrong with them.

    Raises:
        ImilSimError: the study or its images cannot be used; every problem is in the message.
    """
    study = api.load_study(asked)
    problems: list[str] = []
    for number, (title, source, split) in enumerate(_sources(study)):
        if number:
            console().print()
        try:
            with TerminalProgress() as progress:
                images = ImageLibrary(study.beside, store, progress.count).source(source)
            parts = split_images(images, split, study.seeds[0]) if split else None
        except DataError as error:
            problems.append(str(error))
            continue
        _print(title, summarise(images, parts))
    if problems:
        raise DataError("\n".join(problems))


def _sources(study: Study) -> list[tuple[str, AnySource, SplitSpec | None]]:
    """Title, source and split (None for a set that is only tested) of everything the arms use, each once."""
    found: dict[str, tuple[str, AnySource, SplitSpec | None]] = {}
    for arm in study.arms.values():
        key = canonical(arm.model_dump(mode="json", include={"images", "split"}))
        found.setdefault(key, (arm.images.source, arm.images, arm.split))
        for name, source in arm.test_sets.items():
            key = canonical([name, source.model_dump(mode="json")])
            found.setdefault(key, (f"test set {name}: {source.source}", source, None))
    return list(found.values())


def _print(title: str, summary: Summary) -> None:
    console().print(f"[bold]{escape(title)}[/bold]")
    table = Table(box=None, show_header=False, pad_edge=False)
    for what, value in summary.rows:
        table.add_row(escape(what), escape(value))
    console().print(table)
    for warning in summary.warnings:
        console().print(f"[yellow]warning[/yellow] {escape(warning)}", highlight=False)
