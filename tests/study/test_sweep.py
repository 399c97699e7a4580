"""Sweeps: which arms they make of which, what those are called, and that everything wrong is named where it stands."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from imil_sim.errors import StudyError
from imil_sim.study.spec import ArmSpec
from imil_sim.study.study import Study, parse_study
from imil_sim.study.sweep import SweepSpec, count, expand

TOP = """
name = "small"
images.source = "phantom"
[feedback]
imil_epoch = 50
num_outliers = 8
[arms.baseline]
[arms.lesions]
feedback.oracle = "lesions"
[arms.random]
feedback = { oracle = "random-cells", options.count = 3 }
"""


def parse(text: str, top: str = TOP) -> Study:
    return parse_study(tomllib.loads(top + text), beside=Path("/beside"), label="small.toml")


def problems(text: str, top: str = TOP) -> list[str]:
    with pytest.raises(StudyError) as caught:
        parse(text, top)
    return str(caught.value).split("\n  - ")[1:]


def made(study: Study) -> dict[str, ArmSpec]:
    """The arms that sweeps made."""
    return {name: arm for name, arm in study.arms.items() if "@" in name}


def feedback(study: Study) -> dict[str, Any]:
    return {name: arm.feedback for name, arm in made(study).items()}


# --------------------------------------------------------------------------------------------------- what it unfolds


def test_fields_are_crossed_in_the_order_of_the_file() -> None:
    study = parse(
        "[sweeps.all]\nbase = 'lesions'\nvary.feedback.num_outliers = [2, 4]\nvary.feedback.grid_size = [2, 3]"
    )
    assert {name: (f.num_outliers, f.grid_size) for name, f in feedback(study).items()} == {
        "lesions@num_outliers=2,grid_size=2": (2, (2, 2)),
        "lesions@num_outliers=2,grid_size=3": (2, (3, 3)),
        "lesions@num_outliers=4,grid_size=2": (4, (2, 2)),
        "lesions@num_outliers=4,grid_size=3": (4, (3, 3)),
    }
    assert list(study.arms)[:3] == ["baseline", "lesions", "random"]
    (sweep,) = study.sweeps
    assert (sweep.name, sweep.how, [level.arm for level in sweep.levels]) == ("all", "crossed", list(made(study)))
    assert sweep.levels[1].values == {"feedback.num_outliers": 2, "feedback.grid_size": 3}


def test_one_at_a_time_each_field_moves_by_itself_around_the_base() -> None:
    study = parse(
        """
        [sweeps.around]
        base = "lesions"
        how = "one-at-a-time"
        vary.feedback.num_outliers = [2, 4]
        vary.training.learning_rate = [0.1]
        """
    )
    assert {n: (a.feedback.num_outliers, a.training.learning_rate) for n, a in made(study).items() if a.feedback} == {
        "lesions@num_outliers=2": (2, 0.001),
        "lesions@num_outliers=4": (4, 0.001),
        "lesions@learning_rate=0.1": (8, 0.1),
    }


def test_several_bases_take_the_same_values_and_keep_what_is_their_own() -> None:
    study = parse("[sweeps.n]\nbase = ['lesions', 'random']\nvary.feedback.num_outliers = [2, 4]")
    assert {name: (f.oracle, f.options, f.num_outliers) for name, f in feedback(study).items()} == {
        "lesions@num_outliers=2": ("lesions", {}, 2),
        "lesions@num_outliers=4": ("lesions", {}, 4),
        "random@num_outliers=2": ("random-cells", {"count": 3}, 2),
        "random@num_outliers=4": ("random-cells", {"count": 3}, 4),
    }
    assert [(level.base, level.arm) for level in study.sweeps[0].levels] == [
        (name.split("@")[0], name) for name in made(study)
    ]


def test_named_points_move_several_fields_together() -> None:
    study = parse(
        """
        [sweeps.loops]
        base = "lesions"
        points.two-of-4 = { feedback = { imil_epoch = [50, 70], num_outliers = 4 } }
        points.four-of-2 = { feedback = { imil_epoch = [50, 60, 70, 80], num_outliers = 2 }, training.epochs = 90 }
        """
    )
    assert {n: (a.feedback.imil_epoch, a.feedback.num_outliers, a.training.epochs)
            for n, a in made(study).items() if a.feedback} == {
        "lesions@two-of-4": ((50, 70), 4, 100),
        "lesions@four-of-2": ((50, 60, 70, 80), 2, 90),
    }  # fmt: skip
    assert [level.values for level in study.sweeps[0].levels] == [{"point": "two-of-4"}, {"point": "four-of-2"}]


def test_a_value_the_base_has_anyway_makes_no_second_arm() -> None:
    study = parse(
        """
        [sweeps.n]
        base = ["lesions", "random"]
        vary.feedback.num_outliers = [4, 8]
        [sweeps.again]
        base = "lesions"
        points.as-it-is = { feedback.imil_epoch = 50 }
        """
    )
    assert list(made(study)) == ["lesions@num_outliers=4", "random@num_outliers=4"]
    first, again = study.sweeps
    assert [(level.arm, level.values["feedback.num_outliers"]) for level in first.levels] == [
        ("lesions@num_outliers=4", 4), ("lesions", 8), ("random@num_outliers=4", 4), ("random", 8),
    ]  # fmt: skip
    assert [level.arm for level in again.levels] == ["lesions"]


@pytest.mark.parametrize(
    ("vary", "name", "field", "value"),
    [
        ("feedback.imil_epoch = [[30, 60]]", "lesions@imil_epoch=30+60", "feedback.imil_epoch", (30, 60)),
        ("feedback.grid_size = [[2, 3]]", "lesions@grid_size=2+3", "feedback.grid_size", (2, 3)),
        ("feedback.oracle = ['all-cells']", "lesions@oracle=all-cells", "feedback.oracle", "all-cells"),
        ("feedback.options.threshold = [0.5]", "lesions@threshold=0.5", "feedback.options", {"threshold": 0.5}),
        ("feedback.mode = ['append']", "lesions@mode=append", "feedback.mode", "append"),
        ("feedback.revisit = [true]", "lesions@revisit=true", "feedback.revisit", True),
        (
            "feedback.fill_up = ['least-confident-correct']",
            "lesions@fill_up=least-confident-correct", "feedback.fill_up", "least-confident-correct",
        ),
        ("feedback = [false]", "lesions@feedback=false", "feedback", None),
        ("model.name = ['resnet18']", "lesions@model=resnet18", "model.name", "resnet18"),
        ("augmentation.name = ['mixup']", "lesions@augmentation=mixup", "augmentation.name", "mixup"),
        ("training.learning_rate = [1e-5]", "lesions@learning_rate=1e-05", "training.learning_rate", 1e-5),
        ("training.epochs = [60]", "lesions@epochs=60", "training.epochs", 60),
        ("images.marker_train = [0.5]\nvary.images.marker_test = [0.5]",
         "lesions@marker_train=0.5,marker_test=0.5", "images.marker_test", 0.5),
        ("split.seed = [3]\nvary.images.seed = [4]", "lesions@split.seed=3,images.seed=4", "images.seed", 4),
    ],
)  # fmt: skip
def test_any_field_can_be_swept(vary: str, name: str, field: str, value: object) -> None:
    study = parse(f"[sweeps.one]\nbase = 'lesions'\nvary.{vary}")
    assert list(made(study)) == [name]
    found: Any = made(study)[name]
    for part in field.split("."):
        found = getattr(found, part)
    assert found == value


def test_fields_may_be_written_as_dotted_keys() -> None:
    nested = parse("[sweeps.n]\nbase = 'lesions'\nvary.feedback.num_outliers = [2]\nvary.training.epochs = [60, 70]")
    dotted = parse("[sweeps.n]\nbase = 'lesions'\nvary = {'feedback.num_outliers' = [2], 'training.epochs' = [60, 70]}")
    assert nested == dotted
    assert len(made(nested)) == 2


def test_planned_comparisons_are_those_of_the_file_or_of_the_arms_alone() -> None:
    sweep = "[sweeps.n]\nbase = ['lesions', 'random']\nvary.feedback.num_outliers = [2]"
    assert parse(sweep).comparisons == (("lesions", "baseline"), ("random", "baseline"))
    pairs = '[["lesions@num_outliers=2", "random@num_outliers=2"]]'
    study = parse(sweep, top=f"reference = 'random'\ncomparisons = {pairs}\n{TOP}")
    assert study.comparisons == (("lesions@num_outliers=2", "random@num_outliers=2"),)
    assert study.reference == "random"


# --------------------------------------------------------------------------------------------------- what is wrong


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("base = 'lesion'\nvary.training.epochs = [60]",
         r'sweeps\.s\.base: there is no arm "lesion"\. Known: baseline, lesions, random\. Did you mean "lesions"\?'),
        ("vary.training.epochs = [60]", r"sweeps\.s\.base: is missing"),
        ("base = []\nvary.training.epochs = [60]", r"sweeps\.s\.base: "),
        ("base = 'lesions'\nvary.feedback.num_outlier = [1, 2]",
         r'sweeps\.s\.vary\.feedback\.num_outlier: there is no such field\. .*Did you mean "num_outliers"\?'),
        ("base = 'lesions'\nvary.feedbak.num_outliers = [1, 2]",
         r'sweeps\.s\.vary\.feedbak: there is no such field\. .*Did you mean "feedback"\?'),
        ("base = ['lesions', 'random']\nvary.feedback.num_outliers = [2, 0]",
         r"sweeps\.s\.vary\.feedback\.num_outliers: must be greater than 0 \(found 0\)"),
        ("base = 'lesions'\nvary.feedback.imil_epoch = [20, 100]",
         r"sweeps\.s\.vary: imil_epoch = 100 leaves no epoch to train on: training\.epochs is 100"),
        ("base = 'baseline'\nvary.feedback.num_outliers = [2]", r"sweeps\.s\.vary\.feedback\.oracle: is missing"),
        ("base = 'lesions'\nvary.training.epochs = 60",
         r'sweeps\.s\.vary\."training\.epochs": must be a list \(found 60\)'),
        ("base = 'lesions'\nvary.training.epochs = []", r'sweeps\.s\.vary\."training\.epochs": '),
        ("base = 'lesions'\nvary.training.epochs = [60, 60]",
         r'sweeps\.s: arm "lesions@epochs=60" is made twice; leave out one of the two'),
        ("base = 'lesions'\nvary = {'feedback' = [false], 'feedback.mode' = ['append']}",
         r"sweeps\.s\.vary: feedback\.mode lies within feedback; vary one of the two"),
        ("base = 'lesions'\nvary = {'training.epochs' = [5], training = {epochs = [6]}}",
         r"sweeps\.s\.vary: training\.epochs is there twice"),
        ("base = 'lesions'\nvary.'training.' = [1]", r'sweeps\.s\.vary: "training\." is no field'),
        ("base = 'lesions'", r"sweeps\.s: a sweep has either vary or points"),
        ("base = 'lesions'\nvary.training.epochs = [60]\npoints.a = {training.epochs = 70}",
         r"sweeps\.s: a sweep has either vary or points"),
        ("base = 'lesions'\nhow = 'cross'\nvary.training.epochs = [60]", r"sweeps\.s\.how: must be 'crossed' or"),
        ("base = 'lesions'\nvari.training.epochs = [60]", r'sweeps\.s\.vari: .*Did you mean "vary"\?'),
        ("base = 'lesions'\npoints.a = {training = {epoch = 70}}",
         r'sweeps\.s\.points\.a\.training\.epoch: there is no such field\. .*Did you mean "epochs"\?'),
        ("base = 'lesions'\npoints.a = 5", r"sweeps\.s\.points\.a: must be a table \(found 5\)"),
        ("base = 'lesions'\npoints.'A b' = {training.epochs = 70}", r'sweeps\.s\.points\."A b": a name is'),
    ],
)  # fmt: skip
def test_each_wrong_is_one_line_that_names_its_place_in_the_sweep(text: str, line: str) -> None:
    (found,) = problems(f"[sweeps.s]\n{text}")
    assert re.match(line, found), found


def test_what_is_wrong_with_a_base_is_told_once_and_not_for_every_arm_made_of_it() -> None:
    top = TOP + '[arms.wrong]\nfeedback = { oracle = "lesions", mode = "swap" }\n'
    lines = problems("[sweeps.s]\nbase = ['lesions', 'wrong']\nvary.feedback.num_outliers = [2, 4]", top)
    assert [line.split(":")[0] for line in lines] == ["arms.wrong.feedback.mode"]


def test_the_tables_of_sweeps_are_tables_with_names() -> None:
    assert problems("", top=f"sweeps = 5{TOP}") == ["sweeps: must be tables [sweeps.NAME] (found 5)"]
    assert problems("[sweeps]\ns = 5") == ["sweeps.s: must be a table (found 5)"]
    (line,) = problems("[sweeps.'A b']\nbase = 'lesions'\nvary.training.epochs = [60]")
    assert line.startswith('sweeps."A b": a name is 1 to 63')


def test_two_sweeps_do_not_make_one_arm() -> None:
    one = "base = 'lesions'\nvary.training.epochs = [60, {}]\n"
    lines = problems("[sweeps.a]\n" + one.format(70) + "[sweeps.b]\n" + one.format(80))
    assert lines == ['sweeps.b: arm "lesions@epochs=60" is made twice; leave out one of the two']


@pytest.mark.parametrize(
    ("head", "line"),
    [
        ("reference = 'lesions@epochs=61'", 'reference: there is no arm "lesions@epochs=61". '),
        ("reference = 'lesions@epochs=100'", 'reference: "lesions@epochs=100" is the arm "lesions" itself; write that'),
        ("comparisons = [['lesions@epochs=60', 'basline']]", 'comparisons: there is no arm "basline". '),
        ("comparisons = [['lesions', 'lesions']]", 'comparisons: "lesions" is compared with itself'),
        ("comparisons = [['lesions', 'random'], ['lesions', 'random']]",
         'comparisons: "lesions" is compared with "random" more than once'),
    ],
)  # fmt: skip
def test_names_of_arms_in_the_head_of_the_file_are_checked(head: str, line: str) -> None:
    (found,) = problems("[sweeps.s]\nbase = 'lesions'\nvary.training.epochs = [60, 100]", top=f"{head}\n{TOP}")
    assert found.startswith(line), found


def test_an_arm_that_is_wrong_is_not_also_unknown() -> None:
    sweep = "[sweeps.s]\nbase = 'lesions'\nvary.training.epochs = [0]"
    (line,) = problems(sweep, top=f"comparisons = [['lesions@epochs=0', 'lesions']]\n{TOP}")
    assert line == "sweeps.s.vary.training.epochs: must be greater than 0 (found 0)"


@pytest.mark.parametrize(
    ("table", "arms"),
    [
        ({"base": ["a", "b"], "vary": {"x": [1, 2, 3], "y": {"z": [1, 2]}}}, 12),
        ({"base": "a", "vary": {"x": [1, 2, 3], "y": {"z": [1, 2]}}, "how": "one-at-a-time"}, 5),
        ({"base": ["a", "b"], "points": {"p": {}, "q": {}, "r": {}}}, 6),
    ],
)
def test_arms_are_counted_as_they_are_made(table: dict[str, Any], arms: int) -> None:
    spec = SweepSpec.model_validate(table)
    assert count(spec) == len(expand("s", spec).levels) == arms


def test_a_sweep_without_end_is_counted_and_refused() -> None:
    fields = "".join(f"vary.field{number} = [1, 2]\n" for number in range(1000))
    (line,) = problems(f"[sweeps.s]\nbase = 'lesions'\n{fields}")
    assert line.startswith("sweeps, seeds: ")
