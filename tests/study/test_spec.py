"""The defaults of docs/method.md, the rules between fields, and the keys that stand for a spec."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from imil_sim import registry
from imil_sim.images.folder import FolderSource
from imil_sim.images.manifest import ManifestSource
from imil_sim.images.montgomery import MontgomerySource
from imil_sim.images.phantom import PhantomSource
from imil_sim.images.shenzhen import ShenzhenSource
from imil_sim.study.spec import (
    ArmSpec,
    AugmentationSpec,
    FeedbackSpec,
    ModelSpec,
    RunSpec,
    Spec,
    SplitSpec,
    TrainingSpec,
    canonical,
    content_key,
)

PHANTOM = {"source": "phantom"}

DEFAULTS: list[tuple[type[Spec], Mapping[str, Any], Mapping[str, Any]]] = [
    (ModelSpec, {}, {"name": "resnet50", "weights": "none", "cam_layer": ""}),
    (
        TrainingSpec,
        {},
        {
            "epochs": 100,
            "batch_size": 64,
            "optimizer": "sgd",
            "learning_rate": 0.001,
            "momentum": 0.0,
            "weight_decay": 0.0,
            "precision": "fp32",
        },
    ),
    (AugmentationSpec, {}, {"name": "none", "alpha": None, "square": 50 / 224}),
    (
        FeedbackSpec,
        {"oracle": "lesions"},
        {
            "options": {},
            "selection": "confident-mispredictions",
            "num_outliers": 20,
            "imil_epoch": (70,),
            "grid_size": (4, 4),
            "fill": "black",
            "mode": "replace",
            "fill_up": "none",
            "revisit": False,
            "reorder": False,
        },
    ),
    (SplitSpec, {}, {"method": "fixed", "test": None, "seed": 0}),
    (
        PhantomSource,
        PHANTOM,
        {
            "size": 64,
            "train": 400,
            "test": 200,
            "seed": 0,
            "conspicuity": 1.0,
            "marker_train": None,
            "marker_test": None,
        },
    ),
    (ShenzhenSource, {"source": "shenzhen"}, {"size": 224, "path": "shenzhen"}),
    (MontgomerySource, {"source": "montgomery"}, {"size": 224, "path": "montgomery"}),
    (FolderSource, {"source": "folder", "path": "x"}, {"size": 224, "classes": None}),
    (
        ManifestSource,
        {"source": "manifest", "path": "x.csv"},
        {
            "size": 224,
            "image_folder": ".",
            "image_column": "image",
            "label_column": "label",
            "classes": None,
            "split_column": None,
            "test_value": "test",
            "group_column": None,
            "attribute_columns": (),
            "mask_columns": {},
        },
    ),
    (
        ArmSpec,
        {"images": PHANTOM},
        {
            "test_sets": {},
            "split": SplitSpec(),
            "model": ModelSpec(),
            "training": TrainingSpec(),
            "augmentation": AugmentationSpec(),
            "feedback": None,
        },
    ),
]


@pytest.mark.parametrize(("model", "given", "defaults"), DEFAULTS, ids=lambda value: getattr(value, "__name__", ""))
def test_every_field_has_the_default_of_the_method(
    model: type[Spec], given: Mapping[str, Any], defaults: Mapping[str, Any]
) -> None:
    made = model.model_validate(given)
    assert {name: getattr(made, name) for name in model.model_fields if name not in given} == dict(defaults)


@pytest.mark.parametrize(
    ("model", "given", "message"),
    [
        (TrainingSpec, {"optimizer": "adam", "momentum": 0.9}, 'momentum belongs to optimizer = "sgd"'),
        (TrainingSpec, {"learning_rate": float("nan")}, "finite"),
        (TrainingSpec, {"batch_size": 1}, "greater than or equal to 2"),
        (AugmentationSpec, {"name": "cutout", "alpha": 0.2}, "alpha belongs to mixup and cutmix"),
        (FeedbackSpec, {"oracle": "x", "imil_epoch": [80, 70]}, r"imil_epoch\n.*ascending epochs, each once"),
        (FeedbackSpec, {"oracle": "x", "imil_epoch": [70, 70]}, "ascending"),
        (FeedbackSpec, {"oracle": "x", "imil_epoch": []}, "ascending"),
        (FeedbackSpec, {"oracle": "x", "grid_size": [4]}, r"one number for a square grid, or \[rows, columns\]"),
        (FeedbackSpec, {"oracle": "x", "options": {"share": float("inf")}}, "finite numbers"),
        (SplitSpec, {"test": 1.0}, "a count of at least 1, or a fraction"),
        (SplitSpec, {"test": 0}, "a count of at least 1, or a fraction"),
        (PhantomSource, PHANTOM | {"marker_train": 0.9}, "marker_train and marker_test go together"),
        (ArmSpec, {"images": PHANTOM, "training": {"epochs": 70}, "feedback": {"oracle": "x"}}, "no epoch to train on"),
        (ArmSpec, {"images": PHANTOM, "test_sets": {"main": PHANTOM}}, "test_sets.main: the name stands for"),
        (ArmSpec, {"images": PHANTOM, "test_sets": {"../x": PHANTOM}}, "pattern"),
        (ArmSpec, {"images": PHANTOM, "test_sets": {"big": PHANTOM | {"size": 65}}}, "has size 65, .* 64"),
    ],
)
def test_fields_that_contradict_one_another_are_refused(model: type[Spec], given: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        model.model_validate(given)


def test_one_epoch_and_one_grid_number_stand_for_a_list_and_a_square() -> None:
    one = FeedbackSpec.model_validate({"oracle": "x", "imil_epoch": 70, "grid_size": 4})
    many = FeedbackSpec.model_validate({"oracle": "x", "imil_epoch": [70], "grid_size": [4, 4]})
    assert one == many
    assert FeedbackSpec.model_validate({"oracle": "x", "grid_size": [2, 3]}).grid_size == (2, 3)


def test_a_spec_survives_its_own_json() -> None:
    arm = ArmSpec.model_validate(
        {
            "images": {"source": "manifest", "path": "x.csv", "attribute_columns": ["sex"]},
            "split": {"test": 0.25},
            "feedback": {"oracle": "x", "imil_epoch": [10, 20], "options": {"like": {"oracle": "y"}}},
        }
    )
    run = RunSpec(arm=arm, seed=3)
    assert RunSpec.model_validate_json(run.model_dump_json()) == run
    counted = SplitSpec(test=132)
    assert SplitSpec.model_validate_json(counted.model_dump_json()).test == 132


def test_the_canonical_text_is_the_same_for_ever() -> None:
    value = {"b": [1, 2.5, None, True], "a": {"ä": "“"}}
    assert canonical(value) == '{"a":{"\\u00e4":"\\u201c"},"b":[1,2.5,null,true]}'
    assert content_key(value) == "44872cad93c67b4c593b4b001aecf2972cb74650bf0bf1fb406ecbc39b680f98"


def test_the_key_of_a_run_spec_is_the_same_for_ever() -> None:
    run = RunSpec(arm=ArmSpec(images=PhantomSource(source="phantom"), feedback=FeedbackSpec(oracle="lesions")), seed=7)
    assert (
        content_key(run.model_dump(mode="json")) == "36c51e6933adb057f755803907819706bb2ed65201106c20967bb119ae97e532"
    )


@given(st.dictionaries(st.text(), st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()))
def test_the_order_of_keys_does_not_matter_and_values_do(value: dict[str, Any]) -> None:
    backwards = dict(reversed(list(value.items())))
    assert content_key(value) == content_key(backwards)
    assert content_key(value) != content_key({**value, "one more": 0})


def test_what_is_no_number_has_no_key() -> None:
    with pytest.raises(ValueError, match="JSON"):
        canonical({"loss": float("nan")})


# ------------------------------------------------------------------------------------------- texts worked out once


def asked(**fields: Any) -> ArmSpec:
    images = {"source": "shenzhen", **fields.pop("images", {})}
    return ArmSpec.model_validate({"images": images, "feedback": {"oracle": "lesions"}, **fields})


def test_a_text_worked_out_once_is_no_part_of_the_spec() -> None:
    fresh, read = asked(), asked()
    assert read.text == canonical(read.model_dump(mode="json"))
    assert fresh == read
    assert fresh.model_dump() == read.model_dump()
    assert ArmSpec.model_validate_json(read.model_dump_json()) == read


def test_a_copy_with_other_values_has_other_texts() -> None:
    arm = asked()
    assert arm.text
    assert arm.recipe
    copied = arm.model_copy(update={"augmentation": AugmentationSpec(name="mixup")})
    assert copied == asked(augmentation={"name": "mixup"})
    assert copied.text == canonical(copied.model_dump(mode="json"))
    assert copied.text != arm.text
    assert copied.recipe != arm.recipe


def test_the_recipe_is_what_an_epoch_depends_on_and_the_question_is_not_when_it_is_asked() -> None:
    arm = asked()
    assert asked(training={"epochs": 90}).recipe == arm.recipe
    assert asked(training={"momentum": 0.9}).recipe != arm.recipe
    assert asked(model={"name": "resnet18"}).recipe != arm.recipe
    first, later, more = (
        FeedbackSpec.model_validate({"oracle": "lesions", **given})
        for given in ({}, {"imil_epoch": 50}, {"num_outliers": 5})
    )
    assert first.question == later.question
    assert first.question != more.question


def test_the_same_images_elsewhere_are_the_same_arm() -> None:
    arm = asked(test_sets={"far": {"source": "montgomery"}})
    moved = asked(images={"path": "elsewhere"}, test_sets={"far": {"source": "montgomery", "path": "/there"}})
    assert arm.placeless == moved.placeless
    assert arm.text != moved.text
    assert arm.placeless != asked(images={"size": 96}).placeless


def test_a_source_in_an_arm_leaves_its_defaults_out_where_the_arm_does() -> None:
    arm = ArmSpec(images=PhantomSource(source="phantom", train=60))
    assert arm.model_dump(mode="json", exclude_defaults=True) == {"images": {"source": "phantom", "train": 60}}


def test_parts_of_guests_enter_a_question_with_their_version_and_built_in_ones_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    feedback = FeedbackSpec(oracle="lesions", fill="black")
    built_in = feedback.question
    assert built_in == canonical(feedback.model_dump(mode="json", exclude={"imil_epoch"}))
    keys = set()
    for version in ("guest 1.0", "guest 1.0", "guest 2.0"):
        installed = (registry.Part("fills", "black", version, "guest:black"),)
        monkeypatch.setattr(registry, "parts", lambda kind, found=installed: found if kind == "fills" else ())
        keys.add(FeedbackSpec(oracle="lesions", fill="black").question)
    assert len(keys | {built_in}) == 3
