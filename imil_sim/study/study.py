"""`Study`: a TOML file read into arms and seeds, with every problem of the file named at once."""

from __future__ import annotations

import functools
import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, Field, ValidationError

from imil_sim.errors import StudyError, did_you_mean, gathered, listed
from imil_sim.study import spec as specs
from imil_sim.study.check import NOTHING, CheckSpec
from imil_sim.study.spec import MOST_DEEP, MOST_ORACLES, NAME_PATTERN, ArmSpec, Name, RunSpec, Spec, shown, too_deep
from imil_sim.study.sweep import Level, Sweep, SweepSpec, count, expand

PARTS = ("images", "test_sets", "split", "model", "training", "augmentation", "feedback")
"""The tables an arm may override; given at the top of the file they hold for every arm."""

OWN = "own"
"""Image source that stands for the images of a training of one's own, see `imil_sim.images.own`."""

MOST_SEEDS = 10_000
"""A larger count of seeds is taken for a slip of the pen."""

MOST_RUNS = 100_000
"""Each is a training, and all are planned together: more is taken for a slip of the pen."""

MOST_SECONDS = 1_000_000
"""That an oracle may be waited for: 11 days."""

_S = TypeVar("_S", bound=Spec)

_Problems = list[tuple[str, str]]
"""Place in the file, and what is wrong there."""


def _count_or_list(value: Any) -> tuple[int, ...]:
    if type(value) is int and 1 <= value <= MOST_SEEDS:
        return tuple(range(value))
    numbers = isinstance(value, list | tuple) and all(type(v) is int and 0 <= v < 2**63 for v in value)
    if numbers and 0 < len(value) == len(set(value)):
        return tuple(value)
    raise ValueError(f"must be a count from 1 to {MOST_SEEDS}, or a list of different numbers from 0 up")


_Count = Annotated[int, Field(ge=1, le=MOST_SEEDS)]
_List = Annotated[tuple[Annotated[int, Field(ge=0, lt=2**63)], ...], Field(min_length=1)]


class StudyHead(Spec):
    """The parts of the file that are not an arm's."""

    name: Name = Field(description="Of the study; its results go to reports/NAME.")
    title: str = Field("", description="One line about it, for the report.")
    seeds: Annotated[tuple[int, ...], BeforeValidator(_count_or_list, json_schema_input_type=_Count | _List)] = Field(
        tuple(range(10)), description="How many (0, 1, ...), or which.", json_schema_extra={"default": 10}
    )
    reference: str | None = Field(None, description="The arm the others are compared with; none: the first.")
    comparisons: tuple[tuple[str, str], ...] = Field(
        (),
        description="Planned comparisons: pairs of an arm and the arm it is compared with; none: each arm of "
        "[arms] with the reference.",
    )
    checkpoint_minutes: float = Field(
        10.0, gt=0, description="Minutes between two checkpoints inside a long stage; cannot move a number."
    )
    oracle_seconds: float = Field(
        60.0,
        gt=0,
        le=MOST_SECONDS,
        description="Seconds an oracle may take over one answer; one that takes longer fails its runs.",
    )
    record: bool = Field(
        False, description="Whether every run's answers are written as a session, to be replayed; cannot move a number."
    )
    check: CheckSpec = Field(NOTHING, description="What imil-sim check holds the study to.")


class Study(StudyHead):
    """A declared set of runs: arms crossed with seeds; `StudyHead` has the rest of its fields."""

    arms: dict[str, ArmSpec]
    """In the order of the file."""
    reference: str
    """Name of the arm the others are compared with."""
    sweeps: tuple[Sweep, ...] = ()
    """Families of arms along a field; their comparisons with each other are exploratory."""
    beside: Path
    """Folder of the file; relative paths in it may mean places beside it."""

    @property
    def own(self) -> bool:
        """Whether its runs were made by a training of one's own, and recorded in the folder `beside`."""
        return any(arm.images.source == OWN for arm in self.arms.values())

    def runs(self) -> Iterator[tuple[str, RunSpec]]:
        """(arm name, spec) of every run: all arms of the first seed, then all of the second, ..."""
        for seed in self.seeds:
            for name, arm in self.arms.items():
                yield name, RunSpec(arm=arm, seed=seed)


def find_study(asked: str) -> Path:
    """The study file of that path, or the shipped one of that name.

    Raises:
        StudyError: there is neither.
    """
    path = Path(asked)
    if path.suffix == ".toml" and path.is_file():
        return path
    shipped = {p.stem: p for p in shipped_studies()}
    name = path.stem if path.suffix == ".toml" and path.parent in (Path(), Path("studies")) else asked
    if name in shipped:
        return shipped[name]
    file = f"{asked}.toml"
    near = f'Did you mean "{file}"?' if Path(file).is_file() else did_you_mean(name, shipped)
    raise StudyError(f'there is no study file "{asked}" and no shipped study of that name. {near}')


def shipped_studies() -> list[Path]:
    """The study files that come with imil-sim: from the wheel, or from the checkout."""
    package = Path(__file__).parent
    for folder in (package / "shipped", package.parent.parent / "studies"):
        if folder.is_dir():
            return sorted(folder.glob("*.toml"))
    return []


def read_study(path: Path) -> Study:
    """The study of a TOML file.

    Raises:
        StudyError: the file cannot be read or is wrong; the message lists every problem.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except RecursionError as error:
        raise StudyError(f"study {path.name} cannot be read: {_DEEP}") from error
    except (OSError, ValueError) as error:  # not UTF-8, not TOML, endless digits
        raise StudyError(f"study {path.name} cannot be read: {error}") from error
    return parse_study(content, beside=path.resolve().parent, label=path.name)


def parse_study(content: Mapping[str, Any], *, beside: Path, label: str = "study") -> Study:
    """The study of an already parsed file; oracles are looked at by `imil_sim.engine.study_run`.

    Args:
        content: what the file holds.
        beside: folder of the file.
        label: what messages call it.

    Raises:
        StudyError: lists every problem.
    """
    if deep := too_deep(content):
        raise StudyError(f"study {label} is wrong:{listed([f'{_place(deep)}: {_DEEP}'])}")
    problems: _Problems = []
    base = {key: value for key, value in content.items() if key in PARTS}
    rest = {key: value for key, value in content.items() if key not in (*PARTS, "arms", "sweeps")}
    head = _checked(StudyHead, rest, problems)
    given = content.get("arms")
    if not isinstance(given, Mapping) or not given:
        problems.append(("arms", "a study needs at least one table [arms.NAME]"))
        given = {}
    elif "feedback" in base and not any(map(_consults, given.values())):
        problems.append(("feedback", "holds only for arms with a table [arms.NAME.feedback], and no arm has one"))
    arms = {name: arm for name, own in given.items() if (arm := _arm(name, base, own, problems))}
    swept = _sweeps(content.get("sweeps", {}), given, problems)
    many = (len(arms) + sum(map(count, swept.values()))) * (len(head.seeds) if head else 1)
    if many > MOST_RUNS:  # known before the sweeps are unfolded, which might never end
        problems.append(("sweeps, seeds", f"{many:,} runs are more than {MOST_RUNS:,}; vary fewer values"))
        raise StudyError(f"study {label} is wrong:{listed(gathered(problems))}")
    sweeps = [expand(name, spec) for name, spec in swept.items()]
    known = dict.fromkeys([*given, *(level.arm for sweep in sweeps for level in sweep.levels)], "")
    for number, sweep in enumerate(sweeps):
        levels = [_grown(sweep.name, level, base, given[level.base], arms, problems) for level in sweep.levels]
        known |= {old.arm: new.arm for old, new in zip(sweep.levels, levels, strict=True) if old != new}
        sweeps[number] = replace(sweep, levels=tuple(levels))
    if head:
        _check_names(head, known, problems)
    if problems or head is None:
        raise StudyError(f"study {label} is wrong:{listed(gathered(problems))}")
    reference = head.reference or next(iter(arms))
    own = {"arms": arms, "reference": reference, "sweeps": tuple(sweeps), "beside": beside}
    comparisons = head.comparisons or tuple((arm, reference) for arm in given if arm != reference)
    return Study.model_construct(**{**dict(head), **own, "comparisons": comparisons})


def _sweeps(tables: Any, arms: Mapping[str, Any], problems: _Problems) -> dict[str, SweepSpec]:
    """The tables of [sweeps] that can be unfolded, by name."""
    if not isinstance(tables, Mapping):
        problems.append(("sweeps", f"must be tables [sweeps.NAME] (found {shown(tables)})"))
        return {}
    found = {}
    for name, table in tables.items():
        where = f"sweeps.{_key(name)}"
        if not re.fullmatch(NAME_PATTERN, name):
            problems.append((where, _NAME))
        if not isinstance(table, Mapping):
            problems.append((where, f"must be a table (found {shown(table)})"))
            continue
        wrong: _Problems = []
        spec = _checked(SweepSpec, table, wrong)
        problems += [(f"{where}.{place}" if place else where, what) for place, what in wrong]
        unknown = [base for base in spec.base if not isinstance(arms.get(base), Mapping)] if spec else []
        problems += [(f"{where}.base", f'there is no arm "{base}". {did_you_mean(base, arms)}') for base in unknown]
        if spec and not unknown:
            found[name] = spec
    return found


def _check_names(head: StudyHead, arms: Mapping[str, str], problems: _Problems) -> None:
    """Check that every arm the head of the file names is there, whether or not something is wrong with it.

    ``arms`` holds every name, and what it is called instead where another arm stands for it.
    """
    named = [("comparisons", name) for pair in head.comparisons for name in pair]
    if head.reference is not None:
        named.append(("reference", head.reference))
    for number, that in enumerate(head.check.expectations):
        named += [(f"check.expectations.{number}", name) for name in dict.fromkeys((that.arm, that.other))]
    for at, name in named:
        if name not in arms:
            problems.append((at, f'there is no arm "{name}". {did_you_mean(name, arms)}'))
        elif arms[name]:
            problems.append((at, f'"{name}" is the arm "{arms[name]}" itself; write that'))
    problems += [("comparisons", f'"{a}" is compared with itself') for a, b in head.comparisons if a == b]
    twice = [pair for pair, count in Counter(head.comparisons).items() if count > 1]
    problems += [("comparisons", f'"{a}" is compared with "{b}" more than once') for a, b in twice]


def _arm(name: str, base: Mapping[str, Any], own: Any, problems: _Problems) -> ArmSpec | None:
    """The spec of an arm of [arms]: the tables at the top of the file with the arm's ``own`` laid over them."""
    where = f"arms.{_key(name)}"
    if not re.fullmatch(NAME_PATTERN, name):
        problems.append((where, _NAME))
    if not isinstance(own, Mapping):
        problems.append((where, f"must be a table (found {shown(own)})"))
        return None
    return _checked(ArmSpec, _laid_over(base, own), problems, where, own)


def _grown(
    sweep: str,
    level: Level,
    base: Mapping[str, Any],
    own: Mapping[str, Any],
    arms: dict[str, ArmSpec],
    problems: _Problems,
) -> Level:
    """The level, its arm added to ``arms``; where it would be the base arm once more, the base arm stands for it.

    ``base`` holds the tables at the top of the file, ``own`` those of the arm that is swept.
    """
    where = f"sweeps.{_key(sweep)}"
    if level.base not in arms:  # what is wrong with it is known
        return level
    place = f"{where}.points.{level.values['point']}" if "point" in level.values else f"{where}.vary"
    arm = _checked(ArmSpec, _laid_over(base, _merge(own, level.overrides)), problems, place, level.overrides)
    if arm == arms[level.base]:
        return replace(level, arm=level.base)
    if level.arm in arms:
        problems.append((where, f'arm "{level.arm}" is made twice; leave out one of the two'))
    elif arm is not None:
        arms[level.arm] = arm
    return level


def _laid_over(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """All tables of an arm."""
    merged = _merge(base, own)
    if not _consults(own):
        merged.pop("feedback", None)
    return merged


def _consults(own: Any) -> bool:
    """Whether an arm has a feedback table; [feedback] at the top is only what such arms have in common."""
    return isinstance(own, Mapping) and own.get("feedback", False) is not False


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with the values of ``over``, table by table; another image source or oracle brings its own options."""
    result = dict(base)
    for key, value in over.items():
        under = result.get(key)
        if not isinstance(value, Mapping) or not isinstance(under, Mapping) or _differ(under, value, "source"):
            result[key] = value
        elif _differ(under, value, "oracle"):
            result[key] = {**{k: v for k, v in under.items() if k != "options"}, **value}
        else:
            result[key] = _merge(under, value)
    return result


def _differ(under: Mapping[str, Any], over: Mapping[str, Any], tag: str) -> bool:
    """Whether both tables name a ``tag``, and not the same one."""
    return tag in under and tag in over and under[tag] != over[tag]


# -------------------------------------------------------------------------------------------------- what is wrong

_NAME = "a name is 1 to 63 of a-z, 0-9, _ and -, and begins with a letter or digit"

_DEEP = (
    f"more than {MOST_DEEP} tables and lists stand inside one another; write it in fewer (of oracles that ask oracles "
    f"at most {MOST_ORACLES})"
)

_TABLES: dict[str, type[Spec]] = {
    "split": specs.SplitSpec,
    "model": specs.ModelSpec,
    "training": specs.TrainingSpec,
    "augmentation": specs.AugmentationSpec,
    "feedback": specs.FeedbackSpec,
}


def _checked(
    model: type[_S],
    value: Mapping[str, Any],
    problems: _Problems,
    where: str = "",
    own: Mapping[str, Any] | None = None,
) -> _S | None:
    """``value`` as a ``model``; None where it is none, and why is added to ``problems``.

    As JSON, since pydantic's strict mode takes a JSON array for a tuple but never text for a number.
    """
    if deep := too_deep(value):  # a sweep's dotted keys can make what the file itself does not hold
        problems.append((".".join(filter(None, (where, _place(deep)))), _DEEP))
        return None
    try:
        return model.model_validate_json(json.dumps(value, default=str), strict=True)
    except ValidationError as error:
        problems += [_problem(model, found, where, own or {}, value) for found in error.errors()]
        return None


def _problem(
    model: type[Spec], found: Any, where: str, own: Mapping[str, Any], document: Mapping[str, Any]
) -> tuple[str, str]:
    """Place and wording of one pydantic error; the place is the arm's only where the arm itself wrote something."""
    kind, path = found["type"], tuple(part for part in found["loc"] if part != "[key]")
    if kind == "extra_forbidden":
        wrong = f"{specs.wrong(found)}. {did_you_mean(str(path[-1]), _fields(model, path, document))}"
    elif kind == "string_pattern_mismatch":
        wrong = f"{_NAME} (found {shown(found['input'])})"
    else:
        wrong = specs.wrong(found)
    if not path:
        return where, wrong
    inside = where and _wrote(own, path[:-1] if kind == "missing" else path)
    return ".".join(([where] if inside else []) + [_key(str(part)) for part in path]), wrong


def _wrote(own: Any, path: tuple[Any, ...]) -> bool:
    """Whether the arm's own tables hold something at ``path``, the end of it or before."""
    for part in path:
        if not isinstance(own, Mapping):
            return True
        if part not in own:
            return False
        own = own[part]
    return bool(path)


def _fields(model: type[Spec], path: tuple[Any, ...], document: Mapping[str, Any]) -> list[str]:
    """The known neighbours of an unknown field."""
    if model is StudyHead:
        if len(path) > 1 and path[0] == "check":
            return list(CheckSpec.model_fields)
        return [*model.model_fields, *PARTS, "arms"]
    if path[0] in ("images", "test_sets") and len(path) > 1:
        table = functools.reduce(lambda inside, key: inside[key], path[:-1], document)
        return list(specs.source_class(table["source"]).model_fields)
    return list((_TABLES.get(path[0], model) if len(path) > 1 else model).model_fields)


def _place(path: tuple[str, ...]) -> str:
    return ".".join(map(_key, path))


def _key(name: str) -> str:
    """A key as TOML writes it."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name)
