"""Which accelerators a machine has, whether or not JAX can use them: read from Linux, without JAX."""

from pathlib import Path

SYSTEM = Path("/")
# PCI vendors, and of Google's devices those that are TPUs (as jax/_src/hardware_utils.py lists them).
_NVIDIA, _GOOGLE = "0x10de", "0x1ae0"
_TPUS = {"0x0027", "0x0056", "0x005e", "0x0062", "0x0063", "0x006f", "0x0076"}
_DISPLAYS = ("0x0300", "0x0302")  # a PCI class without its last byte: GPUs, not their sound


def find_accelerators(system: Path = SYSTEM) -> list[str]:
    """Some of "GPU" and "TPU"; [] where there is none, or nothing is known."""
    found = set()
    if (system / "dev" / "nvidia0").exists():
        found.add("GPU")
    if (system / "dev" / "accel0").exists():
        found.add("TPU")
    for device in (system / "sys" / "bus" / "pci" / "devices").glob("*"):
        vendor, kind, number = (_read(device / name) for name in ("vendor", "class", "device"))
        if vendor == _NVIDIA and kind.startswith(_DISPLAYS):
            found.add("GPU")
        if vendor == _GOOGLE and number in _TPUS:
            found.add("TPU")
    return sorted(found)


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except (OSError, ValueError):
        return ""
