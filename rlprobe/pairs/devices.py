"""Which device a name means on this machine, found out before anything is put there. Knows no models."""

import torch

from rlprobe.errors import BadInput


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


def _count(device: torch.device) -> int:
    """How many devices of a kind there are."""
    module = torch.get_device_module(device)
    return module.device_count() if module.is_available() else 0
