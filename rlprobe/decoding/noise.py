"""Counter-based noise: a number for every (seed, problem, draw, position, stream, token), by hashing.

No generator, so a draw depends on no batch, no order, no proposal and no arm: two arms, or two models, that stand at
the same position of the same draw see the same noise. Streams: "draw" (what a model says), "redraw" (what the donor
says where the gate has seen the host's draw: the same noise would bias it), "gate", "writer" and "accept" (whether a
draw of the host's is kept). A move of the power sampler is a response of its own: "gate" says where it cuts, "accept"
whether it is taken. Knows no models.
"""

import hashlib
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

STREAMS = ("draw", "redraw", "gate", "writer", "accept")
_GOLDEN, _MIX_1, _MIX_2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB  # splitmix64 (Steele et al. 2014)


def response_key(seed: int, problem_id: str, draw: int) -> int:
    """The 63 bits that all noise of one response is derived from; the same on every machine."""
    return int.from_bytes(hashlib.blake2b(f"{seed}/{problem_id}/{draw}".encode(), digest_size=8).digest()) >> 1


@dataclass(frozen=True)
class Noise:
    """The noise of n positions, each with its response's key. Numbers are made on the device of `keys`."""

    keys: Int[Tensor, " n"]  # int64, of `response_key`
    positions: Int[Tensor, " n"]

    def uniform(self, stream: str) -> Float[Tensor, " n"]:
        """One number in (0, 1) a position, float64."""
        return _as_unit(self._state(stream))

    def gumbel(self, stream: str, vocab: int) -> Float[Tensor, "n vocab"]:
        """One standard Gumbel number a token: argmax of (log-probability + Gumbel) is a draw. float32."""
        tokens = torch.arange(1, vocab + 1, device=self.keys.device)
        bits = _mixed(self._state(stream)[:, None] + _wrap(_GOLDEN) * tokens)  # (n, vocab)
        return -torch.log(-torch.log(_as_unit(bits))).float()

    def _state(self, stream: str) -> Int[Tensor, " n"]:
        number = STREAMS.index(stream) + 1
        return _mixed(_mixed(self.keys + _wrap(number * _GOLDEN)) + _wrap(_GOLDEN) * (self.positions + 1))


def _mixed(x: Tensor) -> Tensor:
    """The finaliser of splitmix64, on int64 that wrap around."""
    x = (x ^ _shifted(x, 30)) * _wrap(_MIX_1)
    x = (x ^ _shifted(x, 27)) * _wrap(_MIX_2)
    return x ^ _shifted(x, 31)


def _shifted(x: Tensor, bits: int) -> Tensor:
    """A logical right shift: torch's is arithmetic."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _as_unit(bits: Tensor) -> Tensor:
    """53 bits as a number in (0, 1), never 0 or 1."""
    return (_shifted(bits, 11).double() + 0.5) * 2.0**-53


def _wrap(number: int) -> int:
    """A 64-bit number as the signed one that int64 tensors take."""
    number &= (1 << 64) - 1
    return number - (1 << 64) if number >> 63 else number
