"""The devices a run uses: the mesh of all of them, and the cache of what was compiled for them."""

import functools
import logging
import math
import os
from collections import Counter
from pathlib import Path

import jax
import platformdirs

from drumjax.system.accelerators import find_accelerators
from drumjax.system.errors import UserError
from drumjax.system.kept_programs import CompilerOptions, use_kept_programs

logger = logging.getLogger(__name__)

MIN_SHARE = 8  # examples per CPU device
MAX_SHARED = 256  # hidden size: see count_shares
# XLA's option that says what goes into CUDA graphs, and what does without it.
_COMMAND_BUFFERS = "xla_gpu_enable_command_buffer"
_USUAL_COMMANDS = ("FUSION", "CUBLAS", "CUBLASLT", "CUSTOM_CALL", "CUDNN", "DYNAMIC_SLICE_FUSION")
# What makes JAX use an accelerator.
_EXTRAS = {"GPU": "jax[cuda12]", "TPU": "jax[tpu]"}


class DeviceError(UserError):
    """Devices or processes that were asked for cannot be had; one line says which, and what to do."""


def find_devices(*, require_accelerator: bool = False) -> str:
    """Has JAX look at its devices, and says which it found, such as "1 TPU v5 lite" or "the CPU, 2 cores".

    Warns where the machine has a GPU or TPU that JAX does not use, though nobody asked for the CPU. Raises DeviceError
    if there is no device of the kind that JAX_PLATFORMS asks for, or no GPU or TPU although one is required.
    """
    platforms = os.environ.get("JAX_PLATFORMS") or jax.config.jax_platforms or ""  # type: ignore[attr-defined]
    try:
        kind = jax.default_backend()
    except (RuntimeError, AssertionError) as error:  # the latter for CUDA where its plugin is not installed
        reason = f" ({' '.join(str(error).split('(set JAX_PLATFORMS')[0].split())})" if str(error) else ""
        raise DeviceError(
            f"JAX finds no device for JAX_PLATFORMS={platforms}{reason}; unset it, or install JAX for that device, "
            "such as jax[cuda12] or jax[tpu]"
        ) from error
    if require_accelerator and kind == "cpu":
        asked = f" (JAX_PLATFORMS is {platforms})" if platforms else ""
        raise DeviceError(
            f"--require_accelerator: JAX finds no GPU or TPU, only the CPU{asked}; install JAX for your device, such "
            "as jax[cuda12] or jax[tpu], see whether nvidia-smi shows it, or leave the flag out"
        )
    if kind != "cpu":
        return ", ".join(f"{count} {name}" for name, count in Counter(d.device_kind for d in jax.devices()).items())
    if "cpu" not in platforms and (there := find_accelerators()):
        _warn_once(
            f"THIS MACHINE HAS A {' AND A '.join(there)}, AND JAX RUNS ON THE CPU, many times slower: "
            f"install {' or '.join(_EXTRAS[name] for name in there)}, and restart"
        )
    return f"the CPU, {count_cores()} core{'s' if count_cores() > 1 else ''}"


@functools.cache
def _warn_once(text: str) -> None:
    logger.warning("%s", text)


def count_shares(batch_size: int, hidden_size: int) -> int:
    """How many CPU devices should share a batch, evenly: fewer than MIN_SHARE examples each make matrix products too
    thin, and one device, whose products use all cores, is better for a recurrence wider than MAX_SHARED.

    Each device goes through all recurrent weights at every step, whatever its share; at 512 these are 4 MB. There two
    devices took two cores 1.5 to 1.7 times as long as one did with 64 examples (note_lstm.py 1.6, rock_large.py with 32
    1.3), 1.1 times with 128; at 384 1.1 times, and at 256 and less between 0.8 and 1.1 times, as the machine was.
    """
    if hidden_size > MAX_SHARED:
        return 1
    shares = [n for n in range(1, count_cores() + 1) if batch_size % n == 0 and batch_size // n >= MIN_SHARE]
    return max(shares, default=1)


def count_cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def use_cores(num_devices: int) -> None:
    """Makes that many JAX devices of the CPU, one per core at most; to be called before JAX looks at a device.

    XLA runs most of what is not a matrix product on one thread. With one device per core, and a batch shared by them,
    all of it runs on all cores: a training step of rock.py takes 0.8 to 1.0 times as long on two, as the machine is.
    XLA_FLAGS or jax_num_cpu_devices, if set, have the last word.
    """
    asked = "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", "")
    if not asked and jax.config.jax_num_cpu_devices == -1:  # type: ignore[attr-defined]
        jax.config.update("jax_num_cpu_devices", max(1, min(num_devices, count_cores())))


def choose_precision(name: str, device: jax.Device) -> str | None:
    """A precision of config.training.MATMUL_PRECISIONS on a device, as jax.default_matmul_precision has it.

    auto is bfloat16 on a TPU and on a GPU whose tensor cores multiply it, and what JAX takes by default elsewhere: on
    a CPU float32. What JAX calls bfloat16 is its default, which on an NVIDIA GPU is TensorFloat-32; bfloat16 operands
    it has there under another name. None is JAX's default.
    """
    has_tensor_cores = _multiplies_bfloat16(device)
    if name == "auto":
        name = "bfloat16" if device.platform == "tpu" or has_tensor_cores else "default"
    if name == "bfloat16" and has_tensor_cores:
        return "BF16_BF16_F32"
    return None if name == "default" else name


def loop_options(device: jax.Device) -> CompilerOptions:
    """What XLA is asked for in a loop of small steps whose branches depend on its data; empty but on NVIDIA GPUs.

    There the GPU decides on loops and branches itself, as parts of a CUDA graph, where XLA by default has it wait for
    the host at each. Where the driver or the runtime is of CUDA before 12.3, XLA leaves them out. XLA_FLAGS, if it says
    anything of command buffers, as XLA calls such graphs, has the last word.
    """
    is_nvidia = device.platform == "gpu" and "cuda" in device.client.platform_version
    if not is_nvidia or _COMMAND_BUFFERS in os.environ.get("XLA_FLAGS", ""):
        return ()
    return ((_COMMAND_BUFFERS, ",".join((*_USUAL_COMMANDS, "CONDITIONAL", "WHILE"))),)


def _multiplies_bfloat16(device: jax.Device) -> bool:
    """Whether it is an NVIDIA GPU of compute capability 8.0 or more: older ones refuse such programs."""
    major, _, minor = str(getattr(device, "compute_capability", "")).partition(".")
    return device.platform == "gpu" and major.isdigit() and minor.isdigit() and int(major) >= 8


def use_compile_cache(directory: Path | None = None) -> None:
    """Keeps compiled programs in the user's own cache folder, so that a second start does not compile again.

    The folder is trusted: what lies in it is executed. So it is never a shared or temporary one.
    """
    directory = directory or Path(platformdirs.user_cache_dir("drumjax")) / "compiled"
    whole = directory.with_name("programs")
    try:
        for folder in (directory, whole):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        logger.warning("compiled programs are not kept: %s", error)
        return
    jax.config.update("jax_compilation_cache_dir", str(directory))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    use_kept_programs(whole)


def make_data_mesh(num_devices: int = 0) -> jax.sharding.Mesh:
    """A mesh with one axis, `data`, over the first num_devices devices of all processes; 0 takes all."""
    if num_devices > jax.device_count():
        raise DeviceError(f"num_devices is {num_devices}; there are {jax.device_count()}")
    devices = jax.devices()[: num_devices or None]
    return jax.make_mesh((len(devices),), ("data",), axis_types=(jax.sharding.AxisType.Auto,), devices=devices)


def make_population_mesh(num_members: int, batch_size: int, num_devices: int = 0) -> jax.sharding.Mesh:
    """A mesh of two axes, `member` and `data`, over at most num_devices of this process's devices (0: all): as many
    shares of the members as go, and of their batches what devices are left."""
    devices = jax.local_devices()[: num_devices or None]
    members = math.gcd(num_members, len(devices))
    shares = max(n for n in range(1, len(devices) // members + 1) if batch_size % n == 0)
    return jax.make_mesh(
        (members, shares), ("member", "data"), axis_types=(jax.sharding.AxisType.Auto,) * 2,
        devices=devices[: members * shares],
    )  # fmt: skip


def replicate(tree, mesh: jax.sharding.Mesh):
    """The tree of numpy arrays, the same in each process, with every array whole on every device of the mesh."""
    return jax.device_put(tree, replicated(mesh))


def replicated(mesh: jax.sharding.Mesh) -> jax.sharding.NamedSharding:
    """The sharding of arrays that are whole on every device of the mesh."""
    return jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())


def to_local(tree):
    """Replicated arrays as this process's own single-device copies."""
    return jax.tree.map(lambda x: x.addressable_data(0), tree)
