"""Random numbers that belong to an image: image ``i`` of a seed gets the same ones however many are drawn beside it.

Only uniform numbers from NumPy's PCG64 are used. Their bits are fixed by NumPy's compatibility policy on every
machine, which holds for no library's sines, logarithms and normal deviates.
"""

from __future__ import annotations

import numpy as np


def uniforms(seed: int, stream: int, start: int, count: int, width: int) -> np.ndarray:
    """Rows ``start .. start + count`` of an endless table of uniform numbers in [0, 1): ``(count, width)`` float64."""
    bits = np.random.PCG64(np.random.SeedSequence([seed, stream]))
    bits.advance(start * width)
    return np.random.Generator(bits).random((count, width))


def noise_bytes(seed: int, stream: int, start: int, count: int, width: int) -> np.ndarray:
    """The same for bytes: ``(count, width)`` uint8; ``width`` is a multiple of 8."""
    bits = np.random.PCG64(np.random.SeedSequence([seed, stream]))
    bits.advance(start * (width // 8))
    return bits.random_raw(count * (width // 8)).astype("<u8").view(np.uint8).reshape(count, width)


class Draws:
    """Takes column after column from a table with one row for each image.

    Every draw has the shape ``(M, 1, 1)``, so that it broadcasts against ``(M, H, W)`` pictures.
    """

    def __init__(self, table: np.ndarray):
        self._table = table
        self._next = 0

    def __len__(self) -> int:
        return len(self._table)

    def _take(self, count: int) -> np.ndarray:
        self._next += count
        if self._next > self._table.shape[1]:
            raise AssertionError(f"{self._next} columns wanted, the table has {self._table.shape[1]}")
        return self._table[:, self._next - count : self._next]

    def uniform(self, low: float, high: float) -> np.ndarray:
        """float32 in [low, high]."""
        return (low + (high - low) * self._take(1)).astype(np.float32)[:, :, None]

    def chance(self, probability: float) -> np.ndarray:
        """bool, true with this probability; always at 1, never at 0."""
        return (self._take(1) < probability)[:, :, None]

    def choice(self, count: int) -> np.ndarray:
        """int64 in 0 .. count - 1."""
        return np.floor(self._take(1) * count).astype(np.int64)[:, :, None]

    def lattice(self, rows: int, columns: int) -> np.ndarray:
        """``(M, rows, columns)`` float32 in [0, 1]."""
        return self._take(rows * columns).astype(np.float32).reshape(-1, rows, columns)

    def colour(self, hue=(0, 1), saturation=(0, 1), value=(0, 1)) -> np.ndarray:
        """``(M, 3, 1, 1)`` float32 RGB in [0, 1], even in hue, saturation and value; hue 0 and 1 are both red."""
        return hsv_to_rgb(self.uniform(*hue), self.uniform(*saturation), self.uniform(*value))


def hsv_to_rgb(hue: np.ndarray, saturation: np.ndarray | np.floating, value: np.ndarray | np.floating) -> np.ndarray:
    """``(M, 1, 1)`` each, or a number -> ``(M, 3, 1, 1)``."""
    hue = hue - np.floor(hue)
    ramps = [np.clip(np.abs((hue * 6 + turn) % 6 - 3) - 1, 0, 1) for turn in (0, 4, 2)]
    return np.stack([value * (1 - saturation * (1 - ramp)) for ramp in ramps], axis=1)
