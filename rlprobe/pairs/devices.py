"""Which device a name means on this machine, what it is, and how much is put there at once. Knows no models."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch

from rlprobe.errors import BadInput

DISK = "disk"
_A_LOGIT = 96  # bytes: both models', their log-probabilities, and a draw's noise in float64 while it is made
_FEWEST, _MOST = 64, 2048


def device_of(name: str) -> str:
    """The name of a device that is there; "auto" is a GPU where there is one. Raises BadInput where it is not there."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        count = 1 if device.type == "cpu" else _count(device)
    except RuntimeError:  # torch names every kind of device that anybody has built; ours are few
        raise BadInput(f"there is no kind of device {name!r}; give auto, cpu, cuda, cuda:1, ...") from None
    if (device.index or 0) >= count:
        there = f"the last one here is {device.type}:{count - 1}" if count else f"torch finds no {device.type} here"
        raise BadInput(f"there is no device {name}: {there}; give another, or auto")
    return name


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Compute with so many processor threads, and afterwards with as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def card(name: str) -> dict[str, str]:
    """What stands in the metadata of what a GPU computed: its name, its driver, torch's build. Of a CPU nothing."""
    device = torch.device(name)
    if device.type != "cuda":
        return {}
    return {"card": torch.cuda.get_device_properties(device).name, "driver": driver(), "torch": torch.__version__}


@cache
def driver() -> str:
    """The version of the GPUs' driver, as far as nvidia-smi says it."""
    asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, timeout=20, check=True).stdout.split()[0]
    except (OSError, subprocess.SubprocessError, IndexError):
        return "unknown: nvidia-smi does not say"


def member_devices_of(name: str) -> str:
    """The same for one member, which may lie on several: "cuda:0,cuda:1", or what accelerate makes of "auto".

    "cpu" and "disk" may stand among them, as slower memory; "auto" is every GPU, then the CPU's memory, then the disk.
    """
    if name == "auto" and torch.cuda.is_available():
        return "auto"
    names = [device_of(each) if each != DISK else each for each in name.replace(" ", "").split(",")]
    if len(set(names)) < len(names):
        raise BadInput(f"{name} names a device twice; give each once")
    if names[0] == DISK:
        raise BadInput(f"{name} begins on the disk: a member begins on a device that computes; give cpu,disk")
    return ",".join(names)


def parts_of(devices: str) -> list[str]:
    """The devices that a member's weights lie on."""
    if devices == "auto":
        return [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    return devices.split(",")


def positions_at_once(device: torch.device, vocab: int, on_cpu: int) -> int:
    """How many positions' logits exist at once, for both models.

    On a CPU what its caches like, which the caller knows. On a GPU every slice reads both heads and starts a hundred
    kernels, so it is the power of two that a sixteenth of its memory holds: of all of it, not of what is free, since
    the shape of a product moves last digits and a run must not depend on who else was there.
    """
    if device.type != "cuda":
        return on_cpu
    room = torch.cuda.get_device_properties(device).total_memory // 16
    return min(_MOST, max(_FEWEST, 1 << max(0, (room // (_A_LOGIT * vocab)).bit_length() - 1)))


def _count(device: torch.device) -> int:
    """How many devices of a kind there are."""
    module = torch.get_device_module(device)
    return module.device_count() if module.is_available() else 0
