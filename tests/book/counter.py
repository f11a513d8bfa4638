"""The laboratory's random numbers, as `book/lab/random.js` draws them: Threefry-2x32 with 20 rounds."""

import numpy as np
import torch

TURNS = (13, 15, 26, 6, 17, 29, 16, 24)


def threefry(key, counter):
    """Two words for a key and each counter of two words, ``(2, N)`` uint32 (Salmon et al. 2011)."""
    with np.errstate(over="ignore"):
        first, second = (np.uint32(word) for word in key)
        keys = (first, second, np.uint32(0x1BD11BDA) ^ first ^ second)
        a, b = (np.asarray(words, np.uint32) + own for words, own in zip(counter, keys))
        for step in range(1, 21):
            turn = np.uint32(TURNS[(step - 1) % 8])
            a = a + b
            b = (b << turn | b >> np.uint32(32 - turn)) ^ a
            if step % 4 == 0:
                n = step // 4
                a = a + keys[n % 3]
                b = b + keys[(n + 1) % 3] + np.uint32(n)
    return np.stack([a, b])


def _words(seed, stream, n):
    counts = np.arange((n + 1) // 2, dtype=np.uint32)
    return threefry((seed, stream), (counts, np.zeros_like(counts))) / 2**32


def uniform(seed, stream, shape):
    """Evenly in [0, 1), float64."""
    n = int(np.prod(shape))
    return torch.from_numpy(_words(seed, stream, n).T.reshape(-1)[:n].reshape(shape).copy())


def normal(seed, stream, shape):
    """From the normal distribution, by Box and Muller, float64."""
    n = int(np.prod(shape))
    a, b = _words(seed, stream, n)
    length, angle = np.sqrt(-2 * np.log(a + 2**-32)), 2 * np.pi * b
    pairs = np.stack([length * np.cos(angle), length * np.sin(angle)], 1)
    return torch.from_numpy(pairs.reshape(-1)[:n].reshape(shape).copy())


def digest(data):
    """FNV-1a, 32 bits."""
    value = 0x811C9DC5
    for byte in data:
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value
