"""`RunSpec`: everything that determines one run, frozen, with the paper's names and the defaults of docs/method.md."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PositiveFloat,
    PositiveInt,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, PydanticKnownError, core_schema

from imil_sim import registry
from imil_sim.errors import PartError, did_you_mean

Fraction = Annotated[float, Field(ge=0, le=1)]

# More than any study needs, and few enough for a machine: a larger number is taken for a slip of the pen.
MOST_IMAGES = 1_000_000
MOST_PIXELS = 10_000_000_000
"""Of all images of the phantom; as many bytes, and once more for each kind of mask."""
MOST_EPOCHS = 100_000
MOST_CONSULTATIONS = 1_000
MOST_SIDE = 4096
"""Pixels of an image's side, and so cells of a grid's."""

MOST_RATE = 1e30
"""Of what torch multiplies with in single precision, which bears no more."""

MOST_ORACLES = 16
"""Tables of oracles inside one another."""
MOST_DEEP = 64
"""Tables and lists inside one another, in any part of a study; `MOST_ORACLES` need fewer, parsers bear more."""

NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}$"

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
"""Of a study, an arm or a further test set: it becomes part of a path and of a table."""


class Spec(BaseModel):
    """A part of a spec: frozen, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @cached_property
    def text(self) -> str:
        """Its canonical JSON, defaults included; written once, since a study asks for it run by run."""
        return canonical(self.model_dump(mode="json"))

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with other values; what was worked out from the old ones is not copied."""
        copied = super().model_copy(update=update, deep=deep)
        for name in copied.__dict__.keys() - type(self).model_fields.keys():
            del copied.__dict__[name]
        return copied


@dataclass(frozen=True)
class Installed:
    """Marks a text as the name of an installed part of a kind; the schema lists the names."""

    kind: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._known, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "enum": list(registry.names(self.kind))}

    def _known(self, name: str) -> str:
        known = registry.names(self.kind)
        if name not in known:
            raise ValueError(f'there is no {registry.KINDS[self.kind]} "{name}". {did_you_mean(name, known)}')
        return name


# ---------------------------------------------------------------------------------------------------------- images


class Source(Spec):
    """What every image source has; each is a part, a class below this one (see `imil_sim.images.source`)."""

    source: str = Field(description="Name of an installed image source.")
    size: int = Field(224, ge=16, le=MOST_SIDE, description="Height and width every image is brought to, pixels.")


def sources() -> dict[str, type[Source]]:
    """Every installed image source by name, less those of packages that cannot be imported."""
    found = {}
    for name in registry.names("sources"):
        with contextlib.suppress(PartError):
            found[name] = source_class(name)
    return found


def source_class(name: str) -> type[Source]:
    """The class of the installed image source of that name.

    Raises:
        PartError: there is none, it cannot be imported, or it is no `Source`.
    """
    found = registry.load("sources", name)
    if not (isinstance(found, type) and issubclass(found, Source)):
        raise PartError(f'image source "{name}" is no class below imil_sim.images.Source', "sources", name)
    return found


class _ByName:
    """Reads a table as the image source that its field ``source`` names; the schema is a choice of all."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self._read,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda value, info: value.model_dump(mode=info.mode, exclude_defaults=info.exclude_defaults),
                info_arg=True,
            ),
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        choices = []
        for name, cls in sources().items():
            choices.append(handler(cls.__pydantic_core_schema__))
            table = handler.resolve_ref_schema(choices[-1])
            table.pop("required", None)  # an arm completes what the top of the file begins
            table["properties"]["source"] = {"const": name, "description": registry.summary(cls)}
        return {"anyOf": choices}

    def _read(self, value: Any) -> Source:
        if isinstance(value, Source):
            return value
        if not isinstance(value, Mapping):
            raise PydanticKnownError("dict_type")
        name = value.get("source")
        try:
            if not isinstance(name, str):
                known = did_you_mean("", registry.names("sources"))
                raise PartError(f"is missing. {known}" if name is None else "must be text", "sources", "")
            cls = source_class(name)
        except PartError as error:
            wrong = PydanticCustomError("part", "{wrong}", {"wrong": str(error)})
            where = InitErrorDetails(type=wrong, loc=("source",), input=name)
            raise ValidationError.from_exception_data("source", [where]) from error
        # As JSON, since pydantic's strict mode takes a JSON array for a tuple but never text for a number.
        return cls.model_validate_json(json.dumps(value, default=str), strict=True)


AnySource = Annotated[Source, _ByName()]


def _count_or_fraction(value: Any) -> Any:
    counts = type(value) is int and value >= 1
    if value is None or counts or (isinstance(value, float) and 0 < value < 1):
        return value
    raise ValueError("must be a count of at least 1, or a fraction between 0 and 1 such as 0.2")


_Count = Annotated[int, Field(ge=1)]
_Share = Annotated[float, Field(gt=0, lt=1)]


class SplitSpec(Spec):
    """Which images train and which test."""

    method: Literal["fixed", "per-seed"] = Field("fixed", description="One split for the study, or a new one per seed.")
    test: Annotated[
        int | float | None, BeforeValidator(_count_or_fraction, json_schema_input_type=_Count | _Share | None)
    ] = Field(None, description="Test images as a count or a fraction; none: the source's own split, else 0.2.")
    seed: int = Field(0, ge=0, description="Seed of the fixed split.")


# -------------------------------------------------------------------------------------------------------- training


class ModelSpec(Spec):
    """The classifier: an installed model, or one of torchvision by its name there."""

    name: str = Field("resnet50", description="resnet10, resnet18, resnet50, densenet121, vit_b_16, swin_t, ...")
    weights: str = Field("none", description="none (from scratch), DEFAULT (torchvision's), or a local weights file.")
    cam_layer: str = Field(
        "",
        description="Layer that Grad-CAM explains, such as layer2; empty: the last block, whose map is the coarsest.",
        exclude_if=lambda name: not name,  # so that the keys of studies without it stay what they are
    )


class TrainingSpec(Spec):
    """The recipe of training; the paper's values are the defaults."""

    epochs: PositiveInt = Field(
        100, le=MOST_EPOCHS, description="Epochs altogether, those after the last consultation included."
    )
    batch_size: int = Field(64, ge=2, le=MOST_IMAGES, description="Images a step.")
    optimizer: Literal["sgd", "adam", "adamw"] = Field("sgd", description="Torch's, with its own further defaults.")
    learning_rate: PositiveFloat = Field(0.001, le=MOST_RATE, description="The same in every epoch.")
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(0.0, description="Of SGD; Adam and AdamW ignore it.")
    weight_decay: Annotated[float, Field(ge=0)] = Field(0.0, le=MOST_RATE, description="As the optimizer defines it.")
    precision: Literal["fp32", "bf16"] = Field(
        "fp32", description="bf16: autocast in training; predictions and CAMs are always computed in fp32."
    )

    @model_validator(mode="after")
    def _momentum_is_of_sgd(self) -> TrainingSpec:
        if self.momentum and self.optimizer != "sgd":
            raise ValueError(f'momentum belongs to optimizer = "sgd", not to "{self.optimizer}"')
        return self


class AugmentationSpec(Spec):
    """A baseline augmentation, applied to every training batch."""

    name: Annotated[str, Installed("augmentations")] = Field("none", description="Which one.")
    alpha: Annotated[float, Field(ge=1e-6, le=1_000_000)] | None = Field(
        None, description="Beta(alpha, alpha) of MixUp (0.2) and CutMix (1.0); none: those values."
    )
    square: Annotated[float, Field(gt=0, le=1)] = Field(
        50 / 224, description="Side of CutOut's square as a fraction of the image's side."
    )

    @model_validator(mode="after")
    def _alpha_is_of_blends(self) -> AugmentationSpec:
        if self.alpha is not None and self.name in ("none", "cutout"):
            raise ValueError(f'alpha belongs to mixup and cutmix, not to "{self.name}"')
        if self.square != type(self).model_fields["square"].default and self.name in ("none", "mixup", "cutmix"):
            raise ValueError(f'square belongs to cutout, not to "{self.name}"')
        return self


# -------------------------------------------------------------------------------------------------------- feedback


def _one_or_many(value: Any) -> Any:
    if type(value) is int:
        return (value,)
    return tuple(value) if isinstance(value, list) else value


def _square_or_rectangle(value: Any) -> Any:
    if type(value) is int:
        return value, value
    if isinstance(value, list | tuple) and len(value) == 2:
        return tuple(value)
    raise ValueError("must be one number for a square grid, or [rows, columns]")


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    try:
        canonical(value)
    except (TypeError, ValueError) as error:
        raise ValueError("must be text, finite numbers, booleans, lists and tables; no dates, no inf or nan") from error
    return value


_Epoch = Annotated[PositiveInt, Field(le=MOST_EPOCHS)]
_Epochs = tuple[_Epoch, ...]
_Cells = Annotated[PositiveInt, Field(le=MOST_SIDE)]


def _ascending(epochs: _Epochs) -> _Epochs:
    if not epochs or list(epochs) != sorted(set(epochs)):
        raise ValueError("must be ascending epochs, each once")
    return epochs


class FeedbackSpec(Spec):
    """When the clinician is asked, about what, and what becomes of the answers."""

    oracle: str = Field(description="Name of an installed oracle; see `imil-sim oracles`.")
    options: Annotated[dict[str, Any], AfterValidator(_plain)] = Field(
        default_factory=dict, description="The oracle's own options."
    )
    selection: Annotated[str, Installed("selections")] = Field(
        "confident-mispredictions", description="Which images are asked about; see docs/oracles.md."
    )
    num_outliers: PositiveInt = Field(
        20, le=MOST_IMAGES, description="Images asked about at each consultation, at most."
    )
    imil_epoch: Annotated[
        _Epochs,
        Field(max_length=MOST_CONSULTATIONS),
        BeforeValidator(_one_or_many, json_schema_input_type=_Epoch | Annotated[_Epochs, Field(min_length=1)]),
        AfterValidator(_ascending),
    ] = Field((70,), description="Completed epochs before each consultation; a list repeats the loop.")
    grid_size: Annotated[
        tuple[_Cells, _Cells],
        BeforeValidator(_square_or_rectangle, json_schema_input_type=_Cells | tuple[_Cells, _Cells]),
    ] = Field((4, 4), description="Rows and columns of the grid; one number for a square one.")
    fill: Annotated[str, Installed("fills")] = Field(
        "black", description="What fills the cells that were not chosen; see docs/oracles.md."
    )
    mode: Literal["replace", "append"] = Field("replace", description="Replace the image, or append the new one.")
    fill_up: Literal["none", "least-confident-correct"] = Field(
        "none", description="What is asked about where there are fewer mispredictions than num_outliers."
    )
    revisit: bool = Field(False, description="Whether a later consultation may ask again about a replaced image.")
    reorder: bool = Field(
        False,
        description="Train on in another batch order; with oracle abstain the placebo: a fork that replaces nothing.",
    )

    @cached_property
    def question(self) -> str:
        """Canonical JSON of which oracle is asked what; two consultations of one state with equal ones are the same.

        Parts of guests enter with the version of their package.
        """
        asked = self.model_dump(mode="json", exclude={"imil_epoch"})
        guests = guests_among(oracles=self.oracle, selections=self.selection, fills=self.fill)
        return canonical([asked, *guests] if guests else asked)


# ------------------------------------------------------------------------------------------------------------- run


class ArmSpec(Spec):
    """One line of the comparison: a run spec without its seed."""

    images: AnySource = Field(description="Where the images come from.")
    test_sets: dict[Name, AnySource] = Field(
        default_factory=dict, description="Further sets that are tested and reported apart, by name."
    )
    split: SplitSpec = Field(SplitSpec(), description="Which images train and which test.")
    model: ModelSpec = Field(ModelSpec(), description="The classifier.")
    training: TrainingSpec = Field(TrainingSpec(), description="The recipe of training.")
    augmentation: AugmentationSpec = Field(AugmentationSpec(), description="A baseline augmentation.")
    feedback: FeedbackSpec | None = Field(None, description="The consultations; none: an arm without feedback.")

    @model_validator(mode="after")
    def _test_sets_are_like_the_images(self) -> ArmSpec:
        if taken := {"main", "train"} & set(self.test_sets):
            raise ValueError(f"test_sets.{min(taken)}: the name stands for the study's own images; choose another")
        for name, source in self.test_sets.items():
            if source.size != self.images.size:
                raise ValueError(
                    f"test_sets.{name} has size {source.size}, the images of the study {self.images.size}: a model is "
                    f"tested at the size it was trained at, so give both the same size"
                )
        return self

    @model_validator(mode="after")
    def _consultations_precede_the_end(self) -> ArmSpec:
        if self.feedback and self.feedback.imil_epoch[-1] >= self.training.epochs:
            raise ValueError(
                f"imil_epoch = {self.feedback.imil_epoch[-1]} leaves no epoch to train on: training.epochs is "
                f"{self.training.epochs}"
            )
        return self

    @cached_property
    def recipe(self) -> str:
        """Canonical JSON of what each epoch depends on besides images, initial weights, seed and overlay.

        A guest's model or augmentation enters with the version of its package: another version trains anew.
        """
        training = self.training.model_dump(mode="json", exclude={"epochs"})
        guests = guests_among(models=self.model.name, augmentations=self.augmentation.name)
        return canonical([self.model.name, training, self.augmentation.model_dump(mode="json"), *guests])

    @cached_property
    def placeless(self) -> str:
        """Its canonical JSON without where the images lie: the same images in another place make the same run."""
        arm: dict[str, Any] = self.model_dump(mode="json")
        for source in [arm["images"], *arm["test_sets"].values()]:
            source.pop("path", None)
        return canonical(arm)


class RunSpec(Spec):
    """Everything that determines a run."""

    arm: ArmSpec
    seed: int = Field(ge=0)


def guests_among(**names: str) -> list[str]:
    """The packages, with their versions, of those parts (a kind to a name) that guests bring."""
    found = [part for kind, name in names.items() for part in registry.parts(kind) if part.name == name]
    return [part.distribution for part in found if part.guest]


_PLACE = 5
"""Keys that say where something stands: ``arms.NAME.feedback.options.like``."""


def too_deep(value: Any) -> tuple[str, ...] | None:
    """The first keys that lead to more than `MOST_DEEP` tables and lists inside one another; None where none do."""
    waiting: list[tuple[Any, int, tuple[str, ...]]] = [(value, 0, ())]
    while waiting:
        part, depth, path = waiting.pop()
        if not isinstance(part, Mapping | list | tuple):
            continue
        if depth >= MOST_DEEP:
            return path
        inside = part.items() if isinstance(part, Mapping) else enumerate(part)
        waiting += [(each, depth + 1, (*path, str(key))[:_PLACE]) for key, each in inside]
    return None


def canonical(value: Any) -> str:
    """The one JSON text of ``value``: sorted keys, no spaces; the same on every machine and interpreter."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def content_key(value: Any) -> str:
    """SHA-256, 64 hex digits, of the canonical JSON of ``value``."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


# ------------------------------------------------------------------------------------------------- what is wrong

_KINDS = {
    "string_type": "text",
    "string_sub_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a whole number of no more than 20 digits",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
}
"""What a value must be, by pydantic's kind of error."""


def problems_of(error: ValidationError, known: Iterable[str] = ()) -> Iterator[tuple[str, str]]:
    """(place, what is wrong) of everything pydantic found: ``("zones.0", 'must be text (found 3)')``.

    The place is empty for what is wrong with the whole document. ``known`` are the fields that there are, for the near
    ones of an unknown field.
    """
    for found in error.errors(include_url=False):
        place = ".".join(str(part) for part in found["loc"] if part != "[key]")
        near = f". {did_you_mean(place, known)}" if known and found["type"] == "extra_forbidden" else ""
        yield place, f"{wrong(found)}{near}"


def lines(error: ValidationError, known: Iterable[str] = ()) -> list[str]:
    """`problems_of`, a line each, for `imil_sim.errors.listed`."""
    return [f"{place}: {what}" if place else what for place, what in problems_of(error, known)]


def wrong(found: Any) -> str:
    """What is wrong, of one of the errors in `ValidationError.errors`; the value is shown where it is no table."""
    kind, context, given = found["type"], found.get("ctx", {}), shown(found["input"])
    where = "" if isinstance(found["input"], dict) else f" (found {given})"
    match kind:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return "there is no such field"
        case "part":  # an unknown or broken one: `imil_sim.errors.PartError` has said it all
            return str(found["msg"])
        case "literal_error":
            return f"must be {context['expected']}{where}"
        case "too_long":
            return f"must have at most {context['max_length']:,} values"
        case "value_error":
            what = str(context["error"])
            return what if isinstance(found["input"], str) and given in what else f"{what}{where}"
    return (f"must be {_KINDS[kind]}" if kind in _KINDS else found["msg"].replace("Input should be", "must be")) + where


def shown(value: Any) -> str:
    """A value much as TOML writes it, shortened."""
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."
