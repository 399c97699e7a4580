"""Who may call the processes of a study: faults 48 and 49. The attacker is a process that speaks Dask's protocol."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from distributed import Client, LocalCluster, Security

from imil_sim.cli.app import main
from imil_sim.engine import cluster as cluster_module

ROOT = Path(__file__).parents[2]

STUDY = """
name = "tiny"
seeds = 1
images = { source = "phantom", size = 32, train = 8, test = 4 }
model.name = "resnet10"
training = { epochs = EPOCHS, batch_size = 8 }
[arms.baseline]
"""

WORKERS = 2

WAIT_SECONDS = 180.0
"""After which a test that waits for something fails; nothing is timed with it."""

ATTACK = """
import asyncio, json, os, pickle, ssl, sys
from distributed import Security
from distributed.comm import connect
from distributed.core import send_recv

bare = ssl._create_unverified_context()
own = Security.temporary().get_connection_args("client")["ssl_context"]
own.verify_mode = ssl.CERT_NONE
WAYS = {"plain": ("tcp", {}), "no certificate": ("tls", {"ssl_context": bare}),
        "own certificate": ("tls", {"ssl_context": own})}

async def call(port, way, operation):
    scheme, options = WAYS[way]
    try:
        comm = await connect(f"{scheme}://127.0.0.1:{port}", timeout=10, **options)
        reply = await asyncio.wait_for(send_recv(comm, op=operation, function=pickle.dumps(os.getpid)), 10)
        return port, way, reply["result"]
    except Exception:
        return port, way, None

async def attack(ports):
    calls = [call(port, way, name) for port in ports for way in WAYS for name in ("run", "run_function")]
    done, _ = await asyncio.wait(list(map(asyncio.create_task, calls)), timeout=30)
    answers = [task.result() for task in done]
    print(json.dumps([answer for answer in answers if answer[-1] is not None]), flush=True)
    os._exit(0)  # a port that speaks another protocol may keep a call waiting

user, *ports = map(int, sys.argv[1:])
if user != os.getuid():
    try:
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
    except PermissionError:
        sys.exit(77)
asyncio.run(attack(ports))
"""


def attack(user: int, ports: set[int]) -> set[tuple[int, str, int]]:
    """(port, way, process) of every call that ``user`` got through: the number of the process that carried it out."""
    command = [sys.executable, "-c", ATTACK, *map(str, (user, *sorted(ports)))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 77:
        pytest.skip("needs the right to become another user, such as root has")
    assert done.returncode == 0, done.stderr
    return {(port, way, process) for port, way, process in json.loads(done.stdout)}


@pytest.fixture(params=["the same user", "nobody"])
def user(request: pytest.FixtureRequest) -> int:
    return os.getuid() if request.param == "the same user" else pwd.getpwnam("nobody").pw_uid


def wait_until(holds: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.05)


@dataclass(frozen=True)
class Running:
    """A study that trains on local workers, with a folder of temporary files of its own."""

    temporary: Path
    processes: list[psutil.Process]

    def ports(self) -> set[int]:
        """All that its processes listen on, of whatever address."""
        sockets = [socket for process in self.processes for socket in process.net_connections("inet")]
        return {socket.laddr.port for socket in sockets if socket.status == psutil.CONN_LISTEN}


# --------------------------------------------------------------------------------- the attack succeeds where it should


class Lax(Security):
    """Encrypts, and does not ask who calls."""

    def get_listen_args(self, role: str) -> dict[str, Any]:
        arguments: dict[str, Any] = super().get_listen_args(role)
        arguments["ssl_context"].verify_mode = ssl.CERT_NONE
        return arguments


@pytest.mark.slow
def test_a_cluster_without_tls_is_open_to_the_same_attack(user: int) -> None:
    with LocalCluster(n_workers=1, threads_per_worker=1, protocol="tcp://", dashboard_address=None) as cluster:
        (nanny,) = cluster.workers.values()
        addresses = [cluster.scheduler.address, nanny.address, nanny.worker_address]
        ports = [int(address.rpartition(":")[2]) for address in addresses]
        processes = [os.getpid(), os.getpid(), nanny.pid]
        assert attack(user, set(ports)) == {(p, "plain", n) for p, n in zip(ports, processes, strict=True)}


@pytest.mark.slow
def test_a_cluster_that_asks_for_no_certificate_is_open_to_the_same_attack(user: int) -> None:
    lax = {"protocol": "tls://", "security": Lax.temporary(), "dashboard_address": None}
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, **lax) as cluster:
        port = int(cluster.scheduler.address.rpartition(":")[2])
        ways = ("no certificate", "own certificate")
        assert attack(user, {port}) == {(port, way, os.getpid()) for way in ways}


# ------------------------------------------------------------------------------------- a cluster that somebody started


def run(folder: Path, *options: str) -> int:
    """The exit code of ``imil-sim run`` in this process."""
    (folder / "tiny.toml").write_text(STUDY.replace("EPOCHS", "1"))
    places = ["--store", str(folder / "store"), "--out", str(folder / "out")]
    with pytest.raises(SystemExit) as stopped:
        main(["run", str(folder / "tiny.toml"), *places, *options])
    return int(stopped.value.code or 0)


def write_pem(folder: Path, security: Security) -> list[str]:
    """The options that name the files of ``security``, which are written now."""
    folder.mkdir()
    named = {"ca": security.tls_ca_file, "cert": security.tls_client_cert, "key": security.tls_client_key}
    for name, text in named.items():
        (folder / name).write_text(text)
    return [part for name in named for part in (f"--tls-{name}", str(folder / name))]


def test_fault_49_a_scheduler_without_tls_is_warned_about_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_module, "CONNECT_SECONDS", 0.5)
    for address, warned in (("tcp://127.0.0.1:9", 1), ("127.0.0.1:9", 1), ("tls://127.0.0.1:9", 0)):
        files = [] if warned else write_pem(tmp_path / "pem", Security.temporary())
        assert run(tmp_path, "--scheduler", address, *files) == 2  # since nothing answers there
        lines = capsys.readouterr().err.splitlines()
        assert len([line for line in lines if line.startswith(f"warning: --scheduler {address}: ")]) == warned


def test_fault_49_tls_needs_all_three_files_and_a_scheduler_to_use_them_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = write_pem(tmp_path / "pem", Security.temporary())
    other = write_pem(tmp_path / "other", Security.temporary())
    tls = ["--scheduler", "tls://127.0.0.1:9"]
    wrong = {
        "--tls-key": [*tls, *files[:4]],
        "--tls-ca, --tls-cert, --tls-key": tls,
        str(tmp_path / "absent"): [*tls, *files[:5], str(tmp_path / "absent")],
        str(tmp_path / "other" / "key"): [*tls, *files[:5], other[5]],  # not the key of that certificate
        str(tmp_path): [*tls, "--tls-ca", str(tmp_path), *files[2:]],
        "tcp://127.0.0.1:9": ["--scheduler", "tcp://127.0.0.1:9", *files],
        "--tls-ca": files,
    }
    for named, options in wrong.items():
        assert run(tmp_path, *options) == 2
        err = capsys.readouterr().err
        assert named in err
        assert err.startswith("imil-sim: ")
    assert not (tmp_path / "store").exists()


@pytest.mark.slow
def test_fault_49_a_cluster_with_the_files_of_the_recipe_takes_a_study_and_nobody_elses_call(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not shutil.which("openssl"):
        pytest.skip("needs openssl, with which docs/cluster.md makes the files")
    (recipe,) = re.findall(r"```sh\n(.*?openssl.*?)```", (ROOT / "docs" / "cluster.md").read_text(), re.DOTALL)
    subprocess.run(["sh", "-e", "-c", recipe], cwd=tmp_path, check=True, capture_output=True)
    tls = tmp_path / "tls"
    assert {path.name: oct(path.stat().st_mode & 0o077) for path in (tls, tls / "node.key")} == {
        "tls": "0o0",
        "node.key": "0o0",
    }
    ca, cert, key = (str(tls / name) for name in ("ca.pem", "node.pem", "node.key"))
    common = ["--tls-ca-file", ca, "--tls-cert", cert, "--tls-key", key, "--host", "127.0.0.1"]
    common += ["--no-dashboard", "--dashboard-address", "127.0.0.1:0"]
    found = tmp_path / "scheduler.json"
    with ExitStack() as stack, (tmp_path / "log.txt").open("wb") as log:

        def start(*arguments: str) -> psutil.Popen:
            command = [sys.executable, "-m", "dask", *arguments, *common]
            private = {**os.environ, "DASK_TEMPORARY_DIRECTORY": str(tmp_path)}
            process = psutil.Popen(command, stdout=log, stderr=log, env=private)
            stack.callback(process.wait)
            stack.callback(process.terminate)
            return process

        scheduler = start("scheduler", "--port", "0", "--scheduler-file", str(found), "--idle-timeout", "300s")
        wait_until(lambda: found.is_file() and found.read_text(), "the scheduler is up")
        address = json.loads(found.read_text())["address"]
        worker = start("worker", address, "--nthreads", "1", "--no-nanny", "--death-timeout", "60")
        security = Security(tls_ca_file=ca, tls_client_cert=cert, tls_client_key=key)
        with Client(address, security=security, set_as_default=False) as client:
            client.wait_for_workers(1, timeout=WAIT_SECONDS)
        assert run(tmp_path, "--scheduler", address, "--tls-ca", ca, "--tls-cert", cert, "--tls-key", key) == 0
        assert "warning" not in capsys.readouterr().err
        ports = Running(tmp_path, [scheduler, worker]).ports()
        assert int(address.rpartition(":")[2]) in ports
        assert attack(os.getuid(), ports) == set()
        assert run(tmp_path, "--scheduler", address, *write_pem(tmp_path / "other", Security.temporary())) == 2


# ------------------------------------------------------------------------------------------------------- local workers
# Last, since the study trains until the last of them is done.


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("running")
    (folder / "endless.toml").write_text(STUDY.replace("EPOCHS", "100000"))
    shared = folder / "tmp" / "dask-scratch-space"  # as another user may have made it before us
    shared.mkdir(parents=True)
    shared.chmod(0o777)
    command = [sys.executable, "-m", "imil_sim", "run", str(folder / "endless.toml"), "--store", str(folder / "store")]
    command += ["--out", str(folder / "out"), "--workers", str(WORKERS)]
    with (folder / "log.txt").open("wb") as log:
        process = psutil.Popen(command, stdout=log, stderr=log, env={**os.environ, "TMPDIR": str(folder / "tmp")})
    try:
        claimed = "claims/" + "[0-9a-f]" * 64 + ".json"
        wait_until(lambda: [*(folder / "store").glob(claimed)] or process.poll() is not None, "a stage is under way")
        assert process.poll() is None, (folder / "log.txt").read_text()
        yield Running(folder / "tmp", [process, *process.children(recursive=True)])
    finally:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
        process.wait()


@pytest.mark.slow
def test_fault_48_scheduler_workers_and_nannies_refuse_who_has_not_their_key(running: Running, user: int) -> None:
    ports = running.ports()
    assert len(ports) == 1 + 2 * WORKERS  # a scheduler, and a nanny and a process a worker: nothing speaks HTTP
    assert attack(user, ports) == set()
    assert running.ports() == ports


@pytest.mark.slow
def test_fault_48_the_key_and_what_python_imports_are_where_no_other_user_comes(running: Running) -> None:
    assert list((running.temporary / "dask-scratch-space").iterdir()) == []
    (own,) = running.temporary.glob("imil-sim-*")
    assert own.stat().st_mode & 0o077 == 0
    seen = [path.read_bytes() for path in running.temporary.rglob("*") if path.is_file()]
    for process in running.processes:
        seen += [" ".join([*process.cmdline(), *process.environ().values()]).encode()]
    assert not [text for text in seen if b"PRIVATE KEY" in text]
