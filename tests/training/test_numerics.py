from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from imil_sim.errors import UsageError
from imil_sim.training import numerics
from imil_sim.training.numerics import deterministic, drawing_from, environment, find_device

CPU = torch.device("cpu")


def settings() -> tuple[object, ...]:
    cudnn = torch.backends.cudnn
    filling = torch.utils.deterministic.fill_uninitialized_memory
    return (
        torch.get_num_threads(), torch.get_deterministic_debug_mode(), cudnn.benchmark, cudnn.allow_tf32, filling,
    )  # fmt: skip


@pytest.fixture
def _other_settings() -> Iterator[None]:
    """Everything as `deterministic` would not have it."""
    before = settings()
    torch.set_num_threads(2)
    torch.set_deterministic_debug_mode("warn")
    torch.backends.cudnn.benchmark = torch.backends.cudnn.allow_tf32 = True
    torch.utils.deterministic.fill_uninitialized_memory = True
    yield
    torch.set_num_threads(before[0])
    torch.set_deterministic_debug_mode(before[1])
    torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32 = before[2:4]
    torch.utils.deterministic.fill_uninitialized_memory = before[4]


@pytest.mark.usefixtures("_other_settings")
def test_inside_all_is_deterministic_and_afterwards_as_it_was() -> None:
    before = settings()
    assert before == (2, 1, True, True, True)
    with deterministic():
        assert settings() == (1, 2, False, False, False)
    assert settings() == before
    with pytest.raises(KeyError), deterministic():
        raise KeyError
    assert settings() == before


def test_draws_inside_depend_on_the_seed_and_leave_no_trace() -> None:
    before = torch.get_rng_state()
    with drawing_from(1, CPU):
        one = torch.rand(3)
    with drawing_from(1, CPU):
        with drawing_from(2, CPU):
            other = torch.rand(3)
        again = torch.rand(3)
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(RuntimeError, match="negative"), drawing_from(1, CPU):
        torch.rand(torch.rand(3).shape[0], -1)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_gpu_that_is_not_there_is_said_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert find_device("cpu") == CPU
    with pytest.raises(UsageError, match=r"device cuda was asked for.*finds no CUDA device; use --device cpu"):
        find_device("cuda")


def test_the_environment_names_what_moves_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    before = environment(CPU)
    assert before == environment(CPU)
    assert before["torch"] == torch.__version__
    assert before["threads"] == "1"

    def with_(**capabilities: object) -> dict[str, str]:
        known = {"avx512_f": True, "avx512_bf16": False, "cpu_name": "A", "num_logical_cores": 2, **capabilities}
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: known, raising=False)
        return environment(CPU)

    assert with_() != with_(avx512_bf16=True)
    assert with_() != with_(cpu_name="B")
    assert with_() == with_(num_logical_cores=64)
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert environment(CPU)["kernels"].startswith(torch.backends.cpu.get_cpu_capability())
    monkeypatch.setattr(numerics, "THREADS", 2)
    assert environment(CPU)["threads"] == "2"


@pytest.mark.gpu
def test_draws_on_a_gpu_depend_on_the_seed_and_leave_no_trace() -> None:
    device = torch.device("cuda")
    before = torch.cuda.get_rng_state(device)
    drawn = []
    for seed in (1, 1, 2):
        with drawing_from(seed, device):
            drawn.append(torch.rand(3, device=device))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert torch.equal(torch.cuda.get_rng_state(device), before)
