from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from imil_sim.feedback.fill import Brightness, Surroundings, blackout, brightness, guided
from imil_sim.registry import names
from imil_sim.study.spec import FeedbackSpec

IMAGE = np.random.default_rng(0).integers(0, 256, (64, 48), dtype=np.uint8)
OTHER = np.random.default_rng(1).integers(0, 256, (64, 48), dtype=np.uint8)
KEEP = np.zeros((64, 48), dtype=np.bool_)
KEEP[:16, :12] = True
AROUND = Surroundings(lambda: Brightness(100.4, 10.0), lambda rng: OTHER)


def made(fill: str, seed: int = 0) -> NDArray[np.uint8]:
    return guided(fill, IMAGE, KEEP, AROUND, np.random.default_rng(seed))


@pytest.mark.parametrize("fill", names("fills"))
def test_what_was_chosen_stays_what_was_not_goes_and_nothing_else_is_touched(fill: str) -> None:
    before = IMAGE.copy(), OTHER.copy(), KEEP.copy()
    image = made(fill)
    assert (image.dtype, image.shape) == (np.uint8, IMAGE.shape)
    assert (image[KEEP] == IMAGE[KEEP]).all()
    assert (image[~KEEP] != IMAGE[~KEEP]).mean() > 0.9
    assert all((now == then).all() for now, then in zip((IMAGE, OTHER, KEEP), before, strict=True))
    assert image.tobytes() == made(fill).tobytes()
    assert (made(fill, seed=1).tobytes() != image.tobytes()) == (fill == "noise")


def test_the_fills_worked_out_by_hand() -> None:
    assert (made("black") == blackout(IMAGE, KEEP)).all()
    assert (made("mean")[~KEEP] == 100).all()
    assert (made("guided-cutmix")[~KEEP] == OTHER[~KEEP]).all()
    halves = np.rint((IMAGE.astype(float) + OTHER) / 2)[~KEEP]
    assert (made("guided-mixup")[~KEEP] == halves).all()


def test_noise_has_the_brightness_of_the_set() -> None:
    grey = made("noise")[~KEEP].astype(float)
    assert grey.mean() == pytest.approx(100.4, abs=0.8)
    assert grey.std() == pytest.approx(10.0, abs=0.6)


def test_blur_keeps_the_brightness_and_takes_the_detail() -> None:
    grey = made("blur")[~KEEP].astype(float)
    assert grey.mean() == pytest.approx(IMAGE.mean(), abs=5)
    assert grey.std() < IMAGE.std() / 5


def test_brightness_is_that_of_all_pixels_together() -> None:
    found = brightness(np.stack([IMAGE, OTHER]))
    both = np.stack([IMAGE, OTHER]).astype(float)
    assert found == pytest.approx((both.mean(), both.std()))


def test_only_what_is_needed_is_worked_out() -> None:
    def never(*_: object) -> None:
        raise AssertionError

    lazy = Surroundings(never, never)
    for fill in ("black", "blur"):
        found = guided(fill, IMAGE, KEEP, lazy, np.random.default_rng(0))
        assert (found[KEEP] == IMAGE[KEEP]).all()
        assert (found[~KEEP] != IMAGE[~KEEP]).any()
    with pytest.raises(AssertionError):  # where the set's brightness is needed it is asked for
        guided("noise", IMAGE, KEEP, lazy, np.random.default_rng(0))


def test_a_study_can_name_every_fill() -> None:
    assert FeedbackSpec.model_json_schema()["properties"]["fill"]["enum"] == list(names("fills"))
