"""Device, precision and threads, and what the setting `auto` means for each of them on this machine."""

import contextlib
import os
from contextlib import AbstractContextManager

import torch

from seqcli.errors import ConfigError


def pick_device(name: str) -> torch.device:
    """Return the device with this name. "auto" is cuda if there is a GPU, otherwise cpu.

    Raises ConfigError when this machine, or this build of torch, does not have the device.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        # mps is never chosen: one small recurrent step costs less on a processor than the way to mps and back
        return torch.device("cuda" if there["cuda"] else "cpu")
    if not there.get(name):
        have = ", ".join(device for device, is_there in there.items() if is_there)
        raise ConfigError(f"--device {name}: this machine or this build of torch has none; it has {have}.")
    return torch.device(name)


def has_fast_bf16() -> bool:
    """Return whether this processor multiplies bf16 matrices in hardware (AMX, AVX512-BF16) and oneDNN may use that."""
    cpu: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    most = os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper()  # a user's limit on the instructions that oneDNN uses
    allowed = most in ("", "ALL", "DEFAULT") or any(unit in most for unit in ("BF16", "FP16", "AMX", "AVX10"))
    return allowed and bool(cpu.get("amx_bf16") or cpu.get("avx512_bf16"))


def pick_precision(name: str, device: torch.device) -> str:
    """Return the precision to train in: fp32, bf16 or fp16. "auto" is bf16 where that is fast, otherwise fp32.

    Raises ConfigError for fp16 on anything but a CUDA GPU.
    """
    if name == "auto":
        if device.type == "cuda":
            return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
        return "bf16" if device.type == "cpu" and has_fast_bf16() else "fp32"
    if name == "fp16" and device.type != "cuda":
        raise ConfigError(f"--precision fp16 needs a GPU, but the device is {device.type}; use bf16 or fp32.")
    return name


def precision_warning(precision: str, device: torch.device) -> str | None:
    """Return a warning for the user if this precision is much slower here than another one, otherwise None."""
    if precision != "bf16" or device.type != "cpu" or has_fast_bf16():
        return None
    return (
        "This processor has no units for bf16, so its products are emulated: a step may take twenty times as long as "
        "with --precision fp32."
    )


def inference_precision(trained: str, device: torch.device) -> str:
    """Return the precision to use a trained model in: fp32 if it was trained in fp32, otherwise the fastest here."""
    return "fp32" if trained == "fp32" else pick_precision("auto", device)


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Return a context manager in which matrix products run in `precision`. The parameters stay in fp32."""
    if precision == "fp32":
        return contextlib.nullcontext()
    dtype = torch.bfloat16 if precision == "bf16" else torch.float16
    return torch.autocast(device.type, dtype)


def set_threads(count: int) -> int:
    """Let torch use `count` threads, and return their number.

    0 stands for the number in OMP_NUM_THREADS if that is set, otherwise for all cores that this process may use.
    Trainings with different numbers of threads differ in the last bits, because sums are taken in another order.
    """
    if count == 0 and os.environ.get("OMP_NUM_THREADS", "").isdecimal():
        count = int(os.environ["OMP_NUM_THREADS"])
    if count == 0:
        count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    torch.set_num_threads(count)
    return count


def use_threads(count: int) -> None:
    """Let torch use `count` threads. 0 leaves the number as it is."""
    if count:
        torch.set_num_threads(count)
