from __future__ import annotations

import dataclasses
import math
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imil_sim import registry
from imil_sim.errors import OracleError
from imil_sim.feedback import Grid, OracleRecipe, make_oracle
from imil_sim.feedback.registry import Option, card, load, options_of
from imil_sim.seeds import stream
from imil_sim.testing import sample_questions

HOUSE = sorted(
    file.stem.replace("_", "-") for file in Path(__file__).parents[2].glob("oracles/*.py") if file.stem != "__init__"
)
"""Every file in oracles/ is one."""

GOOD = '''
"""Nothing, always.

The rest of the card.
"""
from __future__ import annotations
from dataclasses import dataclass, field
from imil_sim.feedback import Feedback, OracleRecipe

@dataclass(frozen=True)
class Stub:
    share: float
    zones: tuple[str, ...] = ("upper",)
    inner: OracleRecipe | None = None
    tags: list[str] = field(default_factory=list)

    def __post_init__(self):
        if self.share > 1:
            raise ValueError(f"share is at most 1, not {self.share}")

    def answer(self, question, rng):
        return Feedback.abstain(question, "a stub")
'''

Installer = Callable[..., str]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installer]:
    """Puts a package with one oracle where the interpreter looks, as pip would; the module's name comes back."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    registry._entries.cache_clear()

    def install_one(package: str, oracle: str, source: str, attribute: str = "Stub") -> str:
        module = f"stub_{package.replace('-', '_')}"
        (tmp_path / f"{module}.py").write_text(source)
        info = tmp_path / f"{package.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[imil_sim.oracles]\n{oracle} = {module}:{attribute}\n")
        registry._entries.cache_clear()
        return module

    yield install_one
    registry._entries.cache_clear()
    for module in set(sys.modules) - before:
        if module.startswith("stub_"):
            del sys.modules[module]


def test_the_house_oracles_come_in_by_the_guests_door() -> None:
    cards = {entry.name: entry for entry in registry.parts("oracles")}
    assert [name for name, entry in cards.items() if entry.target.startswith("imil_sim_oracles.")] == HOUSE
    assert "random-cells" in HOUSE
    assert cards["lung-fields"].target == "imil_sim_oracles.lung_fields:LungFields"
    assert cards["lung-fields"].distribution.startswith("imil-sim ")


def test_listing_imports_nothing(install: Installer) -> None:
    module = install("broken", "cracked", "raise RuntimeError('imported')")
    assert "cracked" in [entry.name for entry in registry.parts("oracles")]
    assert module not in sys.modules


def test_looking_at_the_house_list_loads_no_oracle_and_no_torch() -> None:
    code = (
        "import sys; from imil_sim.registry import parts; assert parts('oracles');"
        "print([m for m in sys.modules if m.split('.')[0] in ('imil_sim_oracles', 'torch')])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_an_unknown_name_lists_the_known_and_the_nearest() -> None:
    with pytest.raises(
        OracleError, match=r'"lung-field" is not installed\. Of \d+ known .*Did you mean "lung-fields"\?'
    ):
        load("lung-field")


def test_a_name_like_none_says_where_to_look() -> None:
    with pytest.raises(OracleError, match=r"Known: \d+ names\. Run imil-sim oracles .* install the package that"):
        load("wxyz-quux")


def test_an_oracle_knows_its_installed_name_unless_there_are_several(install: Installer) -> None:
    assert registry.name_of("oracles", type(make_oracle("lung-fields"))) == "lung-fields"
    module = install("first-guest", "stub", GOOD)
    made = make_oracle("stub", {"share": 1})
    assert registry.name_of("oracles", type(made)) == "stub"
    install("second-guest", "other", f"from {module} import Stub")
    assert make_oracle("other", {"share": 1}) == made
    assert registry.name_of("oracles", type(made)) == ""


def test_two_packages_that_claim_one_name_are_both_named(install: Installer) -> None:
    install("first-guest", "stubborn", GOOD)
    install("second-guest", "stubborn", GOOD)
    assert [entry.name for entry in registry.parts("oracles")].count("stubborn") == 2
    with pytest.raises(OracleError, match=r"first-guest 1\.0 .* and second-guest 1\.0 "):
        load("stubborn")
    assert load("all-cells")  # the others are not touched by that


@pytest.mark.parametrize(
    ("source", "attribute", "message"),
    [
        ("import no_such_module_anywhere", "Stub", "ModuleNotFoundError: No module named 'no_such_module_anywhere'"),
        ("def f(:", "Stub", "SyntaxError"),
        (GOOD, "Stubb", "AttributeError"),
    ],
)
def test_a_failing_import_is_raised_from_its_cause(
    install: Installer, source: str, attribute: str, message: str
) -> None:
    install("broken", "cracked", source, attribute)
    with pytest.raises(OracleError, match=message) as caught:
        make_oracle("cracked")
    assert "broken 1.0" in str(caught.value)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("Stub = 3", "it is an object of type int, not a class"),
        ("class Stub: pass", "no method answer"),
        ("class Stub:\n    def answer(self, question, rng): pass", "frozen dataclass"),
        (GOOD.replace("frozen=True", "frozen=False"), "frozen dataclass"),
        (GOOD.replace("class Stub", "class Base") + "\nclass Stub(Base): pass", "frozen dataclass"),
    ],
)
def test_what_is_not_an_oracle_is_refused(install: Installer, source: str, message: str) -> None:
    install("odd", "odd", source)
    with pytest.raises(OracleError, match=message):
        load("odd")


def test_the_card_is_the_docstring_of_the_module(install: Installer) -> None:
    install("guest", "stub", GOOD)
    assert card(load("stub")) == "Nothing, always.\n\nThe rest of the card."
    install("mute", "mute", GOOD.partition('The rest of the card.\n"""')[2])
    assert card(load("mute")).startswith("Stub(")


def test_options_are_listed_with_type_and_default(install: Installer) -> None:
    install("guest", "stub", GOOD)
    assert options_of(load("stub")) == (
        Option("share", "float", "required"),
        Option("zones", "tuple[str, ...]", "('upper',)"),
        Option("inner", "OracleRecipe | None", "None"),
        Option("tags", "list[str]", "[]"),
    )
    install("plain", "plain", GOOD.replace("from __future__ import annotations\n", ""))
    assert [option.type for option in options_of(load("plain"))][:2] == ["float", "tuple[str, ...]"]


def test_options_become_fields_and_defaults_stay(install: Installer) -> None:
    install("guest", "stub", GOOD)
    made = make_oracle("stub", {"share": 1, "zones": ["upper", "middle"]})
    assert dataclasses.asdict(made)["share"] == 1.0
    assert made == type(made)(share=1.0, zones=("upper", "middle"))


def test_all_wrong_options_are_told_at_once(install: Installer) -> None:
    install("guest", "stub", GOOD)
    with pytest.raises(OracleError) as caught:
        make_oracle("stub", {"shere": 0.5, "zones": "upper", "inner": {"oracle": "lung-fields", "options": {"x": 1}}})
    message = str(caught.value)
    assert 'oracle "stub"' in message
    assert 'unknown option "shere". Known: inner, share, tags, zones. Did you mean "share"?' in message
    assert "share: is missing" in message
    assert 'zones: must be a list (found "upper")' in message
    assert 'inner: oracle "lung-fields": its options are wrong' in message
    assert 'unknown option "x". Known: margin, side, single_region, threshold, zone.' in message


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("noisy", {"like": "lesoins", "miss": "2"}, ["like: oracle", "miss: must be a number"]),
        ("noisy", {"lik": "lesions", "miss": "x"}, ['unknown option "lik"', "like: is missing", "miss: must be"]),
        ("noisy", {"like": "lesions", "miss": math.nan, "shift": "x"}, ["miss: nan is neither", "shift: must be"]),
        ("noisy", {"miss": math.inf, "shift": 0.1}, ["miss: inf is neither", "like: is missing"]),
        ("noisy", {"like": "lesions", "miss": 2, "shift": 3}, ["miss: must be", "shift: must be"]),
        ("lung-fields", {"threshold": 3, "margin": 9}, ["threshold: must be less", "margin: must be less"]),
        ("random-square", {"threshold": 3, "square": 9}, ["square: must be less", "threshold: must be less"]),
        # What the oracle itself checks comes once every field is right.
        ("boxes", {"file": "nowhere.csv"}, ["boxes: file .* was not"]),
        ("replayed-masks", {"folder": "no", "suffix": "/../x"}, ["suffix "]),
        ("consensus", {"readers": "lesions", "rule": "most"}, ["readers: must be a list", "rule: must be"]),
    ],
)  # fmt: skip
def test_all_wrong_fields_are_named_at_once(name: str, options: dict[str, object], message: list[str]) -> None:
    with pytest.raises(OracleError) as caught:
        make_oracle(name, options)
    lines = str(caught.value).split("\n  - ")[1:]
    assert len(lines) == len(message), lines
    for line, pattern in zip(lines, message, strict=True):
        assert re.match(pattern, line, re.DOTALL), line


def nested(depth: int) -> dict[str, object]:
    """``noisy`` around itself, ``depth`` tables in all."""
    return {"like": "lesions" if depth == 0 else {"oracle": "noisy", "options": nested(depth - 1)}}


@pytest.mark.parametrize(
    ("depth", "message"), [(17, "like: more than 16 tables of oracles"), (100, "like: more than 64 tables and lists")]
)
def test_oracles_stand_inside_one_another_up_to_a_bound_that_is_told_in_words(depth: int, message: str) -> None:
    assert make_oracle("noisy", nested(16))
    with pytest.raises(OracleError) as caught:
        make_oracle("noisy", nested(depth))
    assert str(caught.value).split("\n  - ")[1].startswith(message)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("random-cells", {"count": "3"}, 'count: must be a whole number .found "3".'),
        ("random-cells", {"count": True}, "count: must be a whole number .found true."),
        ("random-cells", {"count": 2.5}, "count: must be a whole number"),
        ("lung-fields", {"threshold": float("nan")}, "threshold: nan is neither text, finite number"),
        ("lung-fields", {"threshold": object()}, "is neither text, finite number"),
        ("lung-fields", {"threshold": 0}, "threshold: must be greater than 0"),
        ("lesions", {"no_outline": "guess"}, "'abstain' or 'lung-fields' .found \"guess\"."),
        ("all-cells", {"x": 1}, 'unknown option "x". It has no options'),
        ("random-cells", {"like": "lung-feilds"}, 'like: oracle "lung-feilds" is not installed.*"lung-fields"'),
        ("random-cells", {"like": 3}, "written as its name"),
        ("random-cells", {"like": {"orcale": "lesions"}}, 'unknown key "orcale".*Did you mean "oracle"'),
        ("random-cells", {"like": {"options": {}}}, "the table of an oracle is"),
    ],
)
def test_one_wrong_option_gives_one_clear_line(name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(OracleError, match=message) as caught:
        make_oracle(name, options)
    assert str(caught.value).startswith(f'oracle "{name}": its options are wrong:')


def test_a_constructor_that_breaks_is_an_error_of_that_oracle(install: Installer) -> None:
    install("guest", "stub", GOOD.replace("raise ValueError", "raise ZeroDivisionError"))
    with pytest.raises(OracleError, match="cannot be made: ZeroDivisionError") as caught:
        make_oracle("stub", {"share": 2})
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_field_that_no_study_file_can_hold_is_an_error_of_that_oracle(install: Installer) -> None:
    install("guest", "stub", GOOD.replace("share: float", "share: Nowhere"))
    with pytest.raises(OracleError, match='oracle "stub"'):
        make_oracle("stub", {"share": 2})


def test_a_recipe_is_a_name_or_a_table_and_makes_the_oracle_it_names() -> None:
    as_name, as_table = OracleRecipe.read("lung-fields"), OracleRecipe.read({"oracle": "lung-fields"})
    assert as_name == as_table == OracleRecipe("lung-fields")
    assert as_name.make() == make_oracle("lung-fields")
    other = OracleRecipe.read({"oracle": "lung-fields", "options": {"threshold": 0.4}})
    assert other.make() == make_oracle("lung-fields", {"threshold": 0.4})
    assert other != as_name
    assert OracleRecipe.read(other) is other
    assert hash(other) is not None


def test_a_made_oracle_answers(install: Installer) -> None:
    install("guest", "stub", GOOD)
    question = sample_questions(grids=[Grid(2, 2)])[0]
    assert make_oracle("stub", {"share": 0.5}).answer(question, stream(0, "oracle")).reason == "a stub"
