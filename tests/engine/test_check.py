"""What cannot work is named before anything runs."""

from __future__ import annotations

import re
from typing import Any

import pytest

from imil_sim.engine import study_run
from imil_sim.errors import StudyError


def message_of(lab: Any, arms: str) -> str:
    with pytest.raises(StudyError) as caught:
        lab.check(lab.study(arms))
    return str(caught.value)


def test_a_sound_study_passes_and_a_model_is_tried_once_whatever_the_number_of_arms(
    lab: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []
    real = study_run.build

    def build(spec: Any, **options: Any) -> Any:
        tried.append(spec.name)
        return real(spec, **options)

    monkeypatch.setattr(study_run, "build", build)
    lab.check(lab.study('[arms.a]\n[arms.b]\nfeedback.oracle = "lesions"\n[arms.c]\nmodel.name = "squeezenet1_1"'))
    assert tried == ["resnet10", "squeezenet1_1"]


def test_all_problems_of_all_arms_are_named_at_once_and_equal_ones_once(lab: Any) -> None:
    message = message_of(
        lab,
        """
        [arms.a]
        model.name = "resnet19"
        [arms.b]
        model.name = "resnet19"
        feedback = { oracle = "lesons", grid_size = [4, 40] }
        [arms.c]
        [arms.d]
        feedback = { oracle = "lesions", options = { treshold = 0.5, single_region = "yes" } }
        """,
    )
    lines = message.split("\n  - ")
    assert lines[0] == "study tiny cannot be run:"
    assert len(lines) == 5
    assert sum(line.startswith('arms.a, arms.b: model.name: there is no model "resnet19"') for line in lines) == 1
    assert sum(line.startswith('arms.b: oracle "lesons" is not installed') for line in lines) == 1
    assert sum(line.startswith("arms.b: feedback.grid_size: a grid of 4 x 40") for line in lines) == 1
    assert "treshold" in lines[-1]
    assert "single_region" in lines[-1]


@pytest.mark.parametrize("name", ["alexnet", "vit_b_16", "maxvit_t"])
def test_a_model_that_cannot_take_images_of_that_size_is_named(lab: Any, name: str) -> None:
    message = message_of(lab, f'[arms.a]\nmodel.name = "{name}"\nimages.size = 40\nfeedback.oracle = "lesions"')
    assert re.search(rf'"{name}".*40 x 40', message), message


def test_weights_that_cannot_be_fetched_are_named(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(*arguments: Any, **options: Any) -> Any:
        raise OSError("no route to host")

    monkeypatch.setattr(study_run, "build", build)
    message = message_of(
        lab, '[arms.a]\nmodel = { name = "resnet18", weights = "DEFAULT" }\nfeedback.oracle = "lesions"'
    )
    assert "no route to host; fetch them once with a network, or give a local weights file" in message


def test_more_cells_than_the_grid_has_are_named_before_training_within_another_oracle_too(lab: Any) -> None:
    message = message_of(
        lab,
        """
        [arms.a]
        feedback = { oracle = "random-cells", options.count = 17 }
        [arms.b]
        feedback.grid_size = 3
        feedback.oracle = "inverted"
        feedback.options.like = { oracle = "random-cells", options = { count = 10 } }
        """,
    )
    assert "arms.a: feedback.oracle: random-cells does not fit the images or the grid:" in message
    assert "count = 17, but a grid of 4 x 4 has only 16 cells; use a smaller count or a finer grid_size" in message
    assert "count = 10, but a grid of 3 x 3 has only 9 cells" in message
