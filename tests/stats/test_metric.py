"""A metric is one declared object: a guest's, once installed, is compared, listed and judged the right way up."""

from __future__ import annotations

import math
import re
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imil_sim import registry
from imil_sim.errors import PartError
from imil_sim.stats import Metric, compare, components_of, jackknifed, metric_named, metric_names, summarise
from imil_sim.stats.metric import Floats, Labels
from imil_sim.stats.metrics import auroc, brier
from imil_sim.study import check
from imil_sim.study.check import parse_expectation

LABELS = np.arange(24) % 2


def _margins(labels: Labels, probabilities: Floats) -> Floats:
    """(..., images): the probability of the true class minus that of the other, in [-1, 1]."""
    picked = probabilities[..., 1] - probabilities[..., 0]
    return np.asarray(np.where(labels == 1, picked, -picked))


def _rmse(labels: Labels, probabilities: Floats) -> float:
    return math.sqrt(brier(labels, probabilities))


MARGIN = Metric(
    name="margin", label="margin of the true class", higher_is_better=True, low=-1.0,
    value=lambda labels, shown: float(_margins(labels, shown).mean()), per_image=_margins,
)  # fmt: skip
RMSE = Metric(
    name="rmse", label="RMSE", higher_is_better=False, value=_rmse, pseudovalues=jackknifed(_rmse), high=math.inf
)  # fmt: skip
SPREAD = Metric(
    name="spread_of_scores", label="spread of the scores", higher_is_better=True,
    value=lambda labels, shown: float(shown[:, 1].std()),
)  # fmt: skip
GUESTS = {metric.name: metric for metric in (MARGIN, RMSE, SPREAD)}


@pytest.fixture
def guests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three made-up metrics, installed beside ours."""
    entries = [EntryPoint(name, f"{__name__}:{name.split('_')[0].upper()}", "imil_sim.metrics") for name in GUESTS]
    ours = registry._entries
    monkeypatch.setattr(registry, "_entries", lambda kind: (*ours(kind), *(entries if kind == "metrics" else [])))


def shown(skills: list[float], seeds: int = 6) -> Floats:
    """(arms, seeds, images, 2): probabilities that separate the classes the better, the larger the skill."""
    rng = np.random.default_rng(8)
    noise = rng.normal(0, 1, (1, seeds, len(LABELS))) + rng.normal(0, 0.3, (len(skills), seeds, len(LABELS)))
    latent = noise + np.array(skills)[:, None, None] * (2 * LABELS - 1)
    positive = 1 / (1 + np.exp(-latent))
    return np.stack([1 - positive, positive], axis=-1)


@pytest.mark.usefixtures("guests")
def test_guests_follow_our_metrics_with_the_primary_one_first() -> None:
    assert metric_names() == (
        "auroc", "accuracy", "brier", "ece_top_label", "ece_positive", "margin", "rmse", "spread_of_scores",
    )  # fmt: skip
    assert set(metric_names(compared=False)) - set(metric_names()) == {"nll", "sensitivity", "specificity"}


@pytest.mark.usefixtures("guests")
@pytest.mark.parametrize("name", GUESTS)
def test_a_guests_metric_is_compared_like_ours_and_the_right_way_up(name: str) -> None:
    predictions = shown([0.2, 1.5])
    of = components_of(name, LABELS, predictions)
    expected = [[GUESTS[name].value(LABELS, run) for run in arm] for arm in predictions]
    np.testing.assert_allclose(of.values, expected, rtol=1e-12)
    (found,) = compare(of, [(1, 0)])
    assert found.p_superior == 1.0  # the more skilful arm, whichever way the metric counts
    assert metric_named(name).is_better(found.primary.value)
    assert found.primary is (found.b if name == "spread_of_scores" else found.a)
    assert (found.p_adjusted, found.primary.why_absent) == (found.primary.p, "")
    assert bool(found.a.why_absent) == bool(found.c.why_absent) == (name == "spread_of_scores")
    assert summarise(of, 1).mean == pytest.approx(np.mean(expected[1]))


@pytest.mark.usefixtures("guests")
def test_the_jackknife_of_a_mean_is_the_covariance_of_its_values_by_image() -> None:
    run = shown([1.0], seeds=1)[0]
    found = jackknifed(brier)(LABELS, run)
    np.testing.assert_allclose(found, metric_named("brier").per_image(LABELS, run), atol=1e-12)  # type: ignore[misc]
    smooth = jackknifed(auroc)(LABELS, run)
    assert smooth.var() == pytest.approx(components_of("auroc", LABELS, run[None]).parts.var(), rel=0.1)  # type: ignore[union-attr]


@pytest.mark.usefixtures("guests")
def test_margins_and_expectations_know_a_guests_metric_and_its_better_side() -> None:
    assert parse_expectation("a > b on margin").metric == "margin"
    assert check.higher_is_better("margin")
    assert not check.higher_is_better("rmse")
    with pytest.raises(ValueError, match='"rmse"'):
        parse_expectation("a > b on rmes")


def test_a_part_that_is_no_metric_of_its_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = EntryPoint("auc", "imil_sim.stats.metrics.auroc:AUROC", "imil_sim.metrics")
    monkeypatch.setattr(registry, "_entries", lambda kind: (wrong,))
    with pytest.raises(PartError, match='names the metric "auroc"'):
        metric_named("auc")


def test_a_metric_declares_one_way_to_vary_across_images() -> None:
    with pytest.raises(ValueError, match="not both"):
        Metric(name="x", label="x", higher_is_better=True, value=_rmse, per_image=_margins, pseudovalues=_margins)
    with pytest.raises(ValueError, match="needs them per image"):
        Metric(name="x", label="x", higher_is_better=True, value=_rmse, hits=True)


def test_the_example_of_the_documentation_declares_a_metric() -> None:
    page = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
    names: dict[str, Any] = {}
    exec(re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0], names)
    predictions = shown([1.0], seeds=1)[0]
    assert names["MARGIN"].value(LABELS, predictions[0]) == pytest.approx(MARGIN.value(LABELS, predictions[0]))
    np.testing.assert_array_equal(names["MARGIN"].per_image(LABELS, predictions), _margins(LABELS, predictions))
