"""What all figures share: settings, colours, labels of arms, layout, and how a figure becomes bytes.

Figures are drawn with matplotlib's objects on its shipped defaults plus a few settings of our own, so that neither a
user's settings nor another figure of the same program can move a pixel. Constrained layout finds the room for words.
"""

from __future__ import annotations

import io
import math
import textwrap
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from PIL import Image

from imil_sim.errors import several
from imil_sim.report.analysis import Analysis
from imil_sim.report.document import Picture
from imil_sim.report.tables.text import made_by_sweeps
from imil_sim.stats import Estimate, Metric
from imil_sim.text import joined, number

FONT = "DejaVu Sans"
"""It comes with matplotlib, so a figure looks the same everywhere."""
DPI = 150
"""Pixels an inch of a PNG."""
WIDTH = 6.4
"""Of a figure, in inches: text of `SIZE` is then read without zooming where a figure is shown 640 pixels wide."""
SIZE = 9.0
"""Points of text."""
COLOURS = "inferno"
"""The one colour map of heat maps, in matplotlib's terms; it is perceptually ordered, from dark to light."""
MOST_ARMS = 12
"""Of a figure with a panel an arm: where a study has more, those of its sweeps are left out of it."""

DARK, MIDDLE, LIGHT, PALE = "#000000", "#666666", "#b0b0b0", "#e4e4e4"
"""Grays: of text and marks, of what stands behind them, of guides, of bands."""
ACCENT, CONTRAST = "#0072b2", "#f0a04b"
"""What a figure is about, and what stands against it; they differ in gray too."""

_SETTINGS: dict[Any, Any] = {
    "text.parse_math": False,  # a name with two dollar signs is a name
    "svg.fonttype": "path",  # text would be set in whatever font the reader has, at other widths
    "svg.hashsalt": "imil-sim",  # ids in the file, otherwise drawn by chance
    "font.family": FONT,
    "font.size": SIZE,
    **dict.fromkeys(
        ("axes.titlesize", "axes.labelsize", "xtick.labelsize", "ytick.labelsize", "legend.fontsize"), SIZE
    ),
    **dict.fromkeys(("axes.edgecolor", "xtick.color", "ytick.color"), MIDDLE),
    **dict.fromkeys(("xtick.labelcolor", "ytick.labelcolor"), DARK),
    **dict.fromkeys(("axes.spines.top", "axes.spines.right", "legend.frameon"), False),
    "axes.linewidth": 0.6,
    "hatch.linewidth": 0.5,
}


@contextmanager
def own_settings() -> Iterator[None]:
    """Our settings over matplotlib's shipped ones (a user's usetex would run LaTeX on a name); undone afterwards."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        yield


@own_settings()
def png_of(figure: Figure, *, exact: bool = True) -> bytes:
    """The figure as PNG at its own resolution; equal figures give equal bytes, without date or program name.

    Unless ``exact``, in 256 colours of its own, which a drawing does not show and which weigh a third; images keep all.
    """
    content = io.BytesIO()
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()  # not savefig, which would lay everything out twice
    drawn = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    shown = drawn if exact else drawn.quantize(256, method=Image.Quantize.MEDIANCUT)
    shown.save(content, format="png", optimize=True, dpi=(figure.dpi, figure.dpi))
    return content.getvalue()


@own_settings()
def svg_of(figure: Figure) -> bytes:
    """The figure as SVG, its letters as outlines; equal figures give equal bytes, without date or program name."""
    content = io.BytesIO()
    silent = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(content, format="svg", dpi=2 * DPI, metadata=silent)
    return content.getvalue()


def picture_of(figure: Figure, name: str, *, caption: str, alt: str, data: pd.DataFrame | None = None) -> Picture:
    """The drawn figure as a `Picture`; without data it is of images, which as SVG would only be larger."""
    png = png_of(figure, exact=data is None)
    figure.set_layout_engine("none")  # everything has its place now
    return Picture(name, caption, alt, png, None if data is None else svg_of(figure), data)


# ------------------------------------------------------------------------------------------------------------ layout


def blank(height: float, width: float = WIDTH) -> Figure:
    """An empty white figure of so many inches, in constrained layout."""
    return Figure(figsize=(width, height), dpi=DPI, facecolor="white", layout="constrained")


def panels(count: int, most: int, height: float, **shared: Any) -> tuple[Figure, list[Axes]]:
    """A figure with so many equal panels of that height with their titles, in inches, and the panels row by row.

    At most so many stand in a row, two at least have room there, and the rows are as alike as they can be.
    """
    rows = math.ceil(count / most)
    columns = max(math.ceil(count / rows), min(most, 2))
    figure = blank(rows * height + 0.4)
    every = figure.subplots(rows, columns, squeeze=False, **shared).ravel().tolist()
    for surplus in every[count:]:
        surplus.remove()
    for place in range(max(0, count - columns), count):  # the lowest of its column shows the numbers of the axis
        every[place].tick_params(labelbottom=True)
    return figure, every[:count]


def unit_square(axes: Axes) -> None:
    """Both axes from 0 to 1, with a little room for what lies on their ends."""
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    axes.set_xticks((0, 0.5, 1), ("0", "0.5", "1"))
    axes.set_yticks((0, 0.5, 1), ("0", "0.5", "1"))


def scale(figure: Figure, axes: Any, low: float, high: float, label: str, **more: Any) -> Colorbar:
    """The scale of `COLOURS` beside these axes, or below with ``location="bottom"``."""
    colours = ScalarMappable(matplotlib.colors.Normalize(low, high), matplotlib.colormaps[COLOURS])
    bar = figure.colorbar(colours, ax=axes, **{"shrink": 0.6, "aspect": 30, "pad": 0.02, **more})
    bar.set_label(label)
    bar.outline.set_visible(False)
    return bar


def sides(axes: Axes, of: Metric, reference: str) -> None:
    """Write above the axes which side of a difference is the better one."""
    better, worse = f"better than {reference if len(reference) <= 16 else 'the reference'}", "worse"
    left, right = (worse, better) if of.higher_is_better else (better, worse)
    axes.set_title(f"← {left}", loc="left", color=MIDDLE)
    axes.set_title(f"{right} →", loc="right", color=MIDDLE)


# ------------------------------------------------------------------------------------------------------------- arms


_FIELDS = {"num_outliers": "n=", "imil_epoch": "epoch ", "learning_rate": "lr ", "grid_size": "grid "}


def arm_labels(names: Sequence[str], *, width: int = 24, lines: int = 2) -> list[str]:
    """The names of arms as figures show them, no two alike: ``lesions@num_outliers=5`` is "lesions, n=5".

    Each is wrapped to so many lines of so many characters. Where one must be cut and is then as another, all are
    numbered by their place, from 1.
    """
    short = [_short(name) for name in names]
    clear = [printable(name) if short.count(label) > 1 else label for name, label in zip(names, short, strict=True)]
    shown = [wrapped(label, width, lines) for label in clear]
    if len(set(shown)) < len(shown):
        shown = [wrapped(f"{place}: {label}", width, lines) for place, label in enumerate(clear, 1)]
    return shown


def _short(name: str) -> str:
    base, _, moved = printable(name).partition("@")
    settings = [one.partition("=") for one in moved.split(",") if one]
    return ", ".join(
        [base, *(_FIELDS.get(f, f"{f.replace('_', ' ')} ") + value if equals else f for f, equals, value in settings)]
    )


def arms_shown(analysis: Analysis) -> tuple[str, ...]:
    """The arms of a figure with a panel an arm: all, or where they are many those that no sweep made, at most so many.

    The reference is always among them.
    """
    if len(analysis.arms) <= MOST_ARMS:
        return analysis.arms
    reference, made = analysis.study.reference, made_by_sweeps(analysis)
    own = [arm for arm in analysis.arms if arm not in made and arm != reference]
    kept = {reference, *own[: MOST_ARMS - 1]}
    return tuple(arm for arm in analysis.arms if arm in kept)


# ------------------------------------------------------------------------------------------------------------- words


def printable(text: str) -> str:
    """The text without line breaks and control characters, and with a replacement mark for what the font lacks."""
    known = _known_characters()
    composed = unicodedata.normalize("NFC", " ".join(text.split()))
    return "".join(c if ord(c) in known and c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in composed)


def wrapped(text: str, width: int, lines: int = 2) -> str:
    """The printable text in so many lines of so many characters, cut in its middle where that is not enough.

    Names of a family share their beginning and differ at their end, so both are kept.
    """
    shown = printable(text)
    found = textwrap.wrap(shown, width)
    if len(found) > lines:
        most = width * lines
        if len(shown) > most:
            shown = f"{shown[: most - most // 2 - 1]}…{shown[len(shown) - most // 2 :]}"
        found = [shown[at : at + width] for at in range(0, len(shown), width)]
    return "\n".join(found)


def file_name(*parts: str) -> str:
    """The name of a picture, made of names of a study: a-z, 0-9 and hyphens."""
    return "-".join(part.replace("_", "--") for part in parts)


def plain(value: float, digits: int = 3, *, signed: bool = False) -> str:
    """Such as ``0.812``, or ``+0.042`` with its sign; a dash where it is not known."""
    return "–" if math.isnan(value) else number(value, signed=signed, digits=digits)


def with_interval(of: Estimate, digits: int = 3) -> str:
    """Such as ``+0.042 [−0.011, +0.095]``; without an interval from how many seeds."""
    if math.isnan(of.value):
        return "no runs to compare"
    value, low, high = (plain(each, digits, signed=True) for each in (of.value, of.low, of.high))
    return f"{value}, no interval ({several(of.n_seeds, 'seed')})" if of.why_absent else f"{value} [{low}, {high}]"


def percent(share: float) -> str:
    """As a percentage; never rounded up to 100%, which no probability of a model should look like."""
    return "over 99.9%" if 0.999 < share < 1 else f"{100 * share:.1f}%"


def listed(names: Sequence[str], most: int = 3) -> str:
    """``a, b and 3 more``: the first few of many names."""
    more = [f"{len(names) - most} more"] if len(names) > most else []
    return joined([*names[:most], *more]) if names else "none"


def ends(values: Sequence[float], names: Sequence[str], digits: int = 3) -> str:
    """``from 0.512 (b) to 0.812 (a)``: the lowest and the highest known value; "unknown" without one."""
    known = sorted((value, name) for value, name in zip(values, names, strict=True) if not math.isnan(value))
    if not known:
        return "unknown"
    (least, low), (most, high) = known[0], known[-1]
    return f"from {plain(least, digits)} ({low}) to {plain(most, digits)} ({high})"


@cache
def _known_characters() -> frozenset[int]:
    return frozenset(get_font(findfont(FONT)).get_charmap())
