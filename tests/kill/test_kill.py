"""A short kill test; `python tests/kill/killing.py` runs it in full."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

killing = runpy.run_path(str(Path(__file__).with_name("killing.py")))


@pytest.mark.slow
def test_a_study_that_is_killed_in_a_write_and_resumed_ends_with_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "undisturbed").mkdir()
    undisturbed = killing["Place"](tmp_path / "undisturbed", 0)
    assert undisturbed.start().wait() == 0
    expected = undisturbed.contents()
    assert len(expected) > 30
    assert undisturbed.leftovers() == []
    for number, moment in enumerate((0.5, 4.0)):
        place, hit = killing["killed_and_resumed"](tmp_path / str(number), moment, in_a_write=True, workers=0)
        assert hit
        assert place.contents() == expected
        assert place.leftovers() == []
