from __future__ import annotations

from pathlib import Path

import pytest

from imil_sim.errors import DataError
from imil_sim.study.paths import resolve


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """The three folders that are looked at, each holding ``set``; and the study file."""
    found = {name: tmp_path / name for name in ("data", "studies", "current")}
    for folder in found.values():
        (folder / "set").mkdir(parents=True)
    monkeypatch.setenv("IMIL_SIM_DATA", str(found["data"]))
    monkeypatch.chdir(found["current"])
    return found | {"study": found["studies"] / "study.toml"}


def test_data_comes_before_the_study_and_the_study_before_the_current_folder(places: dict[str, Path]) -> None:
    (places["study"]).touch()
    for name in ("data", "studies", "current"):
        assert resolve("set", places["study"]) == places[name] / "set"
        (places[name] / "set").rmdir()


def test_the_study_may_be_named_by_its_folder_or_not_at_all(
    places: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("IMIL_SIM_DATA")
    assert resolve("set", places["studies"]) == places["studies"] / "set"
    assert resolve("set", None) == places["current"] / "set"


def test_an_absolute_path_and_the_home_folder_stay(places: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(places["current"]))
    assert resolve(str(places["studies"] / "set"), None) == places["studies"] / "set"
    assert resolve("~/set", places["study"]) == places["current"] / "set"


def test_nothing_found_names_every_place(places: dict[str, Path]) -> None:
    with pytest.raises(DataError) as caught:
        resolve("other", places["study"])
    for name in ("data", "studies", "current"):
        assert str(places[name] / "other") in str(caught.value)
    with pytest.raises(DataError, match="/no/such/set"):
        resolve("/no/such/set", places["study"])
