"""What every benchmark writes: figures with the machine they were measured on, as a JSON file."""

from __future__ import annotations

import json
import os
import platform
import resource
from datetime import date
from importlib.metadata import version
from pathlib import Path

import torch

from salkit._cache import write_file

RESULTS = Path(__file__).parent / "results"


def per_device(name: str) -> str:
    """The name of a result that depends on the device, so that a GPU's stands beside a CPU's: ``training-gpu``."""
    return f"{name}-gpu" if torch.cuda.is_available() else name


def machine() -> dict:
    """The processor (and GPU), cores, threads and versions that a time depends on."""
    return {
        "date": date.today().isoformat(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "torchvision", "captum")},
    }


def described(machine: dict) -> str:
    """A machine in a line: ``AMD EPYC, 2 cores, 2 threads, python 3.11.7, torch 2.15.0``, its GPU first."""
    words = [machine["gpu"]] if machine["gpu"] else []
    words.append(machine["cpu"])
    words += [f"{machine[name]} {name if machine[name] > 1 else name[:-1]}" for name in ("cores", "threads")]
    words += [f"{name} {machine[name]}" for name in ("python", "torch")]
    return ", ".join(words)


def peak_memory_mb() -> float:
    """The most memory that this process has held so far, in MB."""
    try:  # the kernel's getrusage starts at what the parent process held
        status = Path("/proc/self/status").read_text()
        return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) / 1024
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def write(name: str, figures: dict | list) -> Path:
    """Keep the figures as ``results/<name>.json``, whole or not at all."""
    path = RESULTS / f"{name}.json"
    content = {"machine": machine(), "peak_memory_mb": round(peak_memory_mb()), "figures": figures}
    write_file(path, json.dumps(content, indent=1) + "\n")
    return path


def read(name: str, folder: Path | None = None) -> dict | None:
    """What ``write`` kept, ``{"machine", "peak_memory_mb", "figures"}``; ``None`` if it never did."""
    path = (folder or RESULTS) / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def kept(name: str) -> dict:
    """The figures of an earlier run on this machine and these versions; none if it was another, as a file has one."""
    earlier = read(name)
    same = earlier and {**earlier["machine"], "date": ""} == {**machine(), "date": ""}
    return earlier["figures"] if same else {}


def closing(path: Path) -> str:
    """The last line that a benchmark prints."""
    return f"peak memory of this process {peak_memory_mb():.0f} MB; written to {path}"


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
