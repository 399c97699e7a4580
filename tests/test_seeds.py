"""Streams: a draw depends on seed, name and indices, and on nothing else, for ever."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from imil_sim.seeds import entropy, stream, torch_seed


def test_the_first_draws_are_the_same_for_ever() -> None:
    assert entropy(0, "order", 1) == 68634362613957212675151477754084017860
    assert stream(7, "oracle", 1, "CHNCXR_0327_1").integers(1000, size=3).tolist() == [971, 725, 103]
    assert torch_seed(0, "weights") == 8454698744502178088


def test_equal_names_give_equal_draws_and_any_other_name_others() -> None:
    names = [(0, "order", 1), (1, "order", 1), (0, "split", 1), (0, "order", 2), (0, "order"), (0, "order", "1")]
    draws = [tuple(stream(*name).integers(2**62, size=4)) for name in names]  # type: ignore[arg-type]
    assert draws == [tuple(stream(*name).integers(2**62, size=4)) for name in names]  # type: ignore[arg-type]
    assert len(set(draws)) == len(names)


def test_indices_are_not_run_together() -> None:
    cuts = [entropy(1, "augment", *indices) for indices in ((1, 23), (12, 3), (123,), ("1,23",))]
    assert len(set(cuts)) == len(cuts)


def test_drawing_from_one_stream_moves_no_other_and_no_global_generator() -> None:
    np.random.seed(0)  # noqa: NPY002 - the global generator is what must not be touched
    expected = np.random.RandomState(0).random(3)
    before = stream(0, "fill").random(3)
    stream(0, "oracle").random(1000)
    assert (stream(0, "fill").random(3) == before).all()
    assert (np.random.random(3) == expected).all()  # noqa: NPY002


def test_a_torch_seed_fits_into_63_bits() -> None:
    seeds = [torch_seed(seed, "weights", index) for seed, index in itertools.product(range(20), repeat=2)]
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert len(set(seeds)) == 400
    assert max(seeds) > 2**62


@pytest.mark.parametrize("indices", [(1.0,), (True,), (None,), (np.int64(1),)])
def test_an_index_is_a_plain_number_or_text(indices: tuple[object, ...]) -> None:
    with pytest.raises(ValueError, match="use int or str"):
        entropy(0, "order", *indices)  # type: ignore[arg-type]


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="no random stream is called 'ordre'; known: split, weights"):
        stream(0, "ordre")  # type: ignore[arg-type]
