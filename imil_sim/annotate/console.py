"""The same questions in a terminal, with numbered cells, as the paper's prototype asked them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

import cv2
import numpy as np
from numpy.typing import NDArray

from imil_sim.annotate.questions import AskedImage, Questions
from imil_sim.annotate.session import AnnotationSession, Given, Stale, version
from imil_sim.errors import shown
from imil_sim.feedback import Grid
from imil_sim.sessions.session import MOST_REASON, SessionAnswer

SIDE = 640
"""Pixels, of the longer side of each of the two pictures of an image."""
PROMPT = "cells (5 6 9, 1-4, none, all, skip, back, quit): "
REASON = "reason (or nothing): "
_GAP = 16
_ASK_BACK = {
    "none": "none says that nothing on this image matters; type none again if you mean that, or skip to give no answer",
    "skip": "skip takes back the cells that were chosen here; type skip again if you mean that",
}


class Misread(ValueError):
    """What was typed is no answer; its text says why."""


def converse(
    session: AnnotationSession, ask: Callable[[str], str], say: Callable[[str], None], show: Callable[[Path], None]
) -> None:
    """Ask what is not answered yet, image after image; each answer is on disk before the next image shows.

    Args:
        session: what is asked, and whom.
        ask: gives the line that the person types after a prompt; what cannot be decoded in it as surrogates (PEP 383).
        say: tells the person a line.
        show: shows the person a PNG.

    Raises:
        EOFError: the person left.
        ImilSimError: an answer could not be kept.
    """
    asked = session.questions
    most = asked.grid.rows * asked.grid.cols
    say(f"{asked.instructions}\nThe cells are numbered row by row from the top left, 1 to {most}.")
    with TemporaryDirectory(prefix="imil-sim-") as folder:
        number = _next(session, 0)
        while number is not None:
            image, before = asked.images[number], session.answers()[number]
            picture = Path(folder) / f"{number + 1:03d}.png"
            picture.write_bytes(_png(drawn(image, asked.grid)))
            say(f"\n{heading(asked, number)}\npicture: {picture}")
            if before is not None:
                cells = "skipped" if before.cells is None else " ".join(map(str, before.cells)) or "none"
                say(f"answered: {cells}" + (f" ({shown(before.reason)})" if before.reason else ""))
            show(picture)
            started = monotonic()
            typed = _cells(asked.grid, ask, say, before)
            if typed == "back":
                number = max(number - 1, 0)
                continue
            reason = _line(REASON, ask, say).strip()[:MOST_REASON]
            chosen, seconds = None if isinstance(typed, str) else typed, round(monotonic() - started, 1)
            given = Given(cells=chosen, reason=reason, seconds=seconds, replaces=version(before))
            try:
                session.save(number, given)
            except Stale:
                say("answered meanwhile in another window; what is there now is shown")
                continue
            number = _next(session, number + 1)


def heading(asked: Questions, number: int) -> str:
    """One image and what the model made of it, in a line."""
    image, names = asked.images[number], asked.class_names
    return (
        f'image {number + 1} of {len(asked.images)}, "{image.image_id}": the model says {names[image.predicted]} '
        f"({image.confidence:.0%}), it is {names[image.label]}"
    )


def cells_in(typed: str, grid: Grid) -> tuple[int, ...]:
    """The cells in a line: numbers and ranges (``5-7``) between blanks or commas, ``none`` or ``all``.

    Raises:
        Misread: it holds something else.
    """
    most = grid.rows * grid.cols
    if typed in ("none", "all"):
        return tuple(range(1, most + 1)) if typed == "all" else ()
    cells: set[int] = set()
    for word in re.split(r"[\s,]+", typed.strip()):
        found = re.fullmatch(r"([0-9]{1,7})(?:-([0-9]{1,7}))?", word)
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
        if not 1 <= first <= last <= most:
            raise Misread(f"{word[:20]!r} is no cell; the cells are 1 to {most}; none, all, skip, back or quit")
        cells |= set(range(first, last + 1))
    return tuple(sorted(cells))


def drawn(image: AskedImage, grid: Grid) -> NDArray[np.uint8]:
    """(height, width, 3), BGR: the image, and the image under its heat map, both with the numbered grid."""
    height, width = image.image.shape
    scale = max(1, round(SIDE / max(height, width)))
    large: NDArray[np.uint8] = np.repeat(_enlarged(image.image, scale)[..., None], 3, axis=2)
    heat = _enlarged(image.cam, scale)[..., None] / 255
    hot = np.asarray(cv2.applyColorMap(_enlarged(image.cam, scale), cv2.COLORMAP_INFERNO), dtype=np.uint8)
    under: NDArray[np.uint8] = np.round(large * (1 - 0.6 * heat) + hot * 0.6 * heat).astype(np.uint8)
    gap = np.zeros((large.shape[0], _GAP, 3), dtype=np.uint8)
    rows, cols = grid.row_edges(height) * scale, grid.col_edges(width) * scale
    return np.hstack([_numbered(large, rows, cols), gap, _numbered(under, rows, cols)])


def _next(session: AnnotationSession, start: int) -> int | None:
    """The first image without an answer from ``start`` on, or else before it; None where all have one."""
    answers = session.answers()
    order = [*range(start, len(answers)), *range(start)]
    return next((number for number in order if answers[number] is None), None)


def _cells(
    grid: Grid, ask: Callable[[str], str], say: Callable[[str], None], before: SessionAnswer | None
) -> tuple[int, ...] | str:
    """What the person types, asked until it can be understood: cells, ``skip`` or ``back``.

    ``none``, and ``skip`` where cells were chosen before, are asked back once, as on the page.
    """
    asked_back = ""
    while True:
        typed = _line(PROMPT, ask, say).strip().lower()
        if typed == "quit":
            raise EOFError
        if typed != asked_back and (typed == "none" or (typed == "skip" and before is not None and before.cells)):
            say(_ASK_BACK[typed])
            asked_back = typed
            continue
        if typed in ("skip", "back"):
            return typed
        try:
            return cells_in(typed, grid)
        except Misread as error:
            say(str(error))


def _line(prompt: str, ask: Callable[[str], str], say: Callable[[str], None]) -> str:
    """What the person types, asked until it is text: a byte that is none would be kept as half a surrogate pair."""
    while True:
        typed = ask(prompt)
        if not any("\ud800" <= character <= "\udfff" for character in typed):
            return typed
        say("that line held characters that cannot be read here, nothing of it was kept; type it again")


def _enlarged(picture: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
    large = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    return np.asarray(large, dtype=np.uint8)


def _numbered(picture: NDArray[np.uint8], rows: NDArray[np.int64], cols: NDArray[np.int64]) -> NDArray[np.uint8]:
    picture = np.ascontiguousarray(picture)
    size = max(0.35, min(0.8, (cols[1] - cols[0]) / 110))
    for r, top in enumerate(rows[:-1].tolist()):
        for c, left in enumerate(cols[:-1].tolist()):
            corners = (left, top), (int(cols[c + 1]) - 1, int(rows[r + 1]) - 1)
            cv2.rectangle(picture, *corners, (160, 160, 160), 1)
            number, at = str(r * (len(cols) - 1) + c + 1), (left + 6, top + round(26 * size) + 4)
            cv2.putText(picture, number, at, cv2.FONT_HERSHEY_SIMPLEX, size, (0, 0, 0), 3, cv2.LINE_AA)
            cv2.putText(picture, number, at, cv2.FONT_HERSHEY_SIMPLEX, size, (120, 230, 255), 1, cv2.LINE_AA)
    return picture


def _png(pixels: NDArray[np.uint8]) -> bytes:
    done, data = cv2.imencode(".png", pixels)
    assert done
    return bytes(data)
