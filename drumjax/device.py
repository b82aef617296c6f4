"""The devices a run uses: the mesh of all of them, and the cache of what was compiled for them."""

import logging
from pathlib import Path

import jax
import platformdirs

logger = logging.getLogger(__name__)


def use_compile_cache(directory: Path | None = None) -> None:
    """Keeps compiled programs in the user's own cache folder, so that a second start does not compile again.

    The folder is trusted: what lies in it is executed. So it is never a shared or temporary one.
    """
    directory = directory or Path(platformdirs.user_cache_dir("drumjax")) / "compiled"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        logger.warning("compiled programs are not kept: %s", error)
        return
    jax.config.update("jax_compilation_cache_dir", str(directory))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def make_data_mesh(num_devices: int = 0) -> jax.sharding.Mesh:
    """A mesh with one axis, `data`, over the first num_devices devices of all processes; 0 takes all."""
    devices = jax.devices()[: num_devices or None]
    return jax.make_mesh((len(devices),), ("data",), axis_types=(jax.sharding.AxisType.Auto,), devices=devices)


def replicate(tree, mesh: jax.sharding.Mesh):
    """The tree with every array whole on every device of the mesh."""
    return jax.device_put(tree, jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec()))


def to_local(tree):
    """Replicated arrays as this process's own single-device copies."""
    return jax.tree.map(lambda x: x.addressable_data(0), tree)
