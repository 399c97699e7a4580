"""Study files: what they unfold into, and that everything wrong with one is named at once, each wrong once."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from imil_sim.errors import StudyError
from imil_sim.images.phantom import PhantomSource
from imil_sim.images.shenzhen import ShenzhenSource
from imil_sim.study.study import MOST_SEEDS, Study, find_study, parse_study, read_study, shipped_studies

ROOT = Path(__file__).parents[2]

TOP = """
name = "small"
[images]
source = "phantom"
"""


def parse(text: str, top: str = TOP) -> Study:
    return parse_study(tomllib.loads(top + text), beside=Path("/beside"), label="small.toml")


def problems(text: str, top: str = TOP) -> list[str]:
    """The lines of the one message."""
    with pytest.raises(StudyError) as caught:
        parse(text, top)
    head, *lines = str(caught.value).split("\n  - ")
    assert head == "study small.toml is wrong:"
    return lines


# ---------------------------------------------------------------------------------------------------- what it means


def test_arms_lay_their_tables_over_those_at_the_top() -> None:
    study = parse(
        """
        title = "A study"
        [training]
        epochs = 20
        batch_size = 8
        [arms.plain]
        [arms.quick]
        training.epochs = 5
        """.replace("title", "images.size = 32\ntitle", 1),
        top='name = "small"\nimages.source = "phantom"\n',
    )
    assert (study.name, study.title, study.reference, list(study.arms)) == (
        "small",
        "A study",
        "plain",
        ["plain", "quick"],
    )
    assert [(a.training.epochs, a.training.batch_size, a.images.size) for a in study.arms.values()] == [
        (20, 8, 32),
        (5, 8, 32),
    ]


def test_feedback_at_the_top_holds_only_for_arms_with_a_feedback_table() -> None:
    study = parse(
        """
        [feedback]
        num_outliers = 7
        options.threshold = 0.5
        [arms.baseline]
        [arms.off]
        feedback = false
        [arms.asked]
        feedback.oracle = "lesions"
        [arms.more]
        feedback = { oracle = "lesions", num_outliers = 9 }
        """
    )
    feedback = {name: arm.feedback for name, arm in study.arms.items()}
    assert feedback["baseline"] is None
    assert feedback["off"] is None
    asked, more = feedback["asked"], feedback["more"]
    assert asked is not None
    assert more is not None
    assert (asked.num_outliers, asked.options) == (7, {"threshold": 0.5})
    assert (more.num_outliers, more.options) == (9, {"threshold": 0.5})


def test_feedback_at_the_top_for_nobody_is_an_error() -> None:
    assert problems('[feedback]\noracle = "lesions"\n[arms.imil]') == [
        "feedback: holds only for arms with a table [arms.NAME.feedback], and no arm has one"
    ]


def test_another_oracle_brings_its_own_options_and_the_same_one_keeps_them() -> None:
    study = parse(
        """
        [feedback]
        oracle = "lesions"
        num_outliers = 7
        options.threshold = 0.5
        [arms.same]
        feedback.options.single_region = true
        [arms.other]
        feedback = { oracle = "random-cells", options.count = 3 }
        [arms.bare]
        feedback.oracle = "all-cells"
        """
    )
    found = {name: arm.feedback for name, arm in study.arms.items() if arm.feedback}
    assert found["same"].options == {"threshold": 0.5, "single_region": True}
    assert found["other"].options == {"count": 3}
    assert found["bare"].options == {}
    assert {feedback.num_outliers for feedback in found.values()} == {7}


def test_another_image_source_brings_its_own_options() -> None:
    study = parse(
        """
        [images]
        source = "phantom"
        size = 32
        train = 40
        [arms.phantom]
        images.train = 60
        [arms.real]
        images = { source = "shenzhen", size = 96 }
        """,
        top='name = "small"\n',
    )
    assert study.arms["phantom"].images == PhantomSource(source="phantom", size=32, train=60)
    assert study.arms["real"].images == ShenzhenSource(source="shenzhen", size=96)


@pytest.mark.parametrize(
    ("given", "seeds"),
    [("", tuple(range(10))), ("seeds = 3", (0, 1, 2)), ("seeds = [5, 0, 9]", (5, 0, 9))],
)
def test_seeds_are_a_count_or_a_list(given: str, seeds: tuple[int, ...]) -> None:
    study = parse("[arms.a]\n[arms.b]", top=given + TOP)
    assert study.seeds == seeds
    assert [(name, run.seed) for name, run in study.runs()] == [(name, seed) for seed in seeds for name in "ab"]


@pytest.mark.parametrize("given", ["0", "-1", "[]", "[1, 1]", "[0, -1]", "true", "2.0", '"two"', str(MOST_SEEDS + 1)])
def test_seeds_that_are_none_are_refused(given: str) -> None:
    (line,) = problems("[arms.a]", top=f"seeds = {given}{TOP}")
    assert line == (
        f"seeds: must be a count from 1 to {MOST_SEEDS}, or a list of different numbers from 0 up (found {given})"
    )


# -------------------------------------------------------------------------------------------------- what is wrong


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[trainning]\n[arms.a]", r'trainning: there is no such field\. Known: arms, .*Did you mean "training"\?'),
        ("[training]\nepoch = 3\n[arms.a]", r'training\.epoch: there is no such field\. .*Did you mean "epochs"\?'),
        ("[arms.a]\ntrainin.epochs = 3", r'arms\.a\.trainin: there is no such field\. .*Did you mean "training"\?'),
        (
            '[arms.a]\nfeedback = { oracle = "x", num_outlier = 3 }',
            r'arms\.a\.feedback\.num_outlier: there .*Did you mean "num_outliers"\?',
        ),
        (
            "[arms.a]\n[arms.a.test_sets.more]\nsource = 'phantom'\nmarker_tst = 1",
            r'arms\.a\.test_sets\.more\.marker_tst: .*Did you mean "marker_test"\?',
        ),
        ("[training]\nepochs = '9'\n[arms.a]", r'training\.epochs: must be a whole number \(found "9"\)'),
        ("[training]\nepochs = 9.0\n[arms.a]", r"training\.epochs: must be a whole number \(found 9\.0\)"),
        ("[training]\nepochs = 0\n[arms.a]", r"training\.epochs: must be greater than 0 \(found 0\)"),
        ("[training]\nlearning_rate = 'fast'\n[arms.a]", r'training\.learning_rate: must be a number \(found "fast"\)'),
        ("[training]\noptimizer = 'sdg'\n[arms.a]", r"training\.optimizer: must be 'sgd', 'adam' or 'adamw' \(found"),
        ("[split]\ntest = '5'\n[arms.a]", r"split\.test: must be a count of at least 1, or a fraction"),
        ("[arms.a]\nfeedback = 5", r"arms\.a\.feedback: must be a table \(found 5\)"),
        ("[arms.a]\nfeedback = { oracle = 5 }", r"arms\.a\.feedback\.oracle: must be text \(found 5\)"),
        ("[arms.a.feedback]\nnum_outliers = 5", r"arms\.a\.feedback\.oracle: is missing"),
        ("[arms.a.feedback]\noracle = 'x'\nrevisit = 1", r"arms\.a\.feedback\.revisit: must be true or false"),
        ("[arms.a.feedback]\noracle = 'x'\noptions.a = inf", r"arms\.a\.feedback\.options: must be text, finite"),
        ("[arms.a]\nimages.source = 'shenzen'", r'arms\.a\.images\.source: image source "shenzen" is not installed'),
        ("[arms.'A b']", r'arms\."A b": a name is 1 to 63 of a-z, 0-9, _ and -, and begins with a letter or digit'),
        ("[arms]\na = 5", r"arms\.a: must be a table \(found 5\)"),
        ("", r"arms: a study needs at least one table \[arms\.NAME\]"),
        ("[[arms]]", r"arms: a study needs at least one table \[arms\.NAME\]"),
    ],
)  # fmt: skip
def test_each_wrong_is_one_line_that_says_where_and_what_to_do(text: str, line: str) -> None:
    (found,) = problems(text)
    assert re.match(line, found), found


def test_what_the_file_lacks_is_told_once_and_not_for_every_arm() -> None:
    assert problems("[arms.a]\n[arms.b]", top="") == ["name, images: is missing"]


def test_a_wrong_at_the_top_is_told_once_and_a_wrong_between_tables_names_the_arms() -> None:
    lines = problems(
        """
        [training]
        epochs = 30
        precision = "fp16"
        [arms.baseline]
        [arms.other]
        """
    )
    assert lines == ["training.precision: must be 'fp32' or 'bf16' (found \"fp16\")"]
    lines = problems(
        """
        [training]
        epochs = 30
        [arms.a]
        feedback.oracle = "lesions"
        [arms.b]
        [arms.c]
        feedback.oracle = "all-cells"
        """
    )
    assert lines == ["arms.a, arms.c: imil_epoch = 70 leaves no epoch to train on: training.epochs is 30"]


def test_all_that_is_wrong_is_told_at_once() -> None:
    lines = problems(
        """
        reference = "basline"
        [training]
        epochs = "many"
        [arms.baseline]
        [arms.Mixup]
        augmentation.name = "mix-up"
        """,
        top='name = "small"\n',
    )
    places = [line.split(": ")[0] for line in lines]
    assert places == [
        "images", "training.epochs", "arms.Mixup", "arms.Mixup.augmentation.name", "reference",
    ]  # fmt: skip
    assert lines[-1] == 'reference: there is no arm "basline". Known: Mixup, baseline. Did you mean "baseline"?'


def test_epochs_that_do_not_ascend_are_told_beside_a_wrong_field() -> None:
    assert problems("[arms.a.feedback]\noracle = 'x'\nimil_epoch = [20, 10]\nnum_outliers = 0") == [
        "arms.a.feedback.num_outliers: must be greater than 0 (found 0)",
        "arms.a.feedback.imil_epoch: must be ascending epochs, each once (found [20, 10])",
    ]


NESTED = "[[" * 40 + "]]" * 40


def test_what_is_nested_too_deep_is_told_with_its_place_before_a_parser_gives_up() -> None:
    deep = "more than 64 tables and lists stand inside one another"
    (line,) = problems(f"[arms.a.feedback]\noracle = 'x'\noptions.like = {NESTED}")
    assert line.startswith(f"arms.a.feedback.options.like: {deep}"), line
    dotted = "feedback.options" + 100 * ".x"
    (line,) = problems(f"[arms.a.feedback]\noracle = 'x'\n[sweeps.s]\nbase = 'a'\nvary = {{ '{dotted}' = [1] }}")
    assert deep in line, line


# --------------------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"name = ", "Invalid value"),
        (b"name = 'a'\nname = 'b'", "overwrite"),
        (b"\xff\xfe", "codec"),
        (b"a = " + b"[" * 100_000, "more than 64 tables and lists stand inside one another"),
        (b"a = " + b"1" * 10_000, "4300"),
    ],
)
def test_a_file_that_is_no_toml_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    with pytest.raises(StudyError, match=rf"study broken\.toml cannot be read: .*{message}"):
        read_study(path)


def test_paths_in_a_study_may_lie_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "small.toml").write_text(TOP + "[arms.a]")
    monkeypatch.chdir(tmp_path)
    assert read_study(Path("small.toml")).beside == tmp_path.resolve()


def test_a_study_is_found_by_path_and_a_shipped_one_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "own.toml"
    own.write_text(TOP)
    assert find_study("own.toml") == Path("own.toml")
    assert find_study(str(own)) == own
    shipped = ROOT / "studies" / "demo.toml"
    assert [find_study(asked) for asked in ("demo", "demo.toml", "studies/demo.toml")] == [shipped] * 3
    (tmp_path / "demo.toml").write_text(TOP)
    assert find_study("demo.toml") == Path("demo.toml")
    assert find_study("demo") == shipped


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        ("demmo", 'Did you mean "demo"?'),
        ("own", 'Did you mean "own.toml"?'),
        ("elsewhere/demo.toml", "Known: ci, demo,"),
        (".", "Known: ci, demo,"),
        ("", "Known: ci, demo,"),
    ],
)
def test_a_study_that_is_not_there_names_near_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str, hint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.toml").write_text(TOP)
    with pytest.raises(StudyError, match=re.escape(f'no study file "{asked}"')) as caught:
        find_study(asked)
    assert hint in str(caught.value)


@pytest.mark.parametrize("path", shipped_studies(), ids=lambda path: path.stem)
def test_every_shipped_study_is_sound(path: Path) -> None:
    study = read_study(path)
    assert study.name == path.stem
    assert study.reference == "baseline"
    assert study.arms["baseline"].feedback is None
    asked = [arm.feedback for arm in study.arms.values() if arm.feedback]
    assert {feedback.oracle for feedback in asked} >= {"lung-fields", "random-cells"}


def test_the_paper_is_the_configuration_of_the_paper() -> None:
    arm: Any = read_study(find_study("paper")).arms["lesions"]
    assert (arm.model.name, arm.images.size, arm.split.test) == ("resnet50", 224, 132)
    training = arm.training
    assert (training.optimizer, training.learning_rate, training.batch_size, training.epochs) == ("sgd", 0.001, 64, 100)
    feedback = arm.feedback
    assert (feedback.imil_epoch, feedback.grid_size, feedback.num_outliers) == ((70,), (4, 4), 20)
