"""Strict JAX settings for every test, and the data they share."""

import os
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Four CPU devices, so that sharding is tested everywhere.
os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=4"

import jax
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data named by $DRUMJAX_DATA; tests that need it are skipped where it is not set."""
    folder = os.environ.get("DRUMJAX_DATA", "")
    if not folder or not (Path(folder) / "groove" / "info.csv").is_file():
        pytest.skip("needs real data: set DRUMJAX_DATA to a folder that holds groove/info.csv")
    return Path(folder).resolve()
