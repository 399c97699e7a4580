"""What the oracles that ask others promise alike: abstentions, numbers of cells, and chance that is the run's."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imil_sim.errors import OracleError
from imil_sim.feedback import Grid, OracleRecipe, make_oracle
from imil_sim.feedback.registry import card, load, options_of
from imil_sim.registry import parts
from imil_sim.testing import sample_questions

PAGE = (Path(__file__).parents[2] / "docs" / "oracles.md").read_text(encoding="utf-8")
LIKE = {"like": "lesions"}
COLD = np.zeros((8, 8), dtype=np.float32)


def asking() -> set[str]:
    """The oracles that ask another one whenever they answer."""
    options = {
        entry.name: options_of(load(entry.name))
        for entry in parts("oracles")
        if entry.target.startswith("imil_sim_oracles.")
    }
    return {name for name, found in options.items() if any("OracleRecipe" in option.type for option in found)} - {
        "replay"
    }


@pytest.mark.parametrize(
    ("name", "options", "answers"),
    [
        *((name, LIKE, [True, False, True]) for name in (
            "fatigue", "inverted", "noisy", "budget", "random-cells", "random-square", "single-region", "spammer",
            "cam-hot", "cam-cold", "swapped",
        )),
        ("abstaining", {**LIKE, "unsure_above": 0.8}, [True, False, False]),
        ("abstaining", {**LIKE, "unsure_above": 0.0}, [False, False, False]),
        ("lazy", {**LIKE, "repeat": 0.0}, [True, False, True]),
        ("lazy", {**LIKE, "repeat": 1.0}, [True, True, True]),
        ("consensus", {"readers": ["lesions", "abstain"]}, [True, False, True]),
        ("consensus", {"readers": ["abstain", "abstain"]}, [False, False, False]),
        ("consensus", {"readers": ["lesions", "all-cells"], "rule": "intersection"}, [True, True, True]),
        ("panel", {"readers": ["lesions", "all-cells"]}, [True, True, True]),
        ("panel", {"readers": ["abstain", "lesions"]}, [False, False, False]),
    ],
)  # fmt: skip
def test_where_the_other_one_abstains(image: Any, asked: Any, name: str, options: Any, answers: list[bool]) -> None:
    images = [image("a", (1, 2), place=1, confidence=0.6), image("b", None, place=2), image("c", (7,), place=3)]
    images[1:] = [dataclasses.replace(one, confidence=0.9) for one in images[1:]]
    given = asked(make_oracle(name, options), *images)
    assert [answer.cells is not None for answer in given] == answers
    if name not in ("consensus", "panel") and not answers[1]:
        assert given[1].reason == "lesions abstains: TB image without a lesion outline"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("cam-hot", "the heat-map is zero everywhere"),
        ("cam-cold", "the heat-map is zero everywhere"),
        ("swapped", "no other image of this consultation was answered about"),
    ],
)
def test_where_only_the_other_one_answers(image: Any, asked: Any, name: str, why: str) -> None:
    given = asked(make_oracle(name, LIKE), image("a", (1, 2), cam=COLD), image("b", None, cam=COLD))
    assert [(answer.cells, answer.reason) for answer in given] == [
        (None, why),
        (None, "lesions abstains: TB image without a lesion outline"),
    ]


def test_the_page_and_the_cards_say_of_every_one_of_them_what_it_does_then() -> None:
    table = PAGE[PAGE.index("answers where the other one abstains") :]
    rows = table[: table.index("\n\n")].splitlines()[2:]
    assert set(re.findall(r"`([a-z-]+)`", " ".join(row.split("|")[1] for row in rows))) - {"like"} == asking()
    for name in asking():
        assert re.search(r"^Where (the other one|that reader|readers) abstains?:", card(load(name)), re.MULTILINE), name


MATCHED = {
    "random-cells": {},
    "spammer": {"probability": 1.0},
    "fatigue": {"growth": 1.0, "most": 1.0},
    "cam-hot": {},
    "cam-cold": {"heat": "true"},
    "swapped": {},
}


@pytest.mark.parametrize("like", ["lesions", {"oracle": "inverted", "options": LIKE}])
def test_the_number_of_cells_is_the_others_from_none_to_all(image: Any, asked: Any, like: Any) -> None:
    other = OracleRecipe.read(like).make()
    oracles = {name: make_oracle(name, {"like": like, **options}) for name, options in MATCHED.items()}
    heat = np.zeros((24, 24), dtype=np.float32)
    heat[:3, :3] = 1.0  # most cells are equally cold
    for grid in (Grid(1, 1), Grid(1, 2), Grid(3, 5), Grid(8, 8)):
        size = grid.rows * grid.cols
        images = []
        for place, count in enumerate((1, size, max(1, size - 1), max(1, size // 2)), 1):
            cells = np.arange(size).reshape(grid.shape) < count
            question = image(f"image-{place}", grid=grid, place=place, cam=heat, cam_true=heat)
            images.append(dataclasses.replace(question, masks={"lesion": grid.cells_to_mask(cells, (24, 24))}))
        counts = [int(answer.cells.sum()) for answer in asked(other, *images)]
        assert size in counts if like == "lesions" else 0 in counts
        for name, oracle in oracles.items():
            given = [int(answer.cells.sum()) for answer in asked(oracle, *images)]
            # Swapped ones are of the same number in all, each at another image
            assert (sorted(given) == sorted(counts)) if name == "swapped" else (given == counts), name


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("abstaining", {**LIKE, "unsure_above": 0.0, "skip": 0.5}),
        ("budget", {**LIKE, "cells": 1, "keep": "random"}),
        ("cam-cold", LIKE),
        ("consensus", {"readers": ["lesions", {"oracle": "noisy", "options": LIKE}], "rule": "union"}),
        ("fatigue", {**LIKE, "growth": 0.1}),
        ("lazy", LIKE),
        ("noisy", LIKE),
        ("panel", {"readers": ["lesions", {"oracle": "noisy", "options": LIKE}]}),
        ("random-cells", {"count": 3}),
        ("random-cells", LIKE),
        ("random-square", {}),
        ("spammer", LIKE),
        ("swapped", LIKE),
    ],
)
def test_the_same_run_is_answered_the_same_and_another_one_otherwise(
    image: Any, asked: Any, numbers: Any, name: str, options: Any
) -> None:
    heat = np.zeros((8, 8), dtype=np.float32)
    heat[0, 0] = 1.0
    images = [image(f"image-{i}", (i, i % 16 + 1), place=i, cam=heat) for i in range(1, 17)]
    runs = [numbers(asked(make_oracle(name, options), *images, seed=seed)) for seed in (0, 0, 1, 2)]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2] != runs[3] != runs[0]


def test_an_oracle_around_ten_others_is_made_or_says_which_of_them_is_wrong() -> None:
    def nested(inner: str, depth: int) -> dict[str, Any]:
        return {"like": inner if depth == 0 else {"oracle": "noisy", "options": nested(inner, depth - 1)}}

    question = sample_questions()[0]
    make_oracle("noisy", nested("lesions", 10))
    answer = make_oracle("noisy", nested("lesions", 2)).answer(question, np.random.default_rng(0))
    assert answer.note.count("(") == 3, answer.note  # a remark of each, and that of lesions about a normal image
    with pytest.raises(OracleError, match=r'(?s)(like: oracle "noisy".*){10}like: oracle "lesoins" is not installed'):
        make_oracle("noisy", nested("lesoins", 10))
    with pytest.raises(OracleError, match=r'like: oracle "noisy": its options are wrong:\n.*like: is missing'):
        make_oracle("noisy", {"like": "noisy"})


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("noisy", {"miss": -0.1, "false_cell": 1.5, "shift": 2.0}),
        ("fatigue", {"growth": -1.0, "most": 7.0}),
        ("abstaining", {"unsure_above": 90.0, "skip": -1.0}),
        ("lazy", {"repeat": 1.1}),
        ("spammer", {"probability": -0.5}),
    ],
)
def test_all_rates_that_are_none_are_named_at_once(name: str, wrong: dict[str, float]) -> None:
    with pytest.raises(OracleError) as caught:
        make_oracle(name, {**LIKE, **wrong})
    lines = str(caught.value).split("\n  - ")[1:]
    assert [line.split(": must be ")[0] for line in lines] == list(wrong)
