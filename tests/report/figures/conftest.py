"""Every figure of a small study, and an eye on what matplotlib draws."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from imil_sim.feedback.grid import Grid
from imil_sim.report.document import Picture
from imil_sim.report.figures import style
from imil_sim.report.figures.forest import forest
from imil_sim.report.figures.images import HeatMaps, SideBySide, augmentations, cam_panels
from imil_sim.report.figures.interactions import Sample, Sheet, interactions
from imil_sim.report.figures.overlap import overlap
from imil_sim.report.figures.predictions import disagreement, hits_of, reliability, roc
from imil_sim.report.figures.strips import attention, seeds
from imil_sim.report.readers import ReaderAgreement
from imil_sim.stats import compare, components_of

Draw = Callable[[str, Sequence[str]], Picture]

SEEDS, IMAGES = 6, 24


@pytest.fixture(autouse=True)
def _undrawn() -> None:
    """Here figures are drawn."""


@dataclass
class Seen:
    """What the last PNG was made of."""

    figures: list[Figure] = field(default_factory=list)
    texts: list[tuple[str, Bbox, float]] = field(default_factory=list)
    """Text, where it lies in pixels, and its size in points, of everything drawn."""

    @property
    def figure(self) -> Figure:
        return self.figures[-1]

    @property
    def words(self) -> str:
        return "\n".join(text for text, _, _ in self.texts)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """Fills while figures are drawn as PNG; they are not drawn as SVG, to save time."""
    of = Seen()
    draw = Text.draw

    def watch(text: Text, renderer: Any, *rest: Any, **others: Any) -> None:
        draw(text, renderer, *rest, **others)
        if text.get_visible() and text.get_text():
            of.texts.append((text.get_text(), text.get_window_extent(renderer), float(text.get_fontsize())))

    def png_of(figure: Figure, *, exact: bool = True) -> bytes:
        of.texts.clear()
        of.figures.append(figure)
        return png(figure, exact=exact)

    png = style.png_of
    monkeypatch.setattr(Text, "draw", watch)
    monkeypatch.setattr(style, "png_of", png_of)
    monkeypatch.setattr(style, "svg_of", lambda figure: b"")
    return of


@pytest.fixture(scope="session")
def draw() -> Draw:
    """Draws the figure of that name for these arms."""
    return _draw


def _draw(name: str, arms: Sequence[str]) -> Picture:
    n = len(arms)
    rng = np.random.default_rng(7)
    labels = (np.arange(IMAGES) % 2).astype(np.int64)
    logits = (2 * labels - 1) * np.linspace(0.5, 1.5, n)[:, None, None] + rng.normal(0, 1.2, (n, SEEDS, IMAGES))
    positive = 1 / (1 + np.exp(-logits))
    positive[1, 2] = np.nan  # a run that is missing
    probabilities = np.stack([1 - positive, positive], axis=-1)
    components = components_of("auroc", labels, probabilities)
    comparisons = compare(components, [(arm, 0) for arm in range(1, n)])
    hits = hits_of(labels, probabilities)
    image = np.tile(np.arange(0, 240, 5, dtype=np.uint8), (48, 1))
    samples = [
        Sample(i, image, image / np.float32(255), Grid(4, 4), np.eye(4, dtype=bool), image // 2, i, i, 0.93, i, i)
        for i in arms[:3]
    ]
    dice = np.clip(np.eye(n) + 0.25, 0, 1)
    dice[0, 1] = dice[1, 0] = np.nan
    two = ("image-1", arms[-1])
    looks = pd.DataFrame(itertools.product(arms, range(SEEDS)), columns=["arm", "seed"])
    looks["attention_ratio"], looks["pointing"] = 1 + rng.random(len(looks)), 0.5
    looks.loc[::5, "pointing"] = np.nan
    values = pd.DataFrame(components.values, pd.Index(arms), pd.Index(range(SEEDS)))
    made: dict[str, Callable[[], Picture]] = {
        "forest-auroc": lambda: forest(comparisons, arms, placebo=comparisons[-1].a, margin=0.02),
        "seeds-auroc": lambda: seeds(values, "auroc", arms[0]),
        "roc": lambda: roc(labels == 1, positive, arms, 0),
        "reliability-top-label": lambda: reliability(labels, probabilities, arms, "top-label"),
        "disagreement": lambda: disagreement(hits, arms, 0, [f"{i}" for i in range(IMAGES)]),
        "images": lambda: augmentations(
            SideBySide(two, ("TB", ""), tuple(arms), np.stack([np.tile(image // 2, (n, 1, 1))] * 2))
        ),
        "cams": lambda: cam_panels(
            HeatMaps(
                two, ("TB", "TB"), tuple(arms), np.stack([image] * 2), np.tile(image.T, (2, n, 1, 1)),
                [["TB"] * (n - 1) + ["normal"]] * 2, np.full((2, n), 0.9995),
            )
        ),
        "interactions-a": lambda: interactions(Sheet("a", tuple(samples))),
        "attention": lambda: attention(looks, arms),
        "overlap": lambda: overlap(ReaderAgreement(tuple(arms), np.full((n, n), 9), dice, dice, 9, 0.5)),
    }  # fmt: skip
    return made[name]()
