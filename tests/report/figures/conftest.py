"""Every figure of a small study, and an eye on what matplotlib draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from imil_sim.feedback.grid import Grid
from imil_sim.report.document import Picture
from imil_sim.report.figures import style
from imil_sim.report.figures.attention import CamRow, attention, cam_panels
from imil_sim.report.figures.disagreement import disagreement, hits_of
from imil_sim.report.figures.forest import forest
from imil_sim.report.figures.images import augmentations
from imil_sim.report.figures.interactions import Sample, interactions
from imil_sim.report.figures.overlap import overlap
from imil_sim.report.figures.reliability import reliability
from imil_sim.report.figures.roc import roc
from imil_sim.report.figures.seeds import seeds
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
    cams = [
        CamRow(i, "TB", image, np.tile(image.T, (n, 1, 1)), ("TB",) * (n - 1) + ("normal",), (0.9995,) * n)
        for i in ("image-1", arms[-1])
    ]
    samples = [
        Sample(i, image, image / np.float32(255), Grid(4, 4), np.eye(4, dtype=bool), image // 2, i, i, 0.93, i, i)
        for i in arms[:3]
    ]
    dice = np.clip(np.eye(n) + 0.25, 0, 1)
    dice[0, 1] = dice[1, 0] = np.nan
    made: dict[str, Callable[[], Picture]] = {
        "forest": lambda: forest(comparisons, arms, name=name, placebo=comparisons[-1].a, margin=0.02),
        "seeds": lambda: seeds(components.values, arms, "auroc", name=name, reference=0, numbers=range(SEEDS)),
        "roc": lambda: roc(labels, positive, arms, name=name, reference=0),
        "reliability": lambda: reliability(labels, probabilities, arms, name=name),
        "disagreement": lambda: disagreement(
            hits[1:], hits[0], arms[1:], name=name, reference_name=arms[0], ids=[f"{i}" for i in range(IMAGES)],
            seeds=range(SEEDS),
        ),
        "augmentations": lambda: augmentations(
            np.stack([np.tile(image // 2, (n, 1, 1))] * 2), arms, ["image-1", arms[-1]], name=name, notes=["TB", ""]
        ),
        "cam-panels": lambda: cam_panels(cams, arms, name=name),
        "interactions": lambda: interactions(samples, name=name, arm=arms[0]),
        "attention": lambda: attention(
            1 + rng.random((n, SEEDS)), np.where(rng.random((n, SEEDS)) < 0.2, np.nan, 0.5), arms, name=name
        ),
        "overlap": lambda: overlap(dice, arms, name=name),
    }  # fmt: skip
    return made[name]()
