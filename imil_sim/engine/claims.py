"""Claims: how processes that use one store at the same time see what the others are working on.

A claim is a courtesy that spares double work; nothing relies on it. It is a small file, renewed every few seconds, that
bears the name of its process: machine, number and moment of its start. On the same machine that name shows at once,
without locks and clocks, whether the process still lives.
"""

from __future__ import annotations

import contextlib
import contextvars
import hashlib
import itertools
import json
import os
import re
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from imil_sim.io import make_folder, write_new_file

PULSE = 2.0
"""Seconds between two signs of life of a claim."""

PULSE_STOPPED = 15.0
"""Seconds without a sign of life after which a claim is taken over."""

OWNER = re.compile(r"(?P<machine>[0-9a-f]{12})-(?P<pid>\d{1,10})-(?P<start>\d{1,20})")
"""The name of a process."""


@contextmanager
def claim(root: Path, key: str) -> Iterator[bool]:
    """Show other processes that this one is at work on ``key``; True unless another was, and we waited for it.

    Another's claim is respected while its process lives and its pulse goes on. Where the process is known to be dead it
    is taken over at once, elsewhere when it has stood still for `PULSE_STOPPED` seconds of our own clock.
    """
    place = root / "claims" / f"{key}.json"
    waited = _wait_for(place)
    token = uuid.uuid4().hex
    stop = threading.Event()
    # In our context, so that a claim has the same readers as what it announces.
    beat = threading.Thread(target=contextvars.copy_context().run, args=(_beat, root, place, token, stop), daemon=True)
    beat.start()
    try:
        yield not waited
    finally:
        stop.set()
        beat.join()
        if claimant(place)[1:2] == (token,):
            with contextlib.suppress(OSError):
                place.unlink(missing_ok=True)


def claimant(place: Path) -> tuple[object, ...]:
    """(owner, token, pulse) of a claim; empty where there is none that can be read."""
    try:
        return tuple(json.loads(place.read_bytes().decode("utf-8")))
    except (OSError, ValueError, TypeError):
        return ()


def _wait_for(place: Path) -> bool:
    """Whether there was a living claim; comes back when it is given up, or whoever made it is dead or stands still."""
    last, since, waited = claimant(place), time.monotonic(), False
    while last and not has_died(str(last[0])) and time.monotonic() - since < PULSE_STOPPED:
        time.sleep(PULSE / 10)
        now = claimant(place)
        if now != last:
            last, since, waited = now, time.monotonic(), True
    return waited


def _beat(root: Path, place: Path, token: str, stop: threading.Event) -> None:
    """Renew a claim until it is stopped; a claim that cannot be written is done without."""
    for count in itertools.count():
        try:
            make_folder(place.parent)
            make_folder(root / "tmp")
            aside = root / "tmp" / f"{owner()}-claim-{uuid.uuid4().hex}"
            write_new_file(aside, json.dumps([owner(), token, count]).encode())
            os.replace(aside, place)
        except OSError:
            return
        if stop.wait(PULSE):
            return


# -------------------------------------------------------------------------------------------------- names of processes


def owner() -> str:
    """The name of this process, ``MACHINE-PID-START``; no other has it, now or later."""
    return _name_of(os.getpid())


def owner_of(place: Path) -> str:
    """The owner of a claim, or of what bears its owner's name; empty where that is not known."""
    if place.parent.name == "claims":
        return str((*claimant(place), "")[0])
    named = OWNER.search(place.name)
    return named.group() if named else ""


def is_foreign(name: str) -> bool:
    """Whether that is no process of this machine, so that nothing can be known of it."""
    return not name.startswith(_machine())


def has_died(name: str) -> bool:
    """Whether the process of that name certainly is no more; False where it cannot be known."""
    found = OWNER.fullmatch(name)
    if found is None or is_foreign(name):
        return False
    pid = int(found["pid"])
    if start := _start(pid):
        return start != int(found["start"])  # the number may have been given to another process
    try:
        os.kill(pid, 0)  # asks; sends nothing
    except ProcessLookupError:
        return True
    except PermissionError:  # another user's, and hidden
        return False
    return _status(pid)[:1] in (["Z"], ["X"])  # ended, and only its parent has not asked how


@cache
def _name_of(pid: int) -> str:
    """Worked out once a process: later there may be no file handle left to ask with."""
    return f"{_machine()}-{pid}-{_start(pid)}"


@cache
def _machine() -> str:
    """Of this boot of this machine, and of the namespace in which process numbers mean what they mean here."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        return hashlib.sha256(f"{boot}{os.readlink('/proc/self/ns/pid')}".encode()).hexdigest()[:12]
    except OSError:
        return uuid.uuid4().hex[:12]  # not known, and so no other process's


def _start(pid: int) -> int:
    """When a living process was started, in clock ticks since the machine's start; 0 where it cannot be seen."""
    fields = _status(pid)
    return int(fields[19]) if fields and fields[0] not in "ZX" else 0


def _status(pid: int) -> list[str]:
    """The fields of ``/proc/PID/stat`` after the name of the program, which may hold anything."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return []
