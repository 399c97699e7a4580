"""A study that records, and one that replays what was recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from imil_sim import api
from imil_sim.engine.results import RunResult
from imil_sim.sessions.files import read_session, write_session
from imil_sim.sessions.recorded import divergence
from imil_sim.sessions.session import Session
from imil_sim.study.study import read_study

if TYPE_CHECKING:
    from conftest import Call

TOP = """
name = "recorded"
seeds = {seeds}
record = true
[images]
source = "phantom"
size = 32
train = 16
test = 6
[model]
name = "resnet10"
[training]
epochs = 3
batch_size = 8
learning_rate = 0.01
[feedback]
imil_epoch = [1, 2]
num_outliers = 3
"""

LESIONS = '[arms.lesions]\nfeedback.oracle = "lesions"\n'
RANDOM = '[arms.random]\nfeedback = { oracle = "random-cells", options.count = 5, revisit = true }\n'


def replay(arm: str, session: Path | str, **options: object) -> str:
    given = json.dumps({"session": str(session), **options}).replace('":', '" =')
    revisit = json.dumps(arm == "random")
    return f'[arms.{arm}]\nfeedback = {{ oracle = "replay", options = {given}, revisit = {revisit} }}\n'


def write(here: Path, arms: str, seeds: str = "1") -> str:
    (here / "study.toml").write_text(TOP.format(seeds=seeds) + arms)
    return "study.toml"


def run(here: Path, store: str, arms: str, seeds: str = "1", sessions: str = "sessions") -> dict[str, RunResult]:
    """What comes of every arm, without a report; its sessions lie in a folder."""
    study = read_study(here / write(here, arms, seeds))
    results = api.run(study, store=here / store)
    api.write_sessions(results, here / sessions)
    return {result.arm: result for result in results.stored}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where two arms were recorded; nobody alters its sessions."""
    return tmp_path_factory.mktemp("recorded")


@pytest.fixture(scope="module")
def recorded(place: Path) -> dict[str, RunResult]:
    """The runs that were recorded there."""
    return run(place, "store", LESIONS + RANDOM + "[arms.none]\n")


@pytest.fixture
def session(place: Path, recorded: dict[str, RunResult]) -> Path:
    """What one of them left."""
    return place / "sessions" / "lesions-seed0.jsonl"


def test_a_replayed_session_gives_the_recorded_run_to_the_byte(
    place: Path, recorded: dict[str, RunResult], tmp_path: Path
) -> None:
    folder = place / "sessions"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert sorted(before) == ["lesions-seed0.jsonl", "random-seed0.jsonl"]
    session = read_session(folder / "random-seed0.jsonl")
    assert [a.consultation for a in session.answers] == [1, 1, 1, 2, 2, 2]
    assert (session.header.reader, session.header.role, session.header.date) == ("random-cells", "oracle", None)
    assert list(session.header.states) == [recorded["random"].record.stages[n] for n in (0, 1)]
    run(place, "store", LESIONS + RANDOM + "[arms.none]\n")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before

    # In a store of its own: nothing is taken over from the recorded runs.
    arms = "".join(replay(arm, folder / f"{arm}-seed0.jsonl") for arm in ("lesions", "random"))
    replayed = run(tmp_path, "store", arms)
    for arm in ("lesions", "random"):
        there, again = recorded[arm], replayed[arm]
        files = sorted(path.name for path in there.folder.glob("*.npz"))
        assert "predictions-main.npz" in files
        for name in files:
            assert (there.folder / name).read_bytes() == (again.folder / name).read_bytes(), name
        assert again.record.consultations == there.record.consultations
        # The session of a replay says who replayed it, and is otherwise the one replayed.
        first, second = ((f / "sessions" / f"{arm}-seed0.jsonl").read_text().split("\n", 1) for f in (place, tmp_path))
        assert first[1] == second[1]
        found = divergence(read_session(folder / f"{arm}-seed0.jsonl"), again.record.consultations)
        assert (found.coverage, found.overlap) == (1, 1)


def test_another_seed_asks_other_questions(session: Path, tmp_path: Path) -> None:
    arms = [replay("strict", session), *(replay(name, session, missing=name) for name in ("skip", "restrict"))]
    results = run(tmp_path, "store", "".join(arms), seeds="[2]")
    assert results["strict"].record.status == "failed"
    assert "has no answer about" in results["strict"].record.reason
    found = divergence(read_session(session), results["skip"].record.consultations)
    abstained = sum(c.n_abstained for c in results["skip"].record.consultations)
    assert found.coverage is not None
    assert 0 <= found.coverage < 1
    assert abstained > 0
    restricted = divergence(read_session(session), results["restrict"].record.consultations)
    assert restricted.n_asked > 0
    assert restricted.coverage == 1


def test_a_session_that_does_not_belong_to_the_study_ends_it_before_it_trains(
    call: Call, here: Path, session: Path
) -> None:
    whole, recorded = read_session(session), session.read_bytes()
    strange = whole.answers[0].model_copy(update={"image_id": "unknown"})
    other = whole.header.model_copy(update={"set_fingerprint": "0" * 64})
    cases: tuple[tuple[bytes | None, dict[str, object], str], ...] = (
        (None, {}, 'line 2: image "unknown" is not in the set phantom'),
        (recorded.replace(b'"reader"', b'"raeder"', 1), {}, "line 1: raeder: there is no such field"),
        (recorded + b'{"order": NaN}\n', {"strict": False}, f"line {len(whole.answers) + 2}: is no JSON"),
        (recorded.replace(b"[4,4]", b"[8,8]", 1), {}, "line 1: recorded on a grid of 8 x 8, asked about on 4 x 4"),
    )
    for content, options, said in cases:
        if content is None:
            write_session(here / "s.jsonl", Session(other, (strange, *whole.answers[1:])))
        else:
            (here / "s.jsonl").write_bytes(content)
        done = call("run", write(here, replay("again", "s.jsonl", **options)), "--store", "store", "--workers", "0")
        assert done.code == 2
        assert said in done.err
        assert "Traceback" not in done.err
    assert not list((here / "store").glob("stages/*"))


def test_a_session_inside_another_oracle_is_looked_at_and_restricts_it_as_well(
    call: Call, here: Path, session: Path, tmp_path: Path
) -> None:
    (here / "s.jsonl").write_bytes(session.read_bytes().replace(b"[4,4]", b"[8,8]", 1))
    inner = '{{ oracle = "replay", options = {{ session = "{}", missing = "restrict" }} }}'
    arm = '[arms.noisy]\nfeedback = {{ oracle = "noisy", options = {{ like = {}, miss = 0.5 }} }}\n'
    done = call("run", write(here, arm.format(inner.format("s.jsonl"))), "--store", "store", "--workers", "0")
    assert done.code == 2
    assert "line 1: recorded on a grid of 8 x 8, asked about on 4 x 4" in done.err
    result = run(tmp_path, "store", arm.format(inner.format(session)), seeds="[2]")["noisy"]
    found = divergence(read_session(session), result.record.consultations)
    assert (result.record.status, found.coverage) == ("done", 1)
    assert found.n_asked > 0


def test_what_no_session_can_name_is_named_before_a_study_records_or_asks_a_person(call: Call, here: Path) -> None:
    for row in range(8):
        noise = np.random.default_rng(row).integers(0, 255, (64, 64), np.uint8)
        cv2.imwrite(str(here / f"{row}\x7f.png"), noise)
    rows = "".join(f"{row}\x7f.png,{'normal' if row % 2 else 'TB'}\n" for row in range(8))
    (here / "table.csv").write_text("image,label\n" + rows)
    images = 'source = "manifest"\npath = "table.csv"\nsize = 32\n'
    top = TOP.format(seeds=1).replace('source = "phantom"\nsize = 32\ntrain = 16\ntest = 6\n', images)
    for record, oracle, refused in (
        ("true", 'oracle = "random-cells", options.count = 2', True),
        ("false", f'oracle = "human", options = {{ reader = "ann", folder = "{here}" }}', True),
        ("false", 'oracle = "random-cells", options.count = 2', False),
    ):
        text = top.replace("record = true", f"record = {record}") + f"[arms.a]\nfeedback = {{ {oracle} }}\n"
        (here / "study.toml").write_text(text)
        done = call("run", "study.toml", "--store", "store", "--workers", "0")
        said = "image '0\\x7f' holds a backslash or a character that cannot be printed"
        assert (done.code, said in done.err) == ((2, True) if refused else (0, False)), done.err


def test_a_torn_line_is_named_and_record_leaves_sessions_beside_the_report(
    call: Call, here: Path, place: Path, session: Path
) -> None:
    (here / "s.jsonl").write_bytes(session.read_bytes() + b'{"order": 9, "ima')
    done = call("run", write(here, replay("again", "s.jsonl")), "--store", str(place / "store"), "--workers", "0")
    assert done.code == 0
    assert "was only half written, and is left out" in done.err
    assert read_session(here / "reports/recorded/sessions/again-seed0.jsonl").header.reader == "replay"


def test_sessions_that_cannot_be_written_do_not_cost_the_report(
    call: Call, here: Path, place: Path, recorded: dict[str, RunResult]
) -> None:
    folder = here / "reports/recorded"
    (folder / "sessions/lesions-seed0.jsonl").mkdir(parents=True)
    done = call("run", write(here, LESIONS + RANDOM), "--store", str(place / "store"), "--workers", "0")
    assert done.code == 2
    assert "1 sessions were not written; the report was:" in done.err
    assert "lesions, seed 0: session reports/recorded/sessions/lesions-seed0.jsonl cannot be written" in done.err
    assert (folder / "report.html").exists()
    assert "report: reports/recorded" in done.out
    assert read_session(folder / "sessions/random-seed0.jsonl").header.reader == "random-cells"
