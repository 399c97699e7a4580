"""The JSON schema of study files: it takes every shipped study, and what an editor is to mark red it refuses."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from imil_sim.errors import StudyError
from imil_sim.study.schema import study_schema
from imil_sim.study.study import parse_study, shipped_studies

SCHEMA = study_schema()
VALID = Draft202012Validator(SCHEMA)

TOP = """
name = "small"
images.source = "phantom"
[arms.baseline]
[arms.lesions]
feedback.oracle = "lesions"
"""


def reads(content: dict[str, Any]) -> bool:
    """Whether `parse_study` takes it."""
    try:
        parse_study(content, beside=Path())
    except StudyError:
        return False
    return True


def every(schema: Any) -> list[dict[str, Any]]:
    """All schemas inside a schema."""
    inner = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    return [*([schema] if isinstance(schema, dict) else []), *(found for part in inner for found in every(part))]


def test_it_is_a_schema_of_the_draft_it_names() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


@pytest.mark.parametrize("path", shipped_studies(), ids=lambda path: path.stem)
def test_every_shipped_study_is_valid(path: Path) -> None:
    assert list(VALID.iter_errors(tomllib.loads(path.read_text(encoding="utf-8")))) == []


@pytest.mark.parametrize(
    "text",
    [
        "[sweeps.s]\nbase = 'lesions'\nvary = {'feedback.num_outliers' = [1], 'feedback.options.threshold' = [0.5]}",
        "[sweeps.s]\nbase = ['lesions', 'baseline']\nvary.training.epochs = [90]\nvary.model.name = ['resnet18']",
        "[sweeps.s]\nbase = 'lesions'\nvary.feedback.options.like = [{oracle = 'lesions'}]",
        "[sweeps.s]\nbase = 'lesions'\nvary.feedback = [false, {oracle = 'all-cells'}]",
        "[sweeps.s]\nbase = 'lesions'\npoints.two = {feedback = {imil_epoch = [50, 70], grid_size = [2, 3]}}",
        "[arms.off]\nfeedback = false",
        "[arms.real]\nimages = {source = 'folder', path = 'images', size = 96}",
        "[arms.more.test_sets.far]\nsource = 'montgomery'\nsize = 64",
        "[split]\ntest = 0.25",
        "[arms.a]\nimages.size = 32",
    ],
)
def test_what_a_study_may_say_is_valid(text: str) -> None:
    content = tomllib.loads(TOP + text)
    assert list(VALID.iter_errors(content)) == []
    assert reads(content)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[trainning]\nepochs = 3", "$"),
        ("[training]\nepoch = 3", "$.training"),
        ("[training]\nepochs = 0", "$.training.epochs"),
        ("[training]\nepochs = '9'", "$.training.epochs"),
        ("[training]\noptimizer = 'sdg'", "$.training.optimizer"),
        ("[split]\ntest = 1.5", "$.split.test"),
        ("[arms.a]\ntraining.epoch = 3", "$.arms.a.training"),
        ("[arms.a]\nfeedback = 5", "$.arms.a.feedback"),
        ("[arms.a.feedback]\noracle = 'x'\nnum_outlier = 3", "$.arms.a.feedback"),
        ("[arms.a.feedback]\noracle = 'x'\nimil_epoch = []", "$.arms.a.feedback"),
        ("[arms.a.feedback]\noracle = 'x'\ngrid_size = [2, 2, 2]", "$.arms.a.feedback"),
        ("[arms.a]\nimages = {source = 'shenzen'}", "$.arms.a.images"),
        ("[arms.a]\nimages = {source = 'shenzhen', train = 40}", "$.arms.a.images"),
        ("[arms.'A b']", "$.arms"),
        ("[sweeps.s]\nvary.training.epochs = [3]", "$.sweeps.s"),
        ("[sweeps.s]\nbase = []\nvary.training.epochs = [3]", "$.sweeps.s.base"),
        ("[sweeps.s]\nbase = 'lesions'", "$.sweeps.s"),
        ("[sweeps.s]\nbase = 'lesions'\nvary.training.epochs = [3]\npoints.a = {training.epochs = 4}", "$.sweeps.s"),
        ("[sweeps.s]\nbase = 'lesions'\nvary.feedback.num_outliers = 3", "$.sweeps.s.vary.feedback"),
        ("[sweeps.s]\nbase = 'lesions'\nhow = 'cross'\nvary.training.epochs = [3]", "$.sweeps.s.how"),
        ("[sweeps.s]\nbase = 'lesions'\npoints.a = {training.epoch = 3}", "$.sweeps.s.points.a.training"),
    ],
)
def test_typical_mistakes_are_marked_where_they_stand(text: str, place: str) -> None:
    content = tomllib.loads(TOP + text)
    assert place in {error.json_path for error in VALID.iter_errors(content)}
    assert not reads(content)


@pytest.mark.parametrize(("drop", "place"), [("name", "$"), ("arms", "$")])
def test_what_a_study_cannot_do_without_is_asked_for(drop: str, place: str) -> None:
    content = tomllib.loads(TOP)
    del content[drop]
    (error,) = VALID.iter_errors(content)
    assert (error.json_path, drop in error.message) == (place, True)


def test_every_field_has_a_description_in_plain_words_and_nothing_is_null() -> None:
    fields = [
        (name, field)
        for table in [SCHEMA, *SCHEMA["$defs"].values()]
        for name, field in table.get("properties", {}).items()
    ]
    assert len(fields) > 60
    assert [name for name, field in fields if not field.get("description") and "$ref" not in field] == []
    found = every(SCHEMA)
    assert [schema for schema in found if "``" in str(schema.get("description", ""))] == []
    assert [schema for schema in found if schema.get("type") == "null" or schema.get("default", 0) is None] == []


def test_defaults_and_choices_come_with_the_fields() -> None:
    training = SCHEMA["$defs"]["TrainingSpec"]["properties"]
    assert training["epochs"]["default"] == 100
    assert training["optimizer"]["enum"] == ["sgd", "adam", "adamw"]
    assert SCHEMA["properties"]["seeds"]["default"] == 10
