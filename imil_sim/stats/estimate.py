"""An estimate: a value with its interval, what is random in that interval, and the reason where there is none."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

from scipy.special import stdtr, stdtrit

RandomFactors = Literal["seeds and patients", "seeds", "patients", "seeds and splits"]
"""What would be drawn anew if the study were repeated, as the interval sees it."""

LEVEL = 0.95
"""Coverage of every interval."""


class Bounds(NamedTuple):
    """Where the estimand can lie; an interval is cut there, which costs no coverage."""

    low: float = -math.inf
    high: float = math.inf


ANYWHERE = Bounds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A value, and an interval or the reason why there is none: an unknown uncertainty is not zero."""

    value: float
    """NaN where there is no observation."""
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan
    """Two-sided, of the hypothesis that the true value is 0; NaN where nothing is tested."""
    se: float = math.nan
    """Standard error of the value."""
    df: float = math.nan
    """Degrees of freedom of its t distribution; infinite for a normal one."""
    random_factors: RandomFactors
    method: str
    n_seeds: int
    """Seeds that entered: those with a run of every arm concerned."""
    n_images: int
    """Test images; 0 where the estimate is made of numbers, not of images."""
    level: ClassVar[float] = LEVEL
    why_absent: str = ""
    """Why there is no interval; empty where there is one."""
    warnings: tuple[str, ...] = ()
    """What a reader must know before believing the interval."""

    def __post_init__(self) -> None:
        if bool(self.why_absent) != math.isnan(self.low) or math.isnan(self.low) != math.isnan(self.high):
            raise ValueError(f"an estimate has an interval or a reason, not both or neither: {self!r}")

    @property
    def statistic(self) -> float:
        """The value in standard errors: t, or z with infinite degrees of freedom; its square is the F of two arms."""
        if self.se > 0:
            return self.value / self.se
        return 0.0 if self.value == 0 else math.nan


def estimated(
    value: float,
    se: float,
    df: float,
    *,
    random_factors: RandomFactors,
    method: str,
    n_seeds: int,
    n_images: int,
    bounds: Bounds = ANYWHERE,
    resolution: float = 0.0,
    warnings: tuple[str, ...] = (),
) -> Estimate:
    """The estimate with the interval value -+ t se, cut at ``bounds``, and the p of the hypothesis that it is 0.

    A standard error of at most ``resolution`` is rounding. It means that nothing varied, not that all is certain:
    there is no interval then, and p is 1 where the value is 0 too.
    """
    if se <= resolution:
        same = abs(value) <= resolution
        return Estimate(
            value=0.0 if same else value, p=1.0 if same else math.nan, se=0.0, df=df,
            random_factors=random_factors, method=method, n_seeds=n_seeds, n_images=n_images,
            why_absent="nothing varied, so the standard error is estimated as 0, which is no certainty",
            warnings=warnings,
        )  # fmt: skip
    reach = float(stdtrit(df, (1 + LEVEL) / 2)) * se
    return Estimate(
        value=value, low=min(max(value - reach, bounds.low), bounds.high),
        high=max(min(value + reach, bounds.high), bounds.low), p=2 * float(stdtr(df, -abs(value) / se)), se=se, df=df,
        random_factors=random_factors, method=method, n_seeds=n_seeds, n_images=n_images, warnings=warnings,
    )  # fmt: skip
