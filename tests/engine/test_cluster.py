"""Studies on worker processes, here and on a cluster of Dask's own making: the same bytes, whatever is killed when.

Faults 16 to 20, and 21 where a worker dies of it. Real processes take seconds to start, so most of this is slow.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from distributed import Client, Scheduler
from distributed.scheduler import KilledWorker

from imil_sim.cli.app import main
from imil_sim.engine import cluster as cluster_module
from imil_sim.engine.cluster import CalledOff, DaskExecutor, WorkerConfig, unlike
from imil_sim.engine.stages import Lineage, StepResult, Train
from imil_sim.errors import ClusterError, UsageError, WorkerLost
from imil_sim.study.spec import RunSpec
from tests import undrawn

STUDY = """
name = "tiny"
seeds = 2
images = { source = "phantom", size = 32, train = 24, test = 8 }
model.name = "resnet10"
training = { epochs = 4, batch_size = 8, learning_rate = 0.01 }
feedback = { imil_epoch = 2, num_outliers = 4 }
[arms.baseline]
[arms.lesions]
feedback.oracle = "lesions"
[arms.random]
feedback = { oracle = "random-cells", options.like = "lesions" }
[arms.all]
feedback.oracle = "all-cells"
"""

ENDLESS = STUDY.replace("epochs = 4", "epochs = 4000").replace("imil_epoch = 2", "imil_epoch = 2000")

TIMEOUT = 180.0
"""Seconds after which a test that waits for something gives up; nothing is timed with it."""

INTERRUPTED = "imil-sim: interrupted. What is stored is safe; run the same command to go on.\n"


def wait_until(holds: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.01)


@dataclass
class SessionFolder:
    """A folder with a study, a store and results."""

    folder: Path
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.write("tiny.toml", STUDY)
        self.write("endless.toml", ENDLESS)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    @property
    def store(self) -> Path:
        return self.folder / "store"

    def arguments(self, study: str, *options: str) -> list[str]:
        return [
            "run",
            str(self.folder / study),
            "--store",
            str(self.store),
            "--out",
            str(self.folder / "out"),
            *options,
        ]

    def run(self, *options: str, study: str = "tiny.toml") -> int:
        """The exit code of ``imil-sim run`` in this process."""
        with pytest.raises(SystemExit) as stopped:
            main(self.arguments(study, *options))
        return int(stopped.value.code or 0)

    def start(
        self, *options: str, study: str = "tiny.toml", program: tuple[str, ...] = (undrawn.SCRIPT,), **variables: str
    ) -> subprocess.Popen[str]:
        """``imil-sim run`` as a process in a group of its own."""
        process = subprocess.Popen(
            [sys.executable, *program, *self.arguments(study, *options)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, **variables},
        )
        self.processes.append(process)
        return process

    def close(self) -> None:
        """Nothing that was started is left, also where a test failed."""
        for process in self.processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()

    def contents(self) -> dict[str, bytes]:
        """All that two equal studies must have equal: the table, and what every final model says and was asked."""
        runs = sorted((self.store / "runs").glob("*/*.npz"))
        named = {str(path.relative_to(self.store)): path.read_bytes() for path in runs}
        return {"results.csv": (self.folder / "out" / "results.csv").read_bytes(), **named}

    def states(self) -> set[str]:
        return {path.name for path in (self.store / "stages").glob("*")}

    def claims(self) -> dict[int, str]:
        """Who is at which stage, by process."""
        found = {}
        for path in (self.store / "claims").glob("[0-9a-f]" * 64 + ".json"):
            try:
                owner = json.loads(path.read_text(encoding="utf-8"))[0]
            except (OSError, ValueError):
                continue
            found[int(owner.split("-")[1])] = path.stem
        return found

    def wait_for_a_stage(self, process: subprocess.Popen[str]) -> None:
        """Come back when a stage is under way."""
        wait_until(lambda: self.claims() or process.poll() is not None, "a stage is under way")

    def unfinished(self) -> list[str]:
        """What a study that has ended must not leave behind."""
        return [str(p) for kind in ("tmp", "claims", "checkpoints", "damaged") for p in (self.store / kind).glob("*")]


@pytest.fixture
def folder(tmp_path: Path, undrawn: None) -> Iterator[SessionFolder]:
    folder = SessionFolder(tmp_path)
    yield folder
    folder.close()


@dataclass(frozen=True)
class Reference:
    """What comes of the study when nothing disturbs it."""

    contents: dict[str, bytes]
    states: set[str]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    folder = SessionFolder(tmp_path_factory.mktemp("reference"))
    assert folder.run("--workers", "0") == 0
    assert len(folder.contents()) == 1 + 3 * 8  # the table; predictions on test and training images, and what was shown
    return Reference(folder.contents(), folder.states())


@dataclass
class Cluster:
    """A scheduler and workers as Dask's own command line starts them, on loopback; ended process by process."""

    folder: Path
    worker_options: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._file = self.folder / "scheduler.json"
        # Should the tests themselves be killed, the scheduler ends by and by, and the workers with it.
        lone = ("--idle-timeout", "1800s")
        self.scheduler = self._start("scheduler", "--port", "0", "--scheduler-file", str(self._file), *lone)
        wait_until(lambda: self._file.is_file() and self._file.read_text(), "the scheduler is up")
        self.address = json.loads(self._file.read_text())["address"]

    def _start(self, what: str, *options: str) -> subprocess.Popen[bytes]:
        loopback = ("--host", "127.0.0.1", "--no-dashboard", "--dashboard-address", "127.0.0.1:0")
        with (self.folder / "log.txt").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "dask", what, *loopback, *options],
                stdout=log,
                stderr=log,
                env={**os.environ, **self.variables},
            )

    def scale(self, count: int) -> None:
        """So many living workers."""
        self.workers = [worker for worker in self.workers if worker.poll() is None]
        for worker in self.workers[count:]:
            _end(worker)
        self.workers = self.workers[:count]
        local = ("--local-directory", str(self.folder), "--memory-limit", "0", "--death-timeout", "60")
        while len(self.workers) < count:
            self.workers.append(
                self._start("worker", self.address, "--nthreads", "1", "--no-nanny", *local, *self.worker_options)
            )
        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=TIMEOUT)

    def worker(self, pid: int) -> subprocess.Popen[bytes]:
        (found,) = [worker for worker in self.workers if worker.pid == pid]
        return found

    def close(self) -> None:
        for process in (*self.workers, self.scheduler):
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    yield cluster
    cluster.close()


def meanwhile(act: Callable[[], None]) -> threading.Thread:
    """``act`` in another thread, since a study runs in this one."""
    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    return thread


# ---------------------------------------------------------------------------------------- exactness, and lost workers


@pytest.mark.slow
def test_fault_16_a_worker_of_a_cluster_is_killed_in_the_middle_and_the_bytes_are_the_same(
    folder: SessionFolder, cluster: Cluster, reference: Reference
) -> None:
    cluster.scale(2)
    killed: list[str] = []

    def kill() -> None:
        wait_until(lambda: folder.claims() and folder.states(), "a stage is done and another one under way")
        pid, stage = next(iter(folder.claims().items()))
        worker = cluster.worker(pid)
        worker.kill()
        worker.wait()
        killed.append(stage)

    thread = meanwhile(kill)
    code = folder.run("--scheduler", cluster.address)
    thread.join()
    assert code == 0
    assert len(killed) == 1
    assert folder.contents() == reference.contents
    assert folder.states() == reference.states
    assert folder.unfinished() == []


@pytest.mark.slow
def test_fault_24_one_worker_gives_the_bytes_of_none_and_one_that_dies_of_a_step_ends_its_runs_only(
    folder: SessionFolder, reference: Reference
) -> None:
    """Fault 21 as well: what a machine short of memory does to a worker is to kill it, whatever it was at."""
    deadly = "import os, signal\nfrom dataclasses import dataclass\n@dataclass(frozen=True)\nclass Deadly:\n"
    deadly += "    def answer(self, question, rng):\n        os.kill(os.getpid(), signal.SIGKILL)\n"
    folder.write("deadly.py", deadly)
    (folder.folder / "deadly-1.dist-info").mkdir()
    folder.write("deadly-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: deadly\nVersion: 1\n")
    folder.write("deadly-1.dist-info/entry_points.txt", "[imil_sim.oracles]\ndeadly = deadly:Deadly\n")
    folder.write("tiny.toml", STUDY.replace("seeds = 2", "seeds = [0]") + '[arms.deadly]\nfeedback.oracle = "deadly"\n')
    process = folder.start(
        "--workers", "1", PYTHONPATH=str(folder.folder), DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0"
    )
    out, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 1, err
    assert "Traceback" not in err
    assert re.search(
        r"failed: deadly, seed 0: the worker process was lost 1 times during consultation 1 after epoch 2, most likely "
        "for lack of memory",
        out,
    )
    done = {name: content for name, content in folder.contents().items() if name != "results.csv"}
    assert len(done) == 3 * 4
    assert done.items() <= reference.contents.items()
    rows = {line for line in (folder.folder / "out" / "results.csv").read_bytes().splitlines() if b",done," in line}
    assert len(rows) == 4
    assert rows <= set(reference.contents["results.csv"].splitlines())
    assert folder.unfinished() == []


LATE = """
import os
from imil_sim.engine import claims, cluster, store

def dask_setup(worker):
    claims.PULSE, claims.PULSE_STOPPED = 0.1, 1.0
    cluster.StepRunnerPlugin.on_batch = lambda self, done, total: None  # trains on, although nobody waits
    put = store.Store.put

    def logged(self, kind, key, *arguments, **options):
        done = put(self, kind, key, *arguments, **options)
        with open(os.path.join({folder!r}, "puts.txt"), "a") as log:
            log.write(f"{{os.getpid()}} {{kind}} {{key}}\\n")
        return done

    store.Store.put = logged
"""


@pytest.mark.slow
def test_fault_18_a_worker_that_was_stopped_past_its_time_to_live_cannot_replace_what_another_has_done_since(
    folder: SessionFolder, reference: Reference
) -> None:
    """The scheduler is made to give the worker up: a short time-to-live costs a busy machine its living worker too."""
    late = folder.write("late.py", LATE.format(folder=str(folder.folder)))
    cluster = Cluster(folder.folder, ("--preload", str(late)))
    try:
        cluster.scale(2)
        with Client(cluster.address, set_as_default=False) as client:
            addresses = {pid: address for address, pid in client.run(os.getpid).items()}
            process = folder.start("--scheduler", cluster.address)
            pid, stage = stopped_at_a_stage(folder, cluster)

            async def give_up(address: str, dask_scheduler: Scheduler) -> None:
                await dask_scheduler.remove_worker(address, stimulus_id="time to live")

            client.run_on_scheduler(give_up, addresses[pid])
        _, err = process.communicate(timeout=TIMEOUT)
        assert process.returncode == 0, err
        assert folder.contents() == reference.contents
        entry = folder.store / "stages" / stage
        before = {path.name: (path.stat().st_ino, path.read_bytes()) for path in entry.iterdir()}
        puts = folder.folder / "puts.txt"
        assert f"{pid} stages {stage}" not in puts.read_text()
        cluster.worker(pid).send_signal(signal.SIGCONT)
        wait_until(lambda: f"{pid} stages {stage}" in puts.read_text(), "the late worker has come to its end")
        assert {path.name: (path.stat().st_ino, path.read_bytes()) for path in entry.iterdir()} == before
        assert folder.run("--workers", "0") == 0
        assert folder.contents() == reference.contents
        assert folder.states() == reference.states
        assert folder.unfinished() == []
    finally:
        cluster.close()


def stopped_at_a_stage(folder: SessionFolder, cluster: Cluster) -> tuple[int, str]:
    """A worker (process) that was stopped while it trained, and the stage, which it has not put into the store yet."""
    found: list[tuple[int, str]] = []

    def stop() -> bool:
        for pid, stage in folder.claims().items():
            worker = cluster.worker(pid)
            worker.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)
            if folder.claims().get(pid) == stage and stage not in folder.states():
                found.append((pid, stage))
                return True
            worker.send_signal(signal.SIGCONT)  # it had just finished
        return False

    wait_until(stop, "a worker is stopped in the middle of a stage")
    return found[0]


# ------------------------------------------------------------------------- somebody stops, or is stopped, in the middle


@pytest.mark.slow
def test_fault_17_ctrl_c_stops_two_local_workers_and_leaves_nothing_behind_but_what_is_done(
    folder: SessionFolder, reference: Reference
) -> None:
    """And fault 47, Dask's half: until then nothing listened on anything but loopback."""
    process = folder.start("--workers", "2")
    folder.wait_for_a_stage(process)
    workers = set(folder.claims())
    assert workers
    assert process.pid not in workers
    members = group(process.pid)
    assert workers <= members
    ports = listening(members)
    assert len(ports) >= 3
    assert {address for address, _ in ports} == {"127.0.0.1"}

    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it: every process of the group
    out, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130, err
    assert err.endswith(INTERRUPTED)
    assert "Traceback" not in err
    assert out == ""
    wait_until(lambda: not group(process.pid), "the last process of the group has ended")
    assert folder.states() != reference.states
    assert folder.run("--workers", "0") == 0
    assert folder.contents() == reference.contents
    assert folder.states() == reference.states
    assert folder.unfinished() == []


@pytest.mark.slow
def test_fault_17_sigterm_is_as_good_as_ctrl_c(folder: SessionFolder, reference: Reference) -> None:
    process = folder.start("--workers", "0")
    folder.wait_for_a_stage(process)
    process.terminate()
    _, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130, err
    assert err.endswith(INTERRUPTED)
    assert folder.unfinished() == []
    assert folder.run("--workers", "0") == 0
    assert folder.contents() == reference.contents


@pytest.mark.slow
def test_fault_19_the_scheduler_is_killed_and_no_record_is_lost_or_doubled(
    folder: SessionFolder, reference: Reference
) -> None:
    cluster = Cluster(folder.folder)
    try:
        cluster.scale(1)
        process = folder.start("--scheduler", cluster.address)
        wait_until(lambda: list((folder.store / "runs").glob("*")) or process.poll() is not None, "a run is on record")
        cluster.scheduler.kill()
        _, err = process.communicate(timeout=TIMEOUT)
        assert process.returncode == 2, err
        assert "Traceback" not in err
        assert re.search(
            r"imil-sim: the connection to the Dask scheduler was lost \(.*\)\. What is stored is safe", err
        )
        kept = {path.name: path.stat().st_ino for path in (folder.store / "runs").glob("*")}
        assert 0 < len(kept) < 8
        wait_until(lambda: cluster.workers[0].poll() is not None, "the worker has gone as well")
    finally:
        cluster.close()
    assert folder.run("--workers", "0") == 0
    assert folder.contents() == reference.contents
    assert folder.states() == reference.states
    assert folder.unfinished() == []
    now = {path.name: path.stat().st_ino for path in (folder.store / "runs").glob("*")}
    assert len(now) == 8
    assert kept.items() <= now.items()  # what was on record was left as it was


@pytest.mark.slow
def test_fault_20_the_client_goes_and_the_workers_of_somebody_else_let_go_of_its_stages(
    folder: SessionFolder, cluster: Cluster, reference: Reference
) -> None:
    """Whether the client is killed or leaves by Ctrl-C: a worker of its own it would have taken along."""
    cluster.scale(1)
    for sent, code in ((signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)):
        process = folder.start("--scheduler", cluster.address, study="endless.toml")
        folder.wait_for_a_stage(process)
        (pid,) = folder.claims()
        process.send_signal(sent)
        _, err = process.communicate(timeout=TIMEOUT)
        assert process.returncode == code, err
        wait_until(lambda: not folder.claims(), "the worker has let go of the stage")
        assert cluster.worker(pid).poll() is None
        assert folder.states() == set()
    assert folder.run("--scheduler", cluster.address) == 0
    assert folder.contents() == reference.contents
    assert folder.unfinished() == []


# ------------------------------------------------------------------------------------------ two commands, one store

COUNTING = """
import sys
from imil_sim.cli.app import main
from imil_sim.engine.steps import StepRunner
from tests.undrawn import leave_figures_undrawn
leave_figures_undrawn()
real = StepRunner._on_epoch
def counted(self, row):
    with open({log!r}, "a") as log:
        log.write("epoch\\n")
    real(self, row)
StepRunner._on_epoch = counted
main(sys.argv[1:])
"""


@pytest.mark.slow
def test_two_commands_that_run_one_study_in_one_store_at_once_share_the_work_and_end_with_the_same_bytes(
    folder: SessionFolder, reference: Reference
) -> None:
    log = folder.folder / "epochs.txt"
    program = ("-c", COUNTING.format(log=str(log)))
    processes = [
        folder.start("--workers", "0", "--out", str(folder.folder / out), program=program) for out in ("a", "b")
    ]
    for process in processes:
        _, err = process.communicate(timeout=TIMEOUT)
        assert process.returncode == 0, err
    for out in ("a", "b"):
        (folder.folder / out).rename(folder.folder / "out")
        assert folder.contents() == reference.contents
        (folder.folder / "out").rename(folder.folder / out)
    assert folder.states() == reference.states
    assert folder.unfinished() == []
    trained = log.read_text().count("epoch")
    assert 16 <= trained <= 16 + 2 * 2  # the race: both may begin at the same stage in the same moment


# --------------------------------------------------------------------------------------- what processes listen on


def group(number: int) -> set[int]:
    """The living processes of a process group."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == number and fields[0] not in "ZX":
            found.add(int(path.parent.name))
    return found


def listening(processes: set[int]) -> set[tuple[str, int]]:
    """(address, port) of every TCP socket, IPv4 or IPv6, on which one of the processes listens."""
    sockets = set()
    for pid in processes:
        for path in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                sockets.add(os.readlink(path).removeprefix("socket:[").removesuffix("]"))
            except OSError:
                continue
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in sockets:  # 0A: listening
                address, port = fields[1].split(":")
                parts = [str(byte) for byte in bytes.fromhex(address)[::-1]]
                found.add((".".join(parts) if len(parts) == 4 else address, int(port, 16)))
    return found


# ------------------------------------------------------------------------------------------- the executor by themselves


class FakeFuture:
    """A future that is done already."""

    def __init__(self, key: str, outcome: object) -> None:
        self.key, self._outcome = key, outcome

    def add_done_callback(self, call: Callable[[FakeFuture], None]) -> None:
        call(self)

    def result(self) -> object:
        if isinstance(self._outcome, BaseException):
            raise self._outcome
        return self._outcome

    def release(self) -> None:
        pass


class FakeClient:
    """A cluster that gives these outcomes, one a task."""

    def __init__(self, *outcomes: object) -> None:
        self._outcomes = iter(outcomes)
        self.keys: list[str] = []
        self.cancelled: list[str] = []

    def submit(self, function: object, *arguments: object, key: str, **options: object) -> FakeFuture:
        self.keys.append(key)
        return FakeFuture(key, next(self._outcomes))

    def register_plugin(self, plugin: object) -> None:
        pass

    def subscribe_topic(self, topic: str, handler: object) -> None:
        pass

    def cancel(self, futures: list[FakeFuture]) -> None:
        self.cancelled += [future.key for future in futures]


CONFIG = WorkerConfig("store", "beside", "cpu", 10.0, 60.0, {"torch": "2"})
STEP = Train(
    RunSpec.model_validate({"arm": {"images": {"source": "phantom"}, "training": {"epochs": 3}}, "seed": 0}),
    Lineage("trunk"),
    "",
    3,
)
GUILTY = replace(STEP, until=2)


def executor(client: FakeClient, config: WorkerConfig = CONFIG) -> DaskExecutor:
    return DaskExecutor(client, config)  # type: ignore[arg-type]


def test_a_step_that_cost_several_workers_their_lives_is_given_up_and_named() -> None:
    """Dask blames all that lay with the worker: what is innocent comes through when it is tried alone."""
    killed = KilledWorker("task", None, 3)  # type: ignore[arg-type]
    done = StepResult(STEP.key, STEP.target)
    client = FakeClient(killed, killed, done, killed)
    at_work = executor(client)
    at_work.submit(STEP, 1)
    at_work.submit(GUILTY, 1)
    assert len(client.keys) == 2
    found = {end.key: end for end in (at_work.completed(), at_work.completed())}
    assert len(set(client.keys)) == 4
    (error,) = [end.error for end in found.values() if end.error]
    assert isinstance(error, WorkerLost)
    assert re.match(r"the worker process was lost 4 times during training from epoch 0 to \d, ", str(error))
    assert len(found) == 2


def test_a_step_that_another_command_had_called_off_is_asked_for_again_and_not_for_ever() -> None:
    done = StepResult(STEP.key, STEP.target)
    client = FakeClient(CalledOff(), done)
    at_work = executor(client)
    at_work.submit(STEP, 1)
    assert at_work.completed() is done
    assert len(set(client.keys)) == 2
    at_work = executor(FakeClient(*[CalledOff()] * 9))
    at_work.submit(STEP, 1)
    with pytest.raises(ClusterError, match="training from epoch 0 to 3 was called off 3 times"):
        at_work.completed()


def test_studies_of_other_stores_and_environments_have_tasks_of_their_own() -> None:
    client = FakeClient(*[None] * 4)
    for config in (
        CONFIG,
        WorkerConfig("another", "beside", "cpu", 10.0, 60.0, {"torch": "2"}),
        WorkerConfig("store", "beside", "cpu", 10.0, 60.0, {"torch": "3"}),
        WorkerConfig("store", "beside", "cpu", 10.0, 60.0, {"torch": "2"}),
    ):
        executor(client, config).submit(STEP, 1)
    first, *_, last = client.keys
    assert first == last
    assert len(set(client.keys)) == 3


def test_what_is_under_way_is_called_off_at_the_end() -> None:
    client = FakeClient(None)
    at_work = executor(client)
    at_work.submit(STEP, 1)
    at_work.close()
    assert client.cancelled == client.keys


def test_a_cluster_that_cannot_take_the_study_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: FakeClient, plugin: object) -> None:
        raise ModuleNotFoundError("No module named 'imil_sim'")

    monkeypatch.setattr(FakeClient, "register_plugin", fail)
    with pytest.raises(ClusterError, match=r"No module named 'imil_sim'.*the same packages as this one"):
        executor(FakeClient())


def test_fault_26_what_a_worker_has_otherwise_is_named() -> None:
    assert unlike({"torch": "2", "threads": "1"}, {"threads": "1", "torch": "2"}) == ""
    found = unlike({"torch": "2", "numpy": "1", "threads": "1"}, {"torch": "3", "numpy": "2", "threads": "1"})
    assert found == "numpy 2 instead of 1, torch 3 instead of 2"


def test_an_address_at_which_nothing_answers_is_named(
    folder: SessionFolder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_module, "CONNECT_SECONDS", 0.5)
    assert folder.run("--scheduler", "tcp://127.0.0.1:9") == UsageError.exit_code
    assert "--scheduler tcp://127.0.0.1:9: no Dask scheduler answers there" in capsys.readouterr().err
