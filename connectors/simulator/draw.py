"""Chance without a generator: every draw is a hash of its name, so any hour can be asked for in any order."""

import hashlib
from dataclasses import dataclass

PPM = 1_000_000
# Four uniform 16-bit numbers added up are close enough to a normal one and never further out than 3.46 sigma,
# so noise alone does not look like an incident.
_MEAN = 131_070
_SIGMA = 37_837


def draw(seed: int, *name: str | int, below: int) -> int:
    """A whole number in [0, below), the same for the same seed and name."""
    digest = hashlib.blake2b("|".join(map(str, (seed, *name))).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % below


@dataclass(frozen=True, slots=True)
class Noise:
    """Eight independent normal draws of one name, each read as a factor in parts per million."""

    digest: bytes

    @classmethod
    def of(cls, seed: int, *name: str | int) -> "Noise":
        text = "|".join(map(str, (seed, *name))).encode()
        return cls(hashlib.blake2b(text, digest_size=64).digest())

    def factor_ppm(self, index: int, sigma_ppm: int) -> int:
        """1 000 000 plus a normal draw of `sigma_ppm`; `index` 0..7 chooses the draw."""
        at = index * 8
        total = sum(int.from_bytes(self.digest[at + 2 * k : at + 2 * k + 2], "big") for k in range(4))
        return PPM + (total - _MEAN) * sigma_ppm // _SIGMA
