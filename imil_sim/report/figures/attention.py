"""Attention: whether the models of an arm look into the lungs and at the lesion, and their maps of the same images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imil_sim.report.document import Cell, Column, Picture, Table
from imil_sim.report.figures import style
from imil_sim.report.figures.images import draw_image, heated, left_out, sheet
from imil_sim.report.figures.seeds import strips
from imil_sim.report.parts import FigurePart, ReportData

NAME = "attention"
"""Of the part; its data are one `CamRows`, see `ReportData.shown`."""


@dataclass(frozen=True, slots=True, eq=False)
class CamRow:
    """One test image and what every arm says of it."""

    image_id: str
    true_name: str
    image: NDArray[np.uint8]
    """(height, width)."""
    cams: NDArray[np.uint8]
    """(arms, height, width), 0 to 255: the Grad-CAM of the predicted class."""
    predicted: tuple[str, ...]
    """By arm, the name of the predicted class."""
    confidence: tuple[float, ...]
    """By arm, the probability given to it, in [0, 1]."""

    def __post_init__(self) -> None:
        if self.cams.shape[1:] != self.image.shape or not len(self.cams) == len(self.predicted) == len(self.confidence):
            raise ValueError(
                f"{self.image_id}: maps {self.cams.shape} do not go with an image {self.image.shape}, "
                f"{len(self.predicted)} predictions and {len(self.confidence)} confidences"
            )


@dataclass(frozen=True, slots=True)
class CamRows:
    """The same test images under the map of each arm."""

    arms: tuple[str, ...]
    rows: tuple[CamRow, ...]


def _draw(data: ReportData) -> Iterator[Picture]:
    analysis = data.analysis
    if data.main is not None:
        table = data.frames["main"].set_index(["arm", "seed"])
        found = [
            table[column]
            .unstack()
            .reindex(index=list(analysis.arms), columns=list(analysis.seeds))
            .to_numpy(np.float64)
            for column in ("attention_ratio", "pointing")
        ]
        if not all(np.isnan(of).all() for of in found):
            yield attention(found[0], found[1], analysis.arms, name="attention")
    for shown in data.shown.get(NAME, ()):
        yield cam_panels(shown.rows, shown.arms, name="cams")


PART = FigurePart("attention", _draw)


def attention(ratios: NDArray[np.float64], pointing: NDArray[np.float64], arms: Sequence[str], *, name: str) -> Picture:
    """Two strips of dots, one a seed: the CAM's share in the lung over the lung's share, and the pointing game.

    Args:
        ratios: (arms, seeds); 1 for a map without aim; NaN where it is not known.
        pointing: (arms, seeds), share of hits in [0, 1]; NaN where no lesion is known.
        arms: their names.
        name: of the picture, a-z, 0-9 and hyphens.

    Raises:
        ValueError: the shapes do not go together.
    """
    if ratios.shape != pointing.shape or len(ratios) != len(arms):
        raise ValueError(f"{ratios.shape} and {pointing.shape} do not go together as values of {len(arms)} arms")
    known = [(of, label) for of, label in zip((ratios, pointing), _LABELS, strict=True) if not np.isnan(of).all()]
    with style.own_settings():
        figure, panels = style.panels(max(len(known), 1), max(len(known), 1), 0.32 * len(arms) + 0.6, sharey=True)
        for axes, (of, label) in zip(panels, known, strict=True):
            strips(axes, of)
            axes.set_xlabel(label)
            if of is ratios:
                axes.axvline(1, color=style.DARK, linewidth=0.8, zorder=0.5)
        panels[0].set_yticks(range(len(arms)), style.arm_labels(arms))
        found = [f"{what} {style.ends(style.means_of(of).tolist(), arms, 2)}"
                 for what, of in (("ratio in the lung", ratios), ("lesions hit", pointing))]  # fmt: skip
        return style.picture_of(
            figure, name=name,
            caption="Attention by seed (circles; diamonds are means). Share of the Grad-CAM in the lung over the "
            "lung's share of the image, 1 for a map without aim; and how often the map's maximum lies in a lesion.",
            alt=f"Attention of {style.counted(len(arms), 'arm')}, means: {'; '.join(found)}.",
            table=_table(name, arms, ratios, pointing),
        )  # fmt: skip


_LABELS = ("map in the lung / lung in the image", "share of lesions hit")


def cam_panels(rows: Sequence[CamRow], arms: Sequence[str], *, name: str) -> Picture:
    """One column a test image: the image, then it under the map of each arm with the prediction below.

    More than `style.MOST_ARMS` arms are not shown, and the caption says how many. As in figure 4 of Rao et al. (2024).

    Args:
        rows: the images.
        arms: their names.
        name: of the picture, a-z, 0-9 and hyphens.

    Raises:
        ValueError: there is no image, or an image has maps of other arms.
    """
    if wrong := [row.image_id for row in rows if len(row.predicted) != len(arms)]:
        raise ValueError(f"{style.listed(wrong)}: {len(arms)} arms need a map each")
    shown = arms[: style.MOST_ARMS]
    right = [
        f"{arm} {sum(row.predicted[place] == row.true_name for row in rows)} of {len(rows)}"
        for place, arm in enumerate(shown)
    ]
    with style.own_settings():
        figure, tiles = sheet(["image", *shown], [f"{row.image_id}\ntrue: {row.true_name}" for row in rows], side=1.3)
        for column, of in enumerate(rows):
            draw_image(tiles[0, column], of.image)
            for place in range(len(shown)):
                axes = tiles[place + 1, column]
                draw_image(axes, of.image)
                axes.imshow(heated(of.cams[place] / 255), interpolation="auto")
                wrong_mark = "" if of.predicted[place] == of.true_name else "✗ "
                axes.set_xlabel(f"{wrong_mark}{style.wrapped(of.predicted[place], 10, 1)} "
                                f"{style.percent(of.confidence[place])}")  # fmt: skip
        style.scale(figure, tiles, 0, 1, "Grad-CAM of the predicted class", location="bottom", ticks=(0, 0.5, 1))
        return style.picture_of(
            figure, name=name, vector=False,
            caption="Where the model of each arm looked on the same test images, and what it predicted; ✗ marks an "
            f"error.{left_out(shown, arms)}",
            alt=f"Heat maps over {style.counted(len(rows), 'test image')}; right: {style.listed(right)}.",
        )  # fmt: skip


def _table(name: str, arms: Sequence[str], ratios: NDArray[np.float64], pointing: NDArray[np.float64]) -> Table:
    columns = (
        Column("arm"), Column("mean ratio in the lung", 3), Column("lowest", 3), Column("highest", 3),
        Column("mean share of lesions hit", 3), Column("lowest", 3), Column("highest", 3), Column("seeds"),
    )  # fmt: skip
    rows: list[tuple[Cell, ...]] = [
        (arm, *_summary(ratio), *_summary(hits), int((~np.isnan(ratio) | ~np.isnan(hits)).sum()))
        for arm, ratio, hits in zip(arms, ratios, pointing, strict=True)
    ]
    return Table(f"{name}-data", "Attention by arm", columns, tuple(rows))


def _summary(values: NDArray[np.float64]) -> tuple[float | None, float | None, float | None]:
    known = values[~np.isnan(values)]
    return (float(known.mean()), float(known.min()), float(known.max())) if len(known) else (None, None, None)
