"""Which arms of a study are the controls of which: the placebo, and random cells in the same number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imil_sim.study.spec import ArmSpec, FeedbackSpec
from imil_sim.study.study import Study

ABSTAIN, RANDOM_CELLS = "abstain", "random-cells"
"""Names of the oracles that controls are made of."""


def placebo(study: Study) -> str | None:
    """The arm that forks, trains on in another batch order and replaces nothing; of several the first, None of none."""
    return next((name for name, arm in study.arms.items() if _is_placebo(arm.feedback)), None)


def random_cells(study: Study) -> dict[str, str]:
    """For an arm of feedback the arm of random cells that differs from it in the oracle and its options only.

    Of several, the one that takes its number of cells from that very oracle and its options, else from the oracle of
    that name, else the first of the study. Arms that ask nobody have none.
    """
    controls: dict[str, list[str]] = {}
    for name, arm in study.arms.items():
        if arm.feedback and arm.feedback.oracle == RANDOM_CELLS:
            controls.setdefault(_without_oracle(arm), []).append(name)
    found = {}
    for name, arm in study.arms.items():
        if arm.feedback and arm.feedback.oracle not in (ABSTAIN, RANDOM_CELLS):
            near = controls.get(_without_oracle(arm), [])
            if near:
                found[name] = min(near, key=lambda control: _distance(arm.feedback, study.arms[control].feedback))
    return found


def same_number(arm: ArmSpec, control: ArmSpec) -> bool:
    """Whether an arm of random cells takes its number of cells, image by image, from the oracle of ``arm``.

    The oracle with other options may choose other cells, in another number.
    """
    return _distance(arm.feedback, control.feedback) == 0


def _is_placebo(feedback: FeedbackSpec | None) -> bool:
    return feedback is not None and feedback.reorder and feedback.oracle == ABSTAIN


def _without_oracle(arm: ArmSpec) -> str:
    assert arm.feedback is not None
    return arm.model_copy(update={"feedback": arm.feedback.model_copy(update={"oracle": "", "options": {}})}).text


def _distance(feedback: FeedbackSpec | None, control: FeedbackSpec | None) -> int:
    """0: like that oracle with these options; 1: like an oracle of that name; 2: cells in some other number."""
    if feedback is None or control is None:
        return 2
    oracle, options = _like(control.options)
    if oracle != feedback.oracle:
        return 2
    return 0 if options == feedback.options else 1


def _like(options: Mapping[str, Any]) -> tuple[Any, Any]:
    """The oracle that decides how many, and its options; None where none does."""
    like = options.get("like")
    return (like.get("oracle"), like.get("options", {})) if isinstance(like, Mapping) else (like, {})
