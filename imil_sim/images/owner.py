"""Who made a file that is not finished yet, and whether that process has died since.

What is written beside its place bears the name of its process: machine, number and moment of its start. On the same
machine this tells at once, without locks and clocks, whether the process is still there. Of another machine's nothing
is known. All that rests on it is tidiness and time: a mistake would cost somebody a second write, never a wrong entry.
"""

from __future__ import annotations

import hashlib
import os
import re
import uuid
from functools import cache
from pathlib import Path

PATTERN = re.compile(r"(?P<machine>[0-9a-f]{12})-(?P<pid>\d{1,10})-(?P<start>\d{1,20})")
"""An owner's name."""

_UNKNOWN_MACHINE = uuid.uuid4().hex[:12]
"""Stands for a machine that does not tell what it is: no other process has the same."""


def owner() -> str:
    """The name of this process, ``MACHINE-PID-START``; no other has it, now or later."""
    return _named(os.getpid())


def owner_in(name: str) -> str:
    """The owner that the name of a file begins with or holds; empty where there is none.

    >>> owner_in(".ab12-0123456789ab-77-4242-x")
    '0123456789ab-77-4242'
    """
    found = PATTERN.search(name)
    return found.group() if found else ""


def has_died(name: str) -> bool:
    """Whether the process of that name certainly is no more; False where it cannot be known."""
    found = PATTERN.fullmatch(name)
    if found is None or found["machine"] != _machine():
        return False
    pid = int(found["pid"])
    start = _start(pid)
    if start is not None:
        return start != int(found["start"])  # the number may have been given to another process
    try:
        os.kill(pid, 0)  # asks; sends nothing
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:  # somebody else's, and hidden
        return False
    return _is_zombie(pid)


@cache
def _named(pid: int) -> str:
    """Worked out once a process: later there may be no file handle left to ask with."""
    return f"{_machine()}-{pid}-{_start(pid) or 0}"


@cache
def _machine() -> str:
    """Of this boot of this machine, and of the namespace in which process numbers mean what they mean here."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        return hashlib.sha256(f"{boot}{os.readlink('/proc/self/ns/pid')}".encode()).hexdigest()[:12]
    except OSError:
        return _UNKNOWN_MACHINE


def _start(pid: int) -> int | None:
    """When a living process was started, in clock ticks since the machine's start; None where it cannot be seen."""
    fields = _status(pid)
    return int(fields[19]) if fields and fields[0] not in "ZX" else None


def _is_zombie(pid: int) -> bool:
    """Whether it has ended, and only its parent has not asked how."""
    fields = _status(pid)
    return bool(fields) and fields[0] in "ZX"


def _status(pid: int) -> list[str]:
    """The fields of ``/proc/PID/stat`` after the name of the program, which may hold anything."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return []
