"""What a training frees stays with the process as long as it runs, and no longer."""

import ctypes
import json
import subprocess
import sys

import pytest
import torch

from salkit.course.training.memory import freed_memory_kept

# In a process of its own, whose memory no other test has cut into pieces.
PROGRAM = """
import json, resource, torch
from salkit.course.training.memory import freed_memory_kept

def filled(mib):  # how many pages the system had to find
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(mib * 2**20, dtype=torch.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident():  # in MiB
    with open("/proc/self/statm") as words:
        return int(words.read().split()[1]) * resource.getpagesize() / 2**20

seen = dict(outside=sum(filled(100) for _ in range(8)))
with freed_memory_kept(torch.device("meta")):
    seen["elsewhere"] = sum(filled(100) for _ in range(8))
seen["before"] = resident()
try:
    with freed_memory_kept(torch.device("cpu")):
        # The first pieces may come to lie between small ones that the C library sets aside, seven of a size at most.
        for _ in range(12):
            filled(100)
        seen["inside"] = sum(filled(100) for _ in range(8))
        seen["kept"] = resident()
        raise KeyError
except KeyError:
    seen["after"] = resident()
print(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def seen():
    if sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"):
        pytest.skip("the C library is not glibc")
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    return json.loads(ended.stdout)


def test_what_is_freed_is_used_again(seen):
    assert seen["inside"] < seen["outside"] / 2


def test_it_is_given_back_at_the_end(seen):
    assert seen["kept"] > seen["before"] + 80
    assert seen["after"] < seen["before"] + 20


def test_on_another_device_nothing_changes(seen):
    assert seen["elsewhere"] > seen["outside"] * 0.9


def test_with_another_c_library_nothing_changes(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())  # it has no mallopt
    with freed_memory_kept(torch.device("cpu")):
        assert torch.ones(3).sum() == 3
