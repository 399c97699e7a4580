"""Carrying steps out with Dask: on worker processes of this machine, or on a cluster that runs already.

A step is a Dask task under its own key, so Dask removes doubles and does again what a lost worker had begun. The
workers speak to each other and to us through Dask, but what they make goes through the store: a step that was done is
done, wherever. One worker has one thread, because the number of threads changes the bits.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from multiprocessing import resource_tracker
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dask
from distributed import Client, Future, Nanny, Security, SpecCluster, Status, WorkerPlugin, get_worker
from distributed.client import ClosedClientError
from distributed.comm.core import CommClosedError
from distributed.scheduler import KilledWorker
from distributed.utils import LoopRunner

from imil_sim.engine.data import ImageLibrary
from imil_sim.engine.nodes import LocalScheduler, LocalWorker
from imil_sim.engine.run import UNOBSERVED, Observer
from imil_sim.engine.stages import Step, StepResult
from imil_sim.engine.steps import StepRunner
from imil_sim.engine.store import Store
from imil_sim.errors import ClusterError, ImilSimError, UsageError, WorkerLost
from imil_sim.io import Readers, readable_by
from imil_sim.study.record import EpochRow
from imil_sim.study.spec import content_key
from imil_sim.training.numerics import environment, find_device, gpu_count

LOOPBACK = "127.0.0.1"
"""All that the processes of this machine listen on; another cluster has addresses of its own."""

SETTINGS = {
    "distributed.nanny.pre-spawn-environ": {
        "OMP_NUM_THREADS": "1",  # of libraries other than torch, whose threads each step sets
        "DASK_LOGGING__DISTRIBUTED": "critical",  # what goes wrong is said once, by us
    },
    "distributed.comm.timeouts.connect": "60s",  # a busy machine takes its time to start processes
}

CONNECT_SECONDS = 10.0
"""How long a scheduler that runs already may take to answer."""

MOST_TRIES = 3
"""How often a step is handed out again that a worker gave up because another command had called it off."""


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """What a worker needs to set up a `StepRunner`; small, and the same for every worker of a study."""

    store: str
    beside: str
    device: str
    checkpoint_minutes: float
    oracle_seconds: float
    environment: Mapping[str, str]
    """What moves the bits where the study was planned (`numerics.environment`): it stands in every key."""
    readers: Readers = "owner"
    """Who can read what a worker writes."""

    @property
    def name(self) -> str:
        """Of the plugin on a worker: two studies that share a cluster have step runners of their own."""
        return f"imil-sim-{content_key(asdict(self))[:16]}"

    def step_runner(self, observer: Observer = UNOBSERVED) -> StepRunner:
        """The step runner, in the process that calls."""
        store, beside = Path(self.store), Path(self.beside)
        own = ImageLibrary(beside, store), Store(store), find_device(self.device), beside
        return StepRunner(*own, observer, self.checkpoint_minutes, self.oracle_seconds)


class StepRunnerPlugin(WorkerPlugin, Observer):
    """Gives every worker one step runner, so that images are loaded once a process."""

    def __init__(self, config: WorkerConfig) -> None:
        self.config, self.name = config, config.name
        self._worker: Any = None
        self._runner: StepRunner | None = None

    def setup(self, worker: Any) -> None:
        """Called by Dask in the worker's process; everything else waits until the first step."""
        self._worker = worker

    def carry_out(self, step: Step) -> StepResult:
        """The step, done in this process.

        Raises:
            UsageError: numbers would come out differently here.
        """
        if self._runner is None:
            found = environment(find_device(self.config.device))
            if different := unlike(self.config.environment, found):
                raise UsageError(
                    f"the worker {self._worker.address} would give other numbers than the machine this study was "
                    f"started on: {different}. Give both the same packages and kind of processor"
                )
            self._runner = self.config.step_runner(self)
        with readable_by(self.config.readers):
            return self._runner.carry_out(step)

    def on_epoch(self, row: EpochRow) -> None:
        """Send word of a finished epoch to the user's process."""
        self.on_batch(0, 0)
        self._worker.loop.add_callback(self._worker.log_event, self.name, {"epoch": row.epoch, "pid": os.getpid()})

    def on_batch(self, done: int, total: int) -> None:
        """Check that the step at hand is still wanted.

        Dask does not interrupt what it has called off, and a worker whose scheduler has gone closes only when its
        thread comes back: so the thread looks, batch by batch.
        """
        task = self._worker.state.tasks.get(self._worker.get_current_task())
        if task is None or task.state in ("cancelled", "released") or self._worker.status not in _AT_WORK:
            raise CalledOff


_AT_WORK = (Status.running, Status.paused, Status.closing_gracefully)


class CalledOff(Exception):
    """A step was no longer wanted, so the worker stopped in the middle."""


def unlike(expected: Mapping[str, str], found: Mapping[str, str]) -> str:
    """``torch 2.12 instead of 2.13, ...``; empty where both are equal."""
    names = sorted(name for name in {*expected, *found} if expected.get(name) != found.get(name))
    return ", ".join(f"{name} {found.get(name)} instead of {expected.get(name)}" for name in names)


def _on_worker(name: str, step: Step) -> StepResult:
    plugin = get_worker().plugins[name]
    assert isinstance(plugin, StepRunnerPlugin)
    try:
        return plugin.carry_out(step)
    except (ImilSimError, CalledOff):
        raise
    except Exception:  # a fault in the program: as text, since Dask loses an exception that cannot be pickled
        raise RuntimeError(f"{step} failed on a worker:\n{traceback.format_exc(limit=50)}") from None


@dataclass(slots=True)
class _Handed:
    """A step in the executor of the cluster."""

    step: Step
    priority: int
    number: int
    """How many times it has been handed out."""
    alone: bool
    """Whether nothing else was under way with it."""
    future: Future[StepResult]


class DaskExecutor:
    """Carries out steps on the workers of a Dask cluster; see `imil_sim.engine.run.Executor`.

    Where workers die, Dask blames every step that lay with them, also those that only waited there. So steps that it
    gives up are tried once more at the end, one by one, and only what costs a worker its life then is guilty.

    Args:
        client: of the cluster; the caller closes it.
        config: what a worker's step runner is made of.
        on_epoch: called for every epoch that is trained for this study.

    Raises:
        ClusterError: the scheduler or a worker cannot take this study.
    """

    def __init__(self, client: Client, config: WorkerConfig, on_epoch: Callable[[], None] = lambda: None) -> None:
        self._client, self._config = client, config
        self._done: queue.SimpleQueue[Future[StepResult]] = queue.SimpleQueue()
        self._handed: dict[str, _Handed] = {}
        self._suspects: list[_Handed] = []
        try:
            client.register_plugin(StepRunnerPlugin(config))
            client.subscribe_topic(config.name, lambda event: on_epoch())
        except Exception as error:  # whatever a worker lacks: a package, another release of one
            raise ClusterError(
                f"the cluster cannot take this study: {type(error).__name__}: {error}. Scheduler and workers must run "
                "in an environment with the same packages as this one, imil-sim among them"
            ) from error

    def submit(self, step: Step, priority: int) -> None:
        """See `Executor.submit`.

        Raises:
            ClusterError: the scheduler has gone.
        """
        self._hand_out(step, priority)

    def completed(self) -> StepResult:
        """See `Executor.completed`.

        Raises:
            ClusterError: the scheduler has gone.
        """
        while True:
            if self._suspects and not self._handed:
                suspect = self._suspects.pop(0)
                self._hand_out(suspect.step, suspect.priority, suspect.number + 1, alone=True)
            future = self._done.get()
            handed = self._handed.pop(str(future.key))
            try:
                return future.result()
            except KilledWorker as error:
                if handed.alone:
                    return StepResult(handed.step.key, None, _lost(handed.step, error))
                self._suspects.append(handed)
            except CalledOff:
                self._again(handed)
            except CancelledError as error:
                raise _gone(error) from None
            finally:
                with suppress(ClosedClientError):
                    future.release()

    def close(self) -> None:
        """See `Executor.close`; what another study of the same store waits for goes on."""
        with suppress(ClosedClientError, CommClosedError, CancelledError):
            self._client.cancel([handed.future for handed in self._handed.values()])
        self._handed.clear()

    def _hand_out(self, step: Step, priority: int, number: int = 1, *, alone: bool = False) -> None:
        # The key is that of this store: in another one the step may not have been done.
        key = f"{self._config.name}-{step.key}-{number}"
        try:
            future = self._client.submit(_on_worker, self._config.name, step, key=key, priority=priority, pure=True)
        except (ClosedClientError, CommClosedError) as error:
            raise _gone(error) from None
        self._handed[key] = _Handed(step, priority, number, alone, future)
        future.add_done_callback(self._done.put)

    def _again(self, handed: _Handed) -> None:
        """Ask once more for a step that was called off: another command had asked for it first, and was stopped."""
        if handed.number >= MOST_TRIES:
            raise ClusterError(f"{handed.step} was called off {MOST_TRIES} times; run the same command again to go on")
        self._hand_out(handed.step, handed.priority, handed.number + 1, alone=handed.alone)


def _lost(step: Step, error: KilledWorker) -> WorkerLost:
    return WorkerLost(
        f"the worker process was lost {error.allowed_failures + 1} times during {step}, most likely for lack "
        "of memory; use fewer workers or a smaller batch_size"
    )


def _gone(error: BaseException) -> ClusterError:
    return ClusterError(
        f"the connection to the Dask scheduler was lost ({getattr(error, 'reason', error)}). What is stored is safe; "
        "see whether the scheduler runs, and run the same command to go on"
    )


@contextmanager
def local_client(workers: int, device: str, workers_per_gpu: int) -> Iterator[Client]:
    """A client of worker processes on this machine, which end with it.

    They listen on loopback, where any local user may knock, and take calls only over TLS from one another: the key is
    made here, and reaches the workers through a pipe.
    """
    environments = _environments(workers, device, workers_per_gpu)
    security = Security.temporary()
    common = {"host": LOOPBACK, "protocol": "tls", "security": security}
    own = {"nthreads": 1, "memory_limit": 0, "death_timeout": 60, "worker_class": LocalWorker}
    spec = {i: {"cls": Nanny, "options": {**common, **own, "env": env}} for i, env in enumerate(environments)}
    scheduler = {"cls": LocalScheduler, "options": {**common, "port": 0}}
    with (
        TemporaryDirectory(prefix="imil-sim-", ignore_cleanup_errors=True) as folder,
        # Dask's folder of temporary files is a place Python imports from, and otherwise one that all users share.
        dask.config.set({**SETTINGS, "temporary-directory": folder}),
        _loop() as loop,
        SpecCluster(workers=spec, scheduler=scheduler, security=security, silence_logs=50, loop=loop) as cluster,
        Client(cluster, set_as_default=False, loop=loop) as client,
    ):
        yield client


@contextmanager
def _loop() -> Iterator[Any]:
    """The event loop that starts the workers, in a thread that is deaf to Ctrl-C, as what is started from it will be.

    A terminal sends Ctrl-C to every process; the workers would each print a traceback. They are stopped by us.
    """
    runner = LoopRunner()
    resource_tracker.ensure_running()  # which lets the signal through again wherever it is started from
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        runner.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    try:
        yield runner.loop
    finally:
        runner.stop()


def _environments(workers: int, device: str, workers_per_gpu: int) -> list[dict[str, str]]:
    """The environment of each worker process: a GPU is chosen before torch is imported there."""
    if device != "cuda":
        return [{} for _ in range(workers)]
    gpus = gpu_count()
    return [{"CUDA_VISIBLE_DEVICES": str(i % gpus)} for i in range(gpus * workers_per_gpu)]


def remote_security(address: str | None, ca: Path | None, cert: Path | None, key: Path | None) -> Security | None:
    """What a client of the scheduler at ``address`` shows and asks for; None where it is not ``tls://``.

    Args:
        address: of the scheduler, where there is one.
        ca: PEM file with the certificate of the authority that signed all certificates of the cluster.
        cert: PEM file with the client's own certificate.
        key: PEM file with the key of that certificate.

    Raises:
        UsageError: files are missing, cannot be used, or are given without a ``tls://`` address.
    """
    files = {"--tls-ca": ca, "--tls-cert": cert, "--tls-key": key}
    given = [option for option, path in files.items() if path]
    if not (address or "").startswith("tls://"):
        if given:
            raise UsageError(f"{', '.join(given)}: only with --scheduler tls://HOST:PORT, found {address}")
        return None
    if missing := [option for option in files if option not in given]:
        raise UsageError(f"--scheduler {address}: {', '.join(missing)} missing; docs/cluster.md makes such files")
    security = Security(
        require_encryption=True, tls_ca_file=str(ca), tls_client_cert=str(cert), tls_client_key=str(key)
    )
    try:
        security.get_connection_args("client")
    except OSError as error:  # those of ssl among them
        named = ", ".join(f"{option} {path}" for option, path in files.items())
        raise UsageError(
            f"{named}: {error}; give PEM files that you may read, and a certificate with its key"
        ) from error
    return security


@contextmanager
def remote_client(address: str, security: Security | None = None) -> Iterator[Client]:
    """A client of the Dask scheduler at ``address``, which goes on when we leave.

    Raises:
        UsageError: nothing answers there, or does not accept our certificate.
    """
    try:
        client = Client(address, security=security, set_as_default=False, timeout=CONNECT_SECONDS)
    except (OSError, TimeoutError, ValueError) as error:
        raise UsageError(
            f"--scheduler {address}: no Dask scheduler answers there ({error}); start one as docs/cluster.md shows and "
            "give the address it prints, such as tls://host:8786"
        ) from error
    with _quiet(), client:
        yield client


@contextmanager
def _quiet() -> Iterator[None]:
    """Dask's own loggers say nothing in this process: what goes wrong is said once, by us."""
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client")]
    before = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
