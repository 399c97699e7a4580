from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from imil_sim.report.document import Column
from imil_sim.report.tables.text import anchor, grouped, mean_sd, named
from imil_sim.study.spec import NAME_PATTERN


def test_a_mean_with_its_standard_deviation() -> None:
    assert mean_sd([0.5, 0.75, float("nan")]) == "0.625 (0.177)"
    assert mean_sd([-0.5], Column("Gap", signed=True)) == "−0.500"
    assert mean_sd([float("nan")]) is None


def test_notes_name_a_few_rows_and_count_the_rest() -> None:
    rows = [f"arm-{i}" for i in range(20)]
    assert named(rows, 20) == "all rows"
    assert named(rows[:2], 20) == "arm-0; arm-1"
    assert named(rows[:10], 20).endswith("arm-5; and 4 more")
    notes = [("a", "No p: one seed"), ("b", "No p: no run"), ("c", "No p: one seed")]
    assert grouped(notes, 7) == ("No p: one seed (a; c).", "No p: no run (b).")


@given(st.lists(st.from_regex(NAME_PATTERN, fullmatch=True), unique=True, max_size=8))
def test_every_test_set_has_an_anchor_of_its_own(names: list[str]) -> None:
    anchors = [anchor("arms", name) for name in {*names, "main", "a_b", "a-b"}]
    assert len(set(anchors)) == len(anchors)
    assert all(re.fullmatch("[a-z0-9-]+", one) for one in anchors)
