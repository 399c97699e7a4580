"""Carrying steps out with Dask: on worker processes of this machine, or on a cluster that somebody else started.

A step is a Dask task under its own key, so Dask removes doubles and does again what a lost worker had begun. The
workers speak to each other and to us through Dask, but what they make goes through the store: a step that was done is
done, wherever. One worker has one thread, because the number of threads changes the bits.
"""

from __future__ import annotations

import os
import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask
from distributed import Client, Future, Nanny, Scheduler, SpecCluster, WorkerPlugin, get_worker
from distributed.scheduler import KilledWorker

from imil_sim.engine.data import ImageLibrary
from imil_sim.engine.steps import Done, Step, Watch, Workshop
from imil_sim.engine.store import Store
from imil_sim.errors import RunError, UsageError, WorkerLost
from imil_sim.study.record import EpochRow
from imil_sim.training.numerics import find_device, gpu_count

LOOPBACK = "127.0.0.1"
"""All that the processes of this machine listen on; a cluster of somebody else's has addresses of its own."""

TOPIC = "imil-sim"
"""Under which workers tell of finished epochs."""

SETTINGS = {
    "distributed.nanny.pre-spawn-environ": {
        "OMP_NUM_THREADS": "1",  # of libraries other than torch, which is told inside each step
        "DASK_LOGGING__DISTRIBUTED": "critical",  # what goes wrong is told once, by us
    },
    "distributed.comm.timeouts.connect": "60s",  # a busy machine takes its time to start processes
}


@dataclass(frozen=True, slots=True)
class Bench:
    """What a worker needs to set up a `Workshop`; small, and the same for every worker of a study."""

    store: str
    beside: str
    device: str
    checkpoint_minutes: float

    def workshop(self, watch: Watch) -> Workshop:
        """The workshop, in the process that calls."""
        store, beside = Path(self.store), Path(self.beside)
        library = ImageLibrary(beside, store / "images")
        return Workshop(library, Store(store), find_device(self.device), beside, watch, self.checkpoint_minutes)


class WorkshopPlugin(WorkerPlugin):
    """Gives every worker one workshop, so that images are loaded once a process."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.name = plugin_name(bench)
        self.workshop: Workshop | None = None

    def setup(self, worker: Any) -> None:
        """Called by Dask in the worker's process; images are loaded when the first step needs them."""
        self.workshop = self.bench.workshop(Watch(on_epoch=lambda row: _tell(worker, row)))


def plugin_name(bench: Bench) -> str:
    """Two studies that share a cluster have workshops of their own."""
    return f"imil-sim:{bench}"


def _tell(worker: Any, row: EpochRow) -> None:
    """Tell the user's process of a finished epoch, and stop where nobody wants the rest any more."""
    task = worker.state.tasks.get(worker.get_current_task())
    if task is not None and task.state in ("cancelled", "released"):
        raise RunError("nobody waits for this stage any more")
    worker.loop.add_callback(worker.log_event, TOPIC, {"epoch": row.epoch, "pid": os.getpid()})


def _on_worker(bench: Bench, step: Step) -> Done:
    plugin = get_worker().plugins[plugin_name(bench)]
    assert isinstance(plugin, WorkshopPlugin)
    assert plugin.workshop is not None
    return plugin.workshop.carry_out(step)


class DaskHands:
    """Carries out steps on the workers of a Dask cluster; see `imil_sim.engine.execute.Hands`."""

    def __init__(self, client: Client, bench: Bench, on_epoch: Callable[[], None] = lambda: None) -> None:
        self._client, self._bench = client, bench
        self._done: queue.SimpleQueue[Future[Done]] = queue.SimpleQueue()
        self._futures: dict[str, Future[Done]] = {}
        client.register_plugin(WorkshopPlugin(bench))
        client.subscribe_topic(TOPIC, lambda event: on_epoch())

    def submit(self, step: Step, priority: int) -> None:
        """Have a step carried out; of several that wait the one with the highest priority goes first."""
        future = self._client.submit(
            _on_worker, self._bench, step, key=f"imil-sim-{step.key}", priority=priority, retries=0, pure=True
        )
        self._futures[step.key] = future
        future.add_done_callback(self._done.put)

    def completed(self) -> Done:
        """The next step that is done, as soon as there is one."""
        future = self._done.get()
        key = str(future.key).removeprefix("imil-sim-")
        self._futures.pop(key, None)
        try:
            done: Done = future.result()
        except KilledWorker as error:
            lost = WorkerLost(
                f"the worker process was lost {error.allowed_failures + 1} times at step {key[:16]}, most likely for "
                "lack of memory; use fewer workers or a smaller batch_size"
            )
            done = Done(key, None, lost)
        future.release()
        return done

    def close(self) -> None:
        """Nothing is carried out any more; what was under way is given up."""
        for future in list(self._futures.values()):
            future.cancel(force=True)


@contextmanager
def local_client(workers: int, device: str, workers_per_gpu: int) -> Iterator[Client]:
    """A client of worker processes on this machine, which end with it; everything listens on loopback only."""
    environments = _environments(workers, device, workers_per_gpu)
    common = {"nthreads": 1, "host": LOOPBACK, "dashboard": False, "memory_limit": 0, "death_timeout": 60}
    with dask.config.set(SETTINGS):
        spec = {i: {"cls": Nanny, "options": {**common, "env": env}} for i, env in enumerate(environments)}
        scheduler = {"cls": Scheduler, "options": {"host": LOOPBACK, "port": 0, "dashboard": False}}
        with (
            SpecCluster(workers=spec, scheduler=scheduler, silence_logs=50) as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            yield client


def _environments(workers: int, device: str, workers_per_gpu: int) -> list[dict[str, str]]:
    """The environment of each worker process: a GPU is chosen before torch is imported there."""
    if device != "cuda":
        return [{} for _ in range(workers)]
    gpus = gpu_count()
    return [{"CUDA_VISIBLE_DEVICES": str(i % gpus)} for i in range(gpus * workers_per_gpu)]


@contextmanager
def remote_client(address: str) -> Iterator[Client]:
    """A client of the Dask scheduler at ``address``, which goes on when we leave.

    Raises:
        UsageError: nothing answers there.
    """
    try:
        client = Client(address, set_as_default=False, timeout="20s")
    except (OSError, TimeoutError, ValueError) as error:
        raise UsageError(
            f"--scheduler {address}: no Dask scheduler answers there ({error}); start one with `dask scheduler` and "
            "give the address it prints, such as tcp://host:8786"
        ) from error
    with client:
        yield client
