"""Strict JAX settings for every test, quick compilation, and what tests share: real data, and a run of a second."""

import fcntl
import importlib.metadata
import logging
import os
import signal
import subprocess
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Four CPU devices, so that sharding can be tested; most tests use one.
os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=4"
# Without XLA's newer way of compiling what it fuses, a test of the model, sampler or step takes half the time. Programs
# that tests start compile as users have it, unless they are given the flag. XLA ends the process at a flag that it does
# not know: only versions that were tried are given it.
if tuple(map(int, importlib.metadata.version("jax").split(".")[:2])) <= (0, 10):
    os.environ["XLA_FLAGS"] += " --xla_cpu_use_fusion_emitters=false"

import gc

import jax
import pytest
from browsing import start_browser
from tiny_run import EXPRESSIVE, Programs, make_config, make_once, write_songs

gc.set_threshold(200_000, 20, 100)  # tracing makes many small things, and JAX keeps many: a tenth of the time
jax.config.update("jax_numpy_rank_promotion", "raise")


def pytest_configure(config):
    """Signals as a terminal has them, and what one worker, program or session compiled the next one finds."""
    # Who starts the tests in the background lets them ignore Ctrl-C, and all that they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if getattr(config, "cache", None) is not None:
        os.environ["DRUMJAX_TEST_COMPILED"] = folder = str(config.cache.mkdir("compiled"))
        config.cache.mkdir("programs")
        jax.config.update("jax_compilation_cache_dir", folder)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.05)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
        # Of GPUs, but its folder would be a part of the key: programs, which have another one, would find nothing.
        os.environ["JAX_PERSISTENT_CACHE_ENABLE_XLA_CACHES"] = "none"
        jax.config.update("jax_persistent_cache_enable_xla_caches", "none")


# What makes a test slow by itself: a browser, processes, a training, real data.
SLOW_FIXTURES = {"browser", "programs", "expressive_run", "finished", "board", "shared_data"}


def pytest_collection_modifyitems(items):
    for item in items:
        if SLOW_FIXTURES.intersection(item.fixturenames):
            item.add_marker("slow")
    # What starts processes and keeps all cores busy first, and by one worker, while the others do what is quick: two of
    # these at a time take longer than one after the other.
    items.sort(key=lambda item: [item.get_closest_marker(name) is None for name in ("long", "slow")])


@pytest.fixture(scope="module", autouse=True)
def compiler(request):
    """Without expensive passes, which halves the time of most tests, unless the module is marked `optimized`."""
    plain = request.node.get_closest_marker("optimized") is None
    if jax.config.values["jax_disable_most_optimizations"] != plain:
        jax.clear_caches()  # what is compiled in the other way
        jax.config.update("jax_disable_most_optimizations", plain)


@pytest.fixture(autouse=True)
def logging_as_it_was():
    """What a program sets up ends with its test."""
    loggers = [logging.getLogger(), logging.getLogger("drumjax")]
    before = [(logger, logger.handlers[:], logger.level, logger.propagate) for logger in loggers]
    yield
    for logger, handlers, level, propagate in before:
        logger.handlers[:], logger.propagate = handlers, propagate
        logger.setLevel(level)


@pytest.fixture(scope="session", autouse=True)
def user_cache(tmp_path_factory):
    """A cache folder of the session's own in the place of the user's, which tests leave alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def one_device_samples():
    """What samples a block is compiled anew for each device: one will do, where a test does not say otherwise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jax, "local_devices", lambda: jax.devices()[:1])
        yield


@pytest.fixture(scope="session")
def song_cache_dir(pytestconfig) -> Path:
    """Where songs that were read are kept for the next session: those of Groove take 10 s the first time."""
    return Path(pytestconfig.cache.mkdir("songs"))


@pytest.fixture(scope="session")
def real_groove(shared_data, song_cache_dir):
    """The Groove MIDI Dataset, train and validation; one worker reads it, the others its cache."""
    from drumjax.config.data import DataSettings
    from drumjax.data.datasets import load_dataset

    with (song_cache_dir / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return load_dataset(DataSettings(dir=str(shared_data / "groove")), cache_dir=song_cache_dir)


@pytest.fixture(scope="session")
def groove_44(real_groove):
    """Its songs in 4/4."""
    from drumjax.data.selection import select

    return select(real_groove.songs, time_signatures=("4/4",))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data named by $DRUMJAX_DATA; tests that need it are skipped where it is not set."""
    folder = os.environ.get("DRUMJAX_DATA", "")
    if not folder or not (Path(folder) / "groove" / "info.csv").is_file():
        pytest.skip("needs real data: set DRUMJAX_DATA to a folder that holds groove/info.csv")
    return Path(folder).resolve()


@pytest.fixture(scope="session")
def expressive_run(tmp_path_factory) -> Path:
    """The workdir of two steps on a grid of 16ths with velocity and timing: one for all workers, not to be changed."""

    def make(folder: Path) -> None:
        from drumjax.training.train import train

        train(make_config(write_songs(folder / "songs"), EXPRESSIVE), folder / "run", num_devices=1)

    return make_once(tmp_path_factory, "expressive", make) / "run"


@pytest.fixture
def small_disk(tmp_path):
    """(kilobytes) -> a folder on a disk of its own, which has room for so much; skipped where none can be mounted."""
    mounted = []

    def mount(kilobytes: int) -> Path:
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", folder]
        if subprocess.run(command, capture_output=True).returncode:
            pytest.skip("needs the right to mount a tmpfs")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium, one for each worker."""
    found = start_browser()
    yield found
    found.quit()


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """The two programs as processes, with a home of their own."""
    return Programs(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """A folder of songs to train on in a second."""
    return write_songs(tmp_path_factory.mktemp("data") / "songs")
