"""Device, precision and threads: what `auto` becomes here."""

import contextlib
import os
from contextlib import AbstractContextManager

import torch

from seqcli.errors import ConfigError


def pick_device(name: str) -> torch.device:
    """The device of that name; auto is cuda, else cpu. Raises ConfigError when it is not there."""
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        # one small recurrent step costs less on a processor than its way to mps and back
        return torch.device("cuda" if there["cuda"] else "cpu")
    if not there.get(name):
        have = ", ".join(device for device, is_there in there.items() if is_there)
        raise ConfigError(f"--device {name}: this machine or this build of torch has none; it has {have}.")
    return torch.device(name)


def has_fast_bf16() -> bool:
    """Whether this processor multiplies bf16 matrices in hardware (AMX, AVX512-BF16), and oneDNN may use it."""
    cpu: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    most = os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper()  # oneDNN's own limit on the instructions that it uses
    allowed = most in ("", "ALL", "DEFAULT") or any(unit in most for unit in ("BF16", "FP16", "AMX", "AVX10"))
    return allowed and bool(cpu.get("amx_bf16") or cpu.get("avx512_bf16"))


def pick_precision(name: str, device: torch.device) -> str:
    """fp32, bf16 or fp16; auto is bf16 where it is fast. Raises ConfigError where it cannot run."""
    if name == "auto":
        if device.type == "cuda":
            return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
        return "bf16" if device.type == "cpu" and has_fast_bf16() else "fp32"
    if name == "fp16" and device.type != "cuda":
        raise ConfigError(f"--precision fp16 needs a GPU, but the device is {device.type}; use bf16 or fp32.")
    return name


def precision_warning(precision: str, device: torch.device) -> str | None:
    """A sentence for the user when this precision is much slower here than another one."""
    if precision != "bf16" or device.type != "cpu" or has_fast_bf16():
        return None
    return (
        "This processor has no units for bf16, so its products are emulated: a step may take twenty times as long as "
        "with --precision fp32."
    )


def inference_precision(trained: str, device: torch.device) -> str:
    """The precision that a trained model is used in: fp32 when it was trained so, else the fastest here."""
    return "fp32" if trained == "fp32" else pick_precision("auto", device)


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """The context in which products run in `precision`; parameters stay fp32."""
    if precision == "fp32":
        return contextlib.nullcontext()
    dtype = torch.bfloat16 if precision == "bf16" else torch.float16
    return torch.autocast(device.type, dtype)


def set_threads(count: int) -> int:
    """Let torch use so many threads; returns the number. How many they are decides the last bits of a training.

    0 is the number in OMP_NUM_THREADS if that is set, else every core that this process may use.
    """
    if count == 0 and os.environ.get("OMP_NUM_THREADS", "").isdecimal():
        count = int(os.environ["OMP_NUM_THREADS"])
    if count == 0:
        count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    torch.set_num_threads(count)
    return count


def use_threads(count: int) -> None:
    """Let torch use so many threads; with 0 their number stays what it is."""
    if count:
        torch.set_num_threads(count)
