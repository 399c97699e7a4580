"""Looking after a store: everything is counted, damage is named and left alone, and nothing needed is pruned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from imil_sim.engine.store import MANIFEST, Store
from imil_sim.engine.upkeep import NotedRun, check, entries, note_study, notes, prune, spec_key, survey, to_prune
from imil_sim.errors import StoreError, UsageError
from imil_sim.study.study import Study

ARMS = '[arms.baseline]\n[arms.lesions]\nfeedback.oracle = "lesions"\n'


def keys_of(store: Store) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for entry in entries(store):
        found.setdefault(entry.kind, set()).add(entry.key)
    return found


def made_up(store: Store, study: Study, *, done: set[str], trunk: str) -> dict[str, str]:
    """The key of each arm's record, where entries of a study that was run were put that nobody has trained."""
    noted, keys = [], {}
    for arm, run in study.runs():
        keys[arm] = spec_key(run)[::-1]
        noted.append((run, NotedRun(arm, run.seed, keys[arm], trunk)))
        if arm in done:
            record = json.dumps({"status": "done", "spec": run.model_dump(mode="json")})
            store.put("runs", keys[arm], lambda place, text=record: _write(place / "record.json", text))
    for kind in ("stages", "predictions", "overlays", "evaluations", "checkpoints"):
        store.put(kind, f"{kind}-{trunk}", lambda place: _write(place / "a", "x" * 1000), trunk=trunk)  # type: ignore[arg-type]
    note_study(store, study.name, noted)
    return keys


def _write(path: Path, text: str) -> None:
    path.write_text(text)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def one(lab: Any) -> Study:
    study: Study = lab.study(ARMS)
    return study.model_copy(update={"name": "one"})


@pytest.fixture
def two(lab: Any) -> Study:
    study: Study = lab.study(ARMS + "training = { epochs = 9 }\nsplit = { seed = 1 }\n")
    return study.model_copy(update={"name": "two", "arms": {"other": study.arms["lesions"]}, "seeds": (7,)})


def test_a_note_names_the_runs_whatever_they_were_made_with_and_is_written_once(store: Store, one: Study) -> None:
    for _ in range(2):
        keys = made_up(store, one, done=set(), trunk="t")
    ((key, note),) = notes(store).items()
    assert note.name == "one"
    assert {run.arm: run.run for run in note.runs.values()} == keys
    assert note.runs.keys() == {spec_key(run) for _, run in one.runs()}
    (store.root / "studies" / key / "study.json").write_text("[1")
    assert notes(store) == {}


def test_what_is_there_is_counted_and_named(store: Store, one: Study, two: Study) -> None:
    made_up(store, one, done={"baseline"}, trunk="t1")
    made_up(store, one.model_copy(update={"seeds": (0, 1)}), done={"baseline", "lesions"}, trunk="t1")
    made_up(store, two, done={"other"}, trunk="t2")
    store.discard("studies", next(key for key, note in notes(store).items() if note.name == "two"))
    manifest = store.root / "stages" / "stages-t2" / MANIFEST
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"format": 0}))
    (store.root / "overlays" / "overlays-t2" / MANIFEST).unlink()
    (store.root / "tmp" / "0123456789ab-1-1-x").mkdir()
    (store.root / "images" / "abc").mkdir(parents=True)
    (store.root / "images" / "abc" / "pixels.npy").write_bytes(bytes(500))
    found = survey(store)
    assert {kind: tally.count for kind, tally in found.kinds.items()} == {
        "stages": 2, "checkpoints": 2, "predictions": 2, "overlays": 2, "evaluations": 2, "runs": 5, "studies": 2,
        "images": 1,
    }  # fmt: skip
    assert found.kinds["images"].size == 500
    assert found.kinds["predictions"].size == sum(
        path.stat().st_size for path in (store.root / "predictions").rglob("*") if path.is_file()
    )
    (study,) = found.studies
    assert (study.name, study.arms, study.seeds, dict(study.runs)) == ("one", 2, 2, {"done": 4})
    assert found.unnamed == {"resnet10 on phantom, lesions after epoch 2": {"done": 1}}
    assert (found.other_format.count, found.unreadable.count, found.leftovers.count) == (1, 2, 1)
    assert found.size > sum(tally.size for tally in found.kinds.values()) - 1


def test_damage_is_named_with_its_place_and_nothing_is_moved(store: Store, one: Study) -> None:
    made_up(store, one, done={"baseline"}, trunk="t")
    assert check(store).faults == {}
    (store.root / "stages" / "stages-t" / "a").write_text("y" * 1000)
    (store.root / "overlays" / "overlays-t" / "b").touch()
    (store.root / "predictions" / "predictions-t" / MANIFEST).unlink()
    (store.root / "images" / "abc").mkdir(parents=True)
    before = sorted(store.root.rglob("*"))
    checked = check(store)
    assert checked.faults == {
        "stages/stages-t": "a is altered",
        "overlays/overlays-t": "b does not belong there",
        "predictions/predictions-t": "manifest.json is missing",
        "images/abc": "manifest.json is missing",
    }
    assert checked.sound.count == 4
    assert sorted(store.root.rglob("*")) == before


def test_pruning_keeps_all_that_the_named_studies_need_and_only_that(store: Store, one: Study, two: Study) -> None:
    made_up(store, one, done={"baseline"}, trunk="t1")
    mine = keys_of(store)
    theirs = made_up(store, two, done={"other"}, trunk="t2")
    (store.root / "tmp" / "0123456789ab-1-1-x").mkdir()
    (store.root / "damaged" / "stages-x").mkdir(parents=True)
    (store.root / "images" / "abc").mkdir(parents=True)
    everything = keys_of(store)
    pruning = to_prune(store, [one])
    assert keys_of(store) == everything  # nothing has been done yet
    assert pruning.studies_gone == ("two",)
    assert pruning.unfinished == 1
    assert pruning.rubbish.count == 2
    assert {entry.key for entry in pruning.go} >= {theirs["other"], "stages-t2", "checkpoints-t2", "abc"}
    assert pruning.freed > 5000
    assert pruning.stay.count == sum(map(len, mine.values()))
    prune(store, pruning)
    assert keys_of(store) == mine
    assert not list((store.root / "tmp").iterdir())
    assert not list((store.root / "damaged").iterdir())
    assert to_prune(store, [one]).go == ()
    assert to_prune(store, [one]).rubbish.count == 0


def test_a_trunk_that_two_studies_share_stays_for_either(store: Store, one: Study, two: Study) -> None:
    made_up(store, one, done={"baseline", "lesions"}, trunk="t")
    keys = made_up(store, two, done={"other"}, trunk="t")
    (theirs,) = [key for key, note in notes(store).items() if note.name == "two"]
    assert {entry.key for entry in to_prune(store, [one]).go} == {keys["other"], theirs}


def test_records_only_keeps_the_states_of_unfinished_runs(store: Store, one: Study) -> None:
    made_up(store, one, done={"baseline"}, trunk="t")
    assert to_prune(store, [one], records_only=True).go == ()  # lesions still begins with that trunk
    made_up(store, one, done={"baseline", "lesions"}, trunk="t")
    pruning = to_prune(store, [one], records_only=True)
    assert {entry.kind for entry in pruning.go} == {"stages", "predictions", "overlays", "evaluations", "checkpoints"}
    prune(store, pruning)
    assert keys_of(store).keys() == {"runs", "studies"}


def test_a_study_the_store_does_not_know_keeps_nothing_and_is_refused(store: Store, one: Study, two: Study) -> None:
    made_up(store, one, done={"baseline"}, trunk="t")
    with pytest.raises(UsageError, match=r'no run of study "two" as its file stands now.*Known: one'):
        to_prune(store, [one, two])


def test_images_stay_where_it_cannot_be_told_which_are_needed(store: Store, lab: Any) -> None:
    study = lab.study(
        '[arms.a]\nimages = { source = "folder", path = "gone", size = 32 }\nfeedback.oracle = "lesions"\n'
    )
    made_up(store, study, done={"a"}, trunk="t")
    store.put("images", "abc", lambda place: _write(place / "a", "x"))
    pruning = to_prune(store, [study])
    assert pruning.go == ()
    assert '"gone" was not found' in pruning.images_unknown


def test_nothing_is_pruned_under_a_run_that_is_at_work(store: Store, one: Study) -> None:
    made_up(store, one, done={"baseline"}, trunk="t")
    pruning = to_prune(store, [one])
    with store.presence():
        while not store.at_work():
            pass
        for refused in (lambda: to_prune(store, [one]), lambda: prune(store, pruning)):
            with pytest.raises(StoreError, match=r"a run is at work in the store .* Prune when it has ended"):
                refused()
    assert to_prune(store, [one]) == pruning
