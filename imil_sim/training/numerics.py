"""Where the computer's freedom ends: device, threads, deterministic kernels, and draws inside torch."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from typing import Any

import torch
import torch.utils.deterministic

from imil_sim.errors import UsageError

KERNEL_VARIABLES = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "MKL_CBWR", "ATEN_CPU_CAPABILITY", "NVIDIA_TF32_OVERRIDE")
"""Environment variables that choose other kernels, hence other bits, without torch saying so."""

THREADS = 1
"""Threads of a stage on a CPU: the number changes the bits, so it is fixed and part of every key."""


def find_device(name: str) -> torch.device:
    """The device of that name.

    Raises:
        UsageError: ``cuda`` is asked for and there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            f"device cuda was asked for, but torch {torch.__version__} finds no CUDA device; use --device cpu, or "
            "install a CUDA build of torch and its driver"
        )
    return torch.device(name)


def cpu_count() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpu_count() -> int:
    """CUDA devices that can be used here."""
    return torch.cuda.device_count()


def environment(device: torch.device) -> dict[str, str]:
    """What can move the bits of a result on this machine and is not in the spec: it enters every key."""
    cuda = device.type == "cuda"
    return {
        **{name: _version(name) for name in ("numpy", "torch", "torchvision")},
        "device": torch.cuda.get_device_name(device) if cuda else f"cpu-{platform.machine()}",
        "threads": str(THREADS),
        "kernels": f"cuda {torch.version.cuda}, cudnn {torch.backends.cudnn.version()}" if cuda else _kernels(),
        **{name: os.environ[name] for name in KERNEL_VARIABLES if name in os.environ},
    }


@cache
def _version(package: str) -> str:
    """Of an installed package; looked up once, since every key asks for it."""
    return version(package)


def _kernels() -> str:
    """What the kernels of a CPU are chosen by, as one word: its instruction sets, and also its maker and its caches.

    Two processors with AVX512 can differ in bf16 instructions, in the code a library keeps for each maker, and in how
    sums are blocked to fit a cache. How many cores there are moves nothing: one thread is used.
    """
    level = torch.backends.cpu.get_cpu_capability()
    known = dict(torch.cpu.get_capabilities()) if hasattr(torch.cpu, "get_capabilities") else {}  # not in older ones
    parts = sorted((name, value) for name, value in known.items() if not name.startswith("num_"))
    return f"{level}-{hashlib.sha256(repr(parts).encode()).hexdigest()[:12]}"


@contextmanager
def deterministic() -> Iterator[None]:
    """One thread, deterministic kernels, none chosen by timing, fp32 that is fp32; all is put back afterwards.

    Only the size of cuBLAS's workspace stays set where it was not: cuBLAS reads it once, when it is first used.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic only with a fixed workspace
    threads, debug_mode = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    cudnn = torch.backends.cudnn
    filling: Any = torch.utils.deterministic  # its one attribute is made at run time
    matmul = torch.get_float32_matmul_precision()
    flags = cudnn.benchmark, cudnn.allow_tf32, filling.fill_uninitialized_memory
    torch.set_num_threads(THREADS)
    torch.use_deterministic_algorithms(True)
    cudnn.benchmark = False
    torch.set_float32_matmul_precision("highest")
    cudnn.allow_tf32 = False  # convolutions in fp32 would round to ten bits, as bf16 does to seven
    filling.fill_uninitialized_memory = False  # a guard for kernels under development; 3% of a training step
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_deterministic_debug_mode(debug_mode)
        torch.set_float32_matmul_precision(matmul)
        cudnn.benchmark, cudnn.allow_tf32, filling.fill_uninitialized_memory = flags


@contextmanager
def drawing_from(seed: int, device: torch.device) -> Iterator[None]:
    """Torch's own generators stand at ``seed`` inside, and where they stood before afterwards.

    For the draws that torch and torchvision make themselves: initial weights, dropout, MixUp, CutMix.
    """
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.set_rng_state(torch.Generator().manual_seed(seed).get_state())
        if device.type == "cuda":
            torch.cuda.set_rng_state(torch.Generator(device).manual_seed(seed).get_state(), device)
        yield
