"""The exit codes of the tree of exceptions, and the endings of messages."""

from __future__ import annotations

import re

import pytest

from imil_sim import errors
from imil_sim.errors import did_you_mean, gathered, listed


def test_the_page_at_the_head_of_the_file_tells_every_error_and_its_exit_code() -> None:
    said = re.findall(r"^[│├└─ ]*([A-Z]\w+)  .*?(?:exit (\d))?$", errors.__doc__ or "", re.MULTILINE)
    defined = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert {name for name, _ in said} == defined
    codes = {name: int(code) for name, code in said if code}
    assert codes == {name: getattr(errors, name).exit_code for name in codes}
    assert {"UsageError", "DataError", "RunError", "StoreError"} <= codes.keys()
    assert errors.StudyError.exit_code == codes["UsageError"]
    assert errors.NonFiniteLoss.exit_code == codes["RunError"]


@pytest.mark.parametrize(
    ("asked", "known", "said"),
    [
        ("lesoins", ["lesions", "all-cells"], 'Known: all-cells, lesions. Did you mean "lesions"?'),
        ("xyz", ["lesions", "all-cells"], "Known: all-cells, lesions."),
        ("xyz", [], "None is known."),
        (
            "resnet5",
            [f"vgg{i}" for i in range(30)] + ["resnet50", "resnet18"],
            'Of 32 known names near ones are: resnet50, resnet18. Did you mean "resnet50"?',
        ),
        ("xyz", [f"vgg{i}" for i in range(30)], "Known: 30 names."),
    ],
)
def test_a_message_ends_with_what_is_known_and_what_is_near(asked: str, known: list[str], said: str) -> None:
    assert did_you_mean(asked, known) == said


def test_what_is_hardly_alike_is_not_asked_about_but_the_user_learns_where_else_to_look() -> None:
    assert did_you_mean("role", ["folder", "reader"]) == "Known: folder, reader."
    assert did_you_mean("role", ["folder", "reader"], "Look there.") == "Known: folder, reader. Look there."
    assert did_you_mean("folders", ["folder"], "Look there.") == 'Known: folder. Did you mean "folder"?'


def test_problems_are_a_line_each_and_each_is_named_once() -> None:
    assert listed(["one", "two"]) == "\n  - one\n  - two"
    assert gathered([("b", "late"), ("a", "early"), ("c", "late"), ("b", "late")]) == ["b, c: late", "a: early"]
