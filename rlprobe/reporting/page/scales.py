"""Numbers in 8 bits: what the page keeps of a logprob, an entropy or a divergence. page.js reads them back.

Codes stand on a square-root scale, finest near 0, where probabilities near 1 and the entropies of most tokens lie.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

MISSING = 256  # the code of a number that is not there


@dataclass(frozen=True, slots=True)
class Scale:
    """Nats from 0 (or, where `signed`, from -top) to `top` as whole numbers 0..255; what lies beyond is put at the end.

    There are 255 steps or, signed, 127 to either side. A probability whose logprob was encoded (top = 25) is off by
    less than 0.009, and where it is above 0.001 by less than a twentieth of itself.
    """

    top: float
    signed: bool = False

    @property
    def steps(self) -> int:
        """Codes from 0 to the top."""
        return 127 if self.signed else 255

    def encode(self, values: Float[np.ndarray, "..."]) -> Int[np.ndarray, "..."]:
        """Codes; `MISSING` for nan."""
        known = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=self.top, neginf=-self.top)
        size = np.minimum(np.abs(known) if self.signed else np.maximum(known, 0), self.top)
        codes = np.rint(self.steps * np.sqrt(size / self.top)) * (np.sign(known) if self.signed else 1)
        codes += 128 if self.signed else 0
        return np.where(np.isnan(values), MISSING, codes).astype(np.int64)

    def decode(self, codes: Int[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """Nats; nan for `MISSING`."""
        away = codes.astype(np.float64) - (128 if self.signed else 0)
        values = np.sign(away) * (away / self.steps) ** 2 * self.top
        return np.where(codes == MISSING, np.nan, values)


# what is encoded: how
SCALES = {
    "surprise": Scale(25.0),  # -logprob
    "entropy": Scale(13.0),  # ln 2**18 = 12.5: no vocabulary of today has more
    "divergence": Scale(25.0),
    "delta": Scale(25.0, signed=True),
}


def for_page() -> dict[str, Any]:
    """The scales as page.js takes them."""
    return {name: {**asdict(scale), "steps": scale.steps} for name, scale in SCALES.items()} | {"missing": MISSING}
