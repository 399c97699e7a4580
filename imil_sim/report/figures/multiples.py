"""Small multiples: the same panel again and again, for more arms than one panel could tell apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from imil_sim.report.figures import style

GAP, RIGHT = 0.2, 0.12
"""Inches between panels side by side, and to the right of the last."""
MOST_LINES = 2
"""Of a name."""


@dataclass(frozen=True, slots=True)
class Multiples:
    """A lattice of equal panels with titles; everything in inches. `multiples` makes one."""

    titles: tuple[str, ...]
    """One a panel, broken into lines that fit."""
    columns: int
    width: float
    """Of a panel."""
    height: float
    """Of a panel."""
    title: float
    """Height of a title with what stands below the name."""
    head: float
    """Above the first titles."""
    left: float
    """For the numbers and the label of the outer axis."""
    foot: float
    """Under the last row, for the numbers and the label of its axis."""

    def figure(self) -> Figure:
        """As high as the panels need."""
        rows = -(-len(self.titles) // self.columns)
        return style.blank(self.head + rows * self._row + self.foot)

    def places(self) -> Iterator[tuple[float, float]]:
        """Left and top of every panel."""
        for number in range(len(self.titles)):
            row, column = divmod(number, self.columns)
            yield self.left + column * (self.width + GAP), self.head + row * self._row + self.title

    def head_of(self, figure: Figure, number: int, place: tuple[float, float], below: str = "") -> None:
        """The name above its panel and, right above the frame, what is said of it."""
        told = "\n".join([self.titles[number], *([below] if below else [])])
        style.words(figure, place[0], place[1] - 0.09, told, va="baseline")

    def only_outer_numbers(self, axes: Axes, number: int) -> None:
        """Numbers at the left and at the foot: every panel has the same axes."""
        last = number + self.columns >= len(self.titles)
        axes.tick_params(labelleft=number % self.columns == 0, labelbottom=last)

    @property
    def _row(self) -> float:
        """From the title of a panel to that of the panel below."""
        return self.title + self.height + 0.16


def multiples(
    names: Sequence[str],
    height: float,
    columns: int,
    *,
    below: int = 0,
    head: float = 0.1,
    left: float = 0.55,
    foot: float = 0.5,
) -> Multiples:
    """A lattice of panels of that height under these names; ``below``: lines of text under each name."""
    width = (style.WIDTH - left - RIGHT - (columns - 1) * GAP) / columns
    titles = tuple(style.labels(names, width, lines=MOST_LINES))
    lines = max(title.count("\n") + 1 for title in titles) + below
    return Multiples(titles, columns, width, height, lines * style.LINE + 0.08, head, left, foot)
