"""The machine and the libraries that a benchmark ran on."""

import datetime
import importlib.metadata
import os
import platform
from pathlib import Path

LIBRARIES = (
    "jax", "jaxlib", "jax-cuda12-plugin", "jax-cuda13-plugin", "flax", "optax", "torch", "keras", "tensorflow-cpu",
    "tensorflow", "numpy",
)  # fmt: skip


def describe(num_threads: int) -> dict:
    """What a reader must know to compare figures."""
    return {
        "date": datetime.date.today().isoformat(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": num_threads,
        "pinned": hasattr(os, "sched_setaffinity"),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: version for name in LIBRARIES if (version := _version(name))},
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or "unknown")


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
