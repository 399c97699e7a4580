from __future__ import annotations

import pytest

from imil_sim.sessions.recorded import divergence
from imil_sim.sessions.session import Header, Session, SessionAnswer
from imil_sim.study.record import Answer, Consultation


def session(*images: str, states: tuple[str, ...] = ("a" * 64,), predicted: int | None = None) -> Session:
    answers = [
        SessionAnswer(order=i, image_id=image, cells=(1,), predicted=predicted) for i, image in enumerate(images, 1)
    ]
    header = Header(reader="r", grid=(2, 2), states=states)
    return Session(header, tuple(reversed(answers)))  # the order counts, not the line


def asked(*images: str) -> Consultation:
    answers = [
        Answer(image_id=image, label=1, predicted=0, confidence=0.9, mispredicted=True, cells=(1,), effect="replaced")
        for image in images
    ]
    return Consultation(
        epoch=1, grid=(2, 2), requested=9, n_mispredictions=9, n_excluded=0, n_filled_up=0, answers=tuple(answers)
    )


def test_the_same_questions_do_not_diverge() -> None:
    found = divergence(session(*"abcd"), [asked(*"ab"), asked(*"cd")])
    assert (found.coverage, found.overlap, found.rank_correlation, found.no_rank_correlation) == (1, 1, 1, "")


def test_coverage_overlap_and_rank_correlation_by_hand() -> None:
    found = divergence(session(*"abcde"), [asked(*"xcba")])
    assert (found.n_asked, found.n_recorded, found.n_shared) == (4, 5, 3)
    assert found.coverage == 3 / 4
    assert found.overlap == 3 / 6
    assert found.rank_correlation == pytest.approx(-1)  # c, b, a here; a, b, c there
    assert divergence(session(*"abc"), [asked(*"bac")]).rank_correlation == pytest.approx(0.5)  # 1 - 6 * 2 / 24


def test_a_image_counts_once_at_its_first_place() -> None:
    found = divergence(session(*"abc"), [asked(*"abc"), asked(*"cba")])
    assert (found.n_asked, found.rank_correlation) == (3, pytest.approx(1))


def test_where_little_is_shared_there_is_no_correlation_and_a_reason() -> None:
    found = divergence(session(*"ab"), [asked(*"bax")])
    assert found.rank_correlation is None
    assert found.no_rank_correlation == "only 2 images are shared, fewer than 3"
    nothing = divergence(session(), [])
    assert (nothing.coverage, nothing.overlap, nothing.rank_correlation) == (None, None, None)
    apart = divergence(session("a"), [asked("b")])
    assert (apart.coverage, apart.overlap) == (0, 0)
    assert apart.no_rank_correlation == "no image is shared, fewer than 3"
    assert divergence(session("a"), [asked("a")]).no_rank_correlation == "only 1 image is shared, fewer than 3"


def test_where_no_model_asked_there_is_no_order_of_asking() -> None:
    imported = divergence(session(*"abcd", states=()), [asked(*"abcd")])
    assert (imported.coverage, imported.overlap, imported.by_model) == (1, 1, False)
    assert imported.rank_correlation is None
    assert imported.no_rank_correlation == "no model asked in the session, so its order is none of asking"
    # A run's, of which the store had lost the states: what the model said of the images is still there.
    lost = divergence(session(*"abcd", states=(), predicted=1), [asked(*"abcd")])
    assert (lost.rank_correlation, lost.by_model) == (pytest.approx(1), True)
