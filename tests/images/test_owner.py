"""Owners: a process is known by its name alone, and a dead one is never taken for a living one of the same number."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from imil_sim.images import owner as module
from imil_sim.images.owner import PATTERN, has_died, owner, owner_in


def test_each_process_has_a_name_of_its_own_and_is_alive_until_it_ends() -> None:
    code = "import sys; from imil_sim.images.owner import owner; print(owner(), flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        name = child.stdout.readline().strip()
        assert PATTERN.fullmatch(name)
        assert name != owner()
        assert name.partition("-")[0] == owner().partition("-")[0]
        assert not has_died(name)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert has_died(name)  # a zombie is dead, though its parent has not asked yet
    assert has_died(name)
    assert not has_died(owner())


def test_a_number_that_was_given_to_another_process_is_not_mistaken() -> None:
    machine, pid, start = owner().split("-")
    assert has_died(f"{machine}-{pid}-{int(start) - 1}")


@pytest.mark.parametrize("name", ["", "nobody", "0123456789ab-1-1", f"{'0' * 12}-99999999-5"])
def test_of_other_machines_and_of_what_is_no_name_nothing_is_claimed(name: str) -> None:
    assert not has_died(name)


def test_a_process_that_cannot_be_looked_at_is_asked_for_a_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = owner().partition("-")[0]
    monkeypatch.setattr(module, "_status", lambda pid: [])  # a /proc that hides other users' processes
    assert not has_died(f"{machine}-{os.getpid()}-1")
    assert has_died(f"{machine}-4194399-1")  # beyond the largest number there is


def test_the_owner_is_found_wherever_it_stands_in_a_name() -> None:
    for name in (f"{owner()}-stages-abc-123", f".{owner()}-{'5' * 16}-x1y2", owner()):
        assert owner_in(name) == owner()
    assert owner_in("stages-0123456789abcdef-9e8d7c") == ""
