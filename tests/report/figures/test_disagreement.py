from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from imil_sim.report.figures.disagreement import BROKEN, FIXED, changes_of, disagreement, hits_of, in_order

NAN = np.nan
REFERENCE = np.array([[1, 0, 0, 1, 1], [1, 1, 0, 0, 1], [1, 0, 0, 1, 1]], np.float64)
HITS = np.array([[1, 1, 1, 0, 1], [1, 0, 1, 0, 1], [NAN] * 5], np.float64)
"""Image 0: as before; 1: fixed and broken; 2: fixed twice; 3: broken once; 4: as before. The third run is missing."""


def test_hits_and_changes_by_hand() -> None:
    probabilities = np.array([[[[0.9, 0.1], [0.4, 0.6]], [[NAN, NAN], [NAN, NAN]]]])
    assert hits_of(np.array([0, 0]), probabilities)[0, 0].tolist() == [1, 0]
    assert np.isnan(hits_of(np.array([0, 0]), probabilities)[0, 1]).all()
    changes = changes_of(HITS, REFERENCE)
    assert changes[:2].tolist() == [[0, 1, 1, -1, 0], [0, -1, 1, 0, 0]]
    assert np.isnan(changes[2]).all()
    assert in_order(changes).tolist() == [2, 1, 3]  # sums 2, 0 and -1; those that never changed are left out


def drawn_colours(axes: Any) -> list[list[str]]:
    names = {tuple(np.round(np.multiply(to_rgb(c), 255)).astype(int)): n for c, n in ((FIXED, "+"), (BROKEN, "-"))}
    (image,) = axes.images
    pixels = image.get_array().astype(int)
    return [[names.get(tuple(pixel), ".") for pixel in row] for row in pixels]


def test_one_arm_is_drawn_with_its_counts_at_the_margins(seen: Any) -> None:
    picture = disagreement(
        HITS[None], REFERENCE, ["lesions"], name="d", reference_name="base", ids=list("abcde"), seeds=(3, 4, 5)
    )
    above, axes = seen.figure.axes
    assert drawn_colours(axes) == [["+", "+", "-"], ["+", "-", "."], [".", ".", "."]]
    up, down = (patch.get_data().values.tolist() for patch in above.patches)
    assert (up, down) == ([2, 1, 0], [0, -1, -1])
    for words in ("+2  −1", "+1  −1", "no run", "the 3 of 5 test images"):
        assert words in seen.words
    assert picture.table is not None
    assert picture.table.rows == (("c", 2, 0), ("b", 1, 1), ("d", 0, 1))
    assert "lesions fixes 3 and breaks 2 of 10 answers" in picture.alt


def test_several_arms_are_small_multiples(seen: Any) -> None:
    same = np.where(np.isnan(HITS), NAN, REFERENCE)
    picture = disagreement(
        np.stack([HITS, same]), REFERENCE, ["a", "b"], name="d", reference_name="base", ids=list("abcde"),
        seeds=range(3),
    )  # fmt: skip
    assert len(seen.figure.axes) == 2
    assert "no image changed" in seen.words
    assert "3 of 5 images\nfixed 3, broken 2 times" in seen.words
    assert picture.table is not None
    assert picture.table.rows == (("a", 3, 3, 2, 10), ("b", 0, 0, 0, 10))


def test_more_images_than_pixels_are_averaged_and_none_is_lost(seen: Any) -> None:
    hits, reference = np.zeros((1, 2, 3000)), np.zeros((2, 3000))
    hits[0, 0] = 1
    hits[0, 1, ::2] = 1  # after sorting: the first half fixed by both seeds
    disagreement(hits, reference, ["a"], name="d", reference_name="b", ids=["i"] * 3000, seeds=(0, 1))
    ((image,)) = seen.figure.axes[1].images
    pixels = np.asarray(image.get_array())
    assert pixels.shape[1] <= 900
    dark = (np.abs(pixels.astype(int) - np.round(np.multiply(to_rgb(FIXED), 255))) < 3).all(axis=2).mean(axis=1)
    assert dark == pytest.approx([1, 0.5], abs=0.01)


def test_shapes_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(ValueError, match="2 arms, 3 seeds"):
        disagreement(HITS[None], REFERENCE, ["a", "b"], name="d", reference_name="r", ids=list("abcde"), seeds=range(3))
