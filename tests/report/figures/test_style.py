from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from imil_sim.report.figures import style


def test_numbers_as_people_read_them() -> None:
    shown = [style.plain(v, signed=True) for v in (0.0421, -0.0421, 0.0001, -0.0001, math.nan)]
    assert shown == ["+0.042", "−0.042", "0.000", "0.000", "–"]
    assert [style.percent(share) for share in (0.5, 0.9999, 1.0)] == ["50.0%", "over 99.9%", "100.0%"]
    assert [style.listed(list("abcde")[:n]) for n in (0, 3, 5)] == ["none", "a, b and c", "a, b, c and 2 more"]
    assert style.ends([0.5, math.nan, 0.25], ["a", "b", "c"], 2) == "from 0.25 (c) to 0.50 (a)"


def test_labels_of_arms_are_short() -> None:
    labels = {
        "baseline": "baseline",
        "lesions@num_outliers=5,imil_epoch=20": "lesions, n=5, epoch 20",
        "lesions@one-of-20": "lesions, one-of-20",
        "mean_cells@fill=black": "mean_cells, fill black",
    }
    assert style.arm_labels(list(labels)) == list(labels.values())


def test_labels_that_would_be_cut_into_doubles_are_numbered() -> None:
    twins = [f"{'a' * 40}{middle}{'z' * 40}" for middle in "xy"]
    assert [label.split(":")[0] for label in style.arm_labels(twins)] == ["1", "2"]


@given(st.lists(st.text(alphabet="ab1:@=,_- …\n\x00日", max_size=60), unique=True, max_size=12), st.integers(8, 30))
def test_no_two_labels_are_alike_and_all_fit(names: list[str], width: int) -> None:
    shown = style.arm_labels(names, width=width)
    assert len(set(shown)) == len(names)
    lines = [line for label in shown for line in label.split("\n")]
    assert all(len(line) <= width and (line.isprintable() or not line) for line in lines)
    assert all(label.count("\n") <= 1 for label in shown)


def test_names_of_pictures_keep_arms_apart() -> None:
    assert style.file_name("interactions", "my_arm") == "interactions-my--arm"
    assert style.file_name("interactions", "my-arm") == "interactions-my-arm"
