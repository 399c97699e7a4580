"""Main effects of a factorial design: contrasts of arms that differ in one factor and agree in the others.

A *block* is a set of arms that agree in every other factor: a mapping from the arm (its place in the components) to its
level. Arms are only ever compared within blocks, so a design with holes, or one that moves a factor at a time, mixes
no factor with another; of a complete design the effects are those of the level means over all arms.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from imil_sim.stats.components import Components
from imil_sim.stats.contrast import Inferences, contrast, inferences
from imil_sim.stats.estimate import LEVEL

Weights = Mapping[int, float]
"""By arm: what its metric counts for in an effect."""


def slope_weights(blocks: Sequence[Mapping[int, float]]) -> dict[int, float]:
    """The least-squares slope over numeric levels, common to all blocks, each with a height of its own.

    Raises:
        ValueError: no block has two different levels, or one is not finite.
    """
    weights: dict[int, float] = defaultdict(float)
    squares = 0.0
    for block in blocks:
        places = np.array(list(block.values()), np.float64)
        if not np.isfinite(places).all():
            raise ValueError(f"the levels of a slope are finite, not {places.tolist()}")
        centred = places - places.mean() if len(places) else places
        squares += float(centred @ centred)
        for arm, step in zip(block, centred.tolist(), strict=True):
            weights[arm] += step
    if not squares > 0:
        raise ValueError("a slope needs at least two different levels in some block")
    return {arm: weight / squares for arm, weight in weights.items()}


def difference_weights(blocks: Sequence[Mapping[int, str]], level: str, other: str) -> dict[int, float]:
    """``level`` minus ``other``, the mean over the blocks that have both; of several arms with a level their mean.

    Raises:
        ValueError: no block has both.
    """
    both = [block for block in blocks if {level, other} <= set(block.values())]
    if not both:
        raise ValueError(f"no two arms differ in {level} and {other} alone")
    weights: dict[int, float] = defaultdict(float)
    for block in both:
        for name, sign in ((level, 1.0), (other, -1.0)):
            arms = [arm for arm, own in block.items() if own == name]
            for arm in arms:
                weights[arm] += sign / (len(arms) * len(both))
    return dict(weights)


def weighted(of: Components, weights: Weights, *, level: float = LEVEL, tested: bool = True) -> Inferences:
    """The three inferences about a weighted sum of arms, paired by seed and by image.

    Args:
        of: the components of all arms.
        weights: by arm.
        level: coverage of the intervals, in (0, 1).
        tested: whether 0 is a hypothesis; without, the estimates have no p.
    """
    return inferences(contrast(of, weights), level=level, tested=tested)
