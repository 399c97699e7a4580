"""How every figure looks, and how it becomes bytes: settings, colours, words that fit, layout in inches.

Figures are drawn with matplotlib's objects on its shipped defaults plus a few settings of our own, so that neither a
user's settings nor another figure of the same program can move a pixel. Names come from outside: they are drawn as
plain text, cut to the room there is.
"""

from __future__ import annotations

import io
import math
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Literal, NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from PIL import Image

from imil_sim.report.document import Picture, Table

FONT, MONOSPACED = "DejaVu Sans", "DejaVu Sans Mono"
"""They come with matplotlib, so a figure looks the same everywhere."""
DPI = 120
"""Pixels an inch of a PNG."""
WIDTH = 7.5
"""Of a figure, in inches: what a page of A4 or Letter holds, and 900 pixels."""
SIZE = 8.0
"""Points of text; nothing is smaller."""
LINE = 0.155
"""Inches from one line of such text to the next."""
MOST_COLOURS = 8
"""So many arms can be told apart in one panel; with more, each gets a panel of its own."""
ELLIPSIS = "…"

DARK, MIDDLE, LIGHT, PALE = "#000000", "#666666", "#b0b0b0", "#e4e4e4"
"""Grays: of text and marks, of what stands behind them, of guides, of bands."""
ACCENT = "#0072b2"
"""Of what a figure is about; darker than `CONTRAST`, so that the two differ in gray too."""
CONTRAST = "#f0a04b"

_SETTINGS: dict[Any, Any] = {
    "text.parse_math": False,  # a name with two dollar signs is a name
    "svg.fonttype": "path",  # text would be set in whatever font the reader has, at other widths
    "svg.hashsalt": "imil-sim",  # ids in the file, otherwise drawn by chance
    "font.family": FONT,
    "font.size": SIZE,
    "axes.titlesize": SIZE,
    "axes.labelsize": SIZE,
    "xtick.labelsize": SIZE,
    "ytick.labelsize": SIZE,
    "legend.fontsize": SIZE,
    "axes.linewidth": 0.6,
    "axes.edgecolor": MIDDLE,
    "xtick.labelcolor": DARK,
    "ytick.labelcolor": DARK,
    "xtick.color": MIDDLE,
    "ytick.color": MIDDLE,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 3.0,
    "ytick.major.size": 3.0,
    "hatch.linewidth": 0.5,
}


Dashes = Literal["-"] | tuple[float, tuple[float, ...]]
"""A line style as matplotlib takes it: solid, or an offset and lengths on and off, in line widths."""


class Look(NamedTuple):
    """What one of several arms in a panel is drawn with: colour, dashes and marker each tell it apart."""

    colour: str
    dashes: Dashes
    marker: str


LOOKS = (
    Look("#000000", "-", "o"),
    Look("#0072b2", (0, (5, 1.5)), "s"),
    Look("#d55e00", (0, (1.2, 1.2)), "^"),
    Look("#009e73", (0, (6, 1.5, 1.2, 1.5)), "D"),
    Look("#cc79a7", (0, (3, 1, 1, 1, 1, 1)), "v"),
    Look("#e69f00", (0, (9, 2)), "P"),
    Look("#56b4e9", (0, (2.5, 1.2)), "X"),
    Look("#882255", (0, (9, 1.5, 2.5, 1.5)), "p"),
)
"""The palette of Okabe and Ito (2008); wine of Tol's palette in place of their yellow, which no line on white shows."""


# ------------------------------------------------------------------------------------------------ settings and bytes


@contextmanager
def own_settings() -> Iterator[None]:
    """Our settings over matplotlib's shipped ones (a user's usetex would run LaTeX on a name); undone afterwards."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        yield


def png_of(figure: Figure, *, exact: bool = True) -> bytes:
    """The figure as PNG at its own resolution; equal figures give equal bytes, without date or program name.

    Unless ``exact``, in 256 colours of its own, which a drawing does not show and which weigh a third; images keep all.
    """
    content, pixels = io.BytesIO(), io.BytesIO()
    with own_settings():
        figure.savefig(pixels, format="rgba", dpi=figure.dpi)
    drawn = Image.frombytes("RGBA", figure.canvas.get_width_height(), pixels.getvalue()).convert("RGB")
    shown = drawn if exact else drawn.quantize(256, method=Image.Quantize.MEDIANCUT)
    shown.save(content, format="png", optimize=True, dpi=(figure.dpi, figure.dpi))
    return content.getvalue()


def svg_of(figure: Figure) -> bytes:
    """The figure as SVG, its letters as outlines; equal figures give equal bytes, without date or program name."""
    content = io.BytesIO()
    silent = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with own_settings():
        figure.savefig(content, format="svg", dpi=2 * DPI, metadata=silent)
    return content.getvalue()


def picture_of(
    figure: Figure, *, name: str, caption: str, alt: str, table: Table | None = None, vector: bool = True
) -> Picture:
    """The drawn figure as a `Picture`; ``vector``: as SVG too, which is right for anything but images."""
    return Picture(name, caption, alt, png_of(figure, exact=not vector), svg_of(figure) if vector else None, table)


# ------------------------------------------------------------------------------------------------------------ layout


def blank(height: float, width: float = WIDTH) -> Figure:
    """An empty white figure of so many inches."""
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def panel(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes whose frame lies there: inches from the left and from the top of the figure."""
    whole_width, whole_height = figure.get_size_inches()
    box = (left / whole_width, 1 - (top + height) / whole_height, width / whole_width, height / whole_height)
    # The label keeps matplotlib from taking two panels in one place for the same.
    axes: Axes = figure.add_axes(box, label=str(len(figure.axes)))
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def words(figure: Figure, left: float, top: float, text: str, **properties: Any) -> None:
    """Text of the usual size whose upper left corner lies there: inches from the left and the top of the figure."""
    width, height = figure.get_size_inches()
    placed: dict[str, Any] = {"ha": "left", "va": "top", "linespacing": 1.25}
    figure.text(left / width, 1 - top / height, text, **(placed | properties))


# ------------------------------------------------------------------------------------------------------------- words


def printable(text: str, family: str = FONT) -> str:
    """The text without line breaks and control characters, and with a replacement mark for what the font lacks."""
    known = _known_characters(family)
    composed = unicodedata.normalize("NFC", " ".join(text.split()))
    return "".join(c if ord(c) in known and c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in composed)


def breadth(text: str, size: float = SIZE) -> float:
    """Width of one line of text in inches: the sum of its letters, which pairs of letters only make narrower."""
    return sum(map(_advance, text)) * size / 72


def shortened(text: str, inches: float, size: float = SIZE) -> str:
    """The printable text, cut in its middle to fit: names of a family share their beginning and differ at their end."""
    return _cut(printable(text), inches, size)


def labels(names: Sequence[str], inches: float, *, lines: int = 1, size: float = SIZE) -> list[str]:
    """Every name in at most so many lines of so many inches, broken where it has a joint, cut in the middle.

    Names that come out equal are numbered by their place, from 1.
    """
    shown = [_broken(printable(name), inches, lines, size) for name in names]
    return [
        label if shown.count(label) == 1 else _broken(f"{place}: {printable(name)}", inches, lines, size)
        for place, (name, label) in enumerate(zip(names, shown, strict=True), start=1)
    ]


def signed(value: float, digits: int = 3) -> str:
    """With its sign, ``+0.042``; a dash where it is not known."""
    if math.isnan(value):
        return "–"
    told = f"{abs(value):.{digits}f}"
    return told if float(told) == 0 else f"{'+' if value > 0 else '−'}{told}"


def plain(value: float, digits: int = 3) -> str:
    """Such as ``0.812``; a dash where it is not known."""
    return signed(value, digits).removeprefix("+")


def interval(low: float, high: float, digits: int = 3) -> str:
    """Such as ``[−0.011, +0.095]``."""
    return f"[{signed(low, digits)}, {signed(high, digits)}]"


def p_value(p: float) -> str:
    """Such as ``0.032`` or ``< 0.001``; a dash where nothing was tested."""
    return "< 0.001" if p < 0.0005 else plain(p)


def percent(share: float) -> str:
    """As a percentage; never rounded up to 100%, which no probability of a model should look like."""
    return "over 99.9%" if 0.999 < share < 1 else f"{100 * share:.1f}%"


def counted(number: int, noun: str) -> str:
    """``1 seed``, ``2 seeds``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def listed(names: Sequence[str], most: int = 3) -> str:
    """``a, b and 3 more``: the first few of many names."""
    if len(names) <= most:
        return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else "none"
    return f"{', '.join(names[:most])} and {len(names) - most} more"


def apart(places: Sequence[float], texts: Sequence[str], scale: Callable[[float], float]) -> list[str]:
    """The texts along an axis, emptied where they would touch the one before; the last stays.

    Args:
        places: ascending.
        texts: one a place.
        scale: from a place to inches along the axis.
    """
    kept = [""] * len(texts)
    free = math.inf
    for number in reversed(range(len(texts))):
        middle, half = scale(places[number]), breadth(texts[number]) / 2
        if middle + half < free:
            kept[number], free = texts[number], middle - half - 0.05
    return kept


_JOINTS = " -@,=_+."


def _broken(text: str, inches: float, lines: int, size: float) -> str:
    done: list[str] = []
    while len(done) < lines - 1 and breadth(text, size) > inches:
        fits = 1
        while breadth(text[: fits + 1], size) <= inches:
            fits += 1
        joint = max(text.rfind(mark, 0, fits) for mark in _JOINTS) + 1
        at = joint if joint > fits // 2 else fits
        done.append(text[:at].rstrip(" "))
        text = text[at:].lstrip(" ")
    return "\n".join([*done, _cut(text, inches, size)])


def _cut(text: str, inches: float, size: float) -> str:
    if breadth(text, size) <= inches:
        return text
    room, kept = inches - breadth(ELLIPSIS, size), 0
    while breadth(text[: kept + 1 - (kept + 1) // 2] + text[len(text) - (kept + 1) // 2 :], size) <= room:
        kept += 1
    return text[: kept - kept // 2] + ELLIPSIS + text[len(text) - kept // 2 :]


@cache
def _advance(letter: str) -> float:
    """Of one letter, in multiples of the size."""
    font = get_font(findfont(FONT))
    font.set_size(72, 72)
    return float(font.load_char(ord(letter)).linearHoriAdvance) / 65536 / 72


@cache
def _known_characters(family: str) -> frozenset[int]:
    return frozenset(get_font(findfont(family)).get_charmap())
