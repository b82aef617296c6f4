import errno
import os
import random
import subprocess
import sys
import textwrap
import time

import pytest

from drumjax.system.files import remove_temporaries, write_atomically

# Writes the same file for ever, each time full of another byte.
WRITE_LOOP = textwrap.dedent("""
    import sys
    from drumjax.system.files import write_atomically
    print("ready", flush=True)
    while True:
        for byte in range(256):
            write_atomically(sys.argv[1], bytes([byte]) * 1_000_000)
""")

# A file may not grow beyond 1 kB: what a full disk does, without a disk.
WRITE_LIMITED = textwrap.dedent("""
    import resource, sys
    from drumjax.system.files import write_atomically
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    try:
        write_atomically(sys.argv[1], bytes(100_000))
    except OSError as error:
        print(error.filename)
""")


def test_writes_and_replaces(tmp_path):
    path = tmp_path / "file"
    for content in (b"", b"old", b"new and longer"):
        write_atomically(path, content)
        assert path.read_bytes() == content
    assert os.listdir(tmp_path) == ["file"]
    write_atomically(str(path), b"by name")
    assert path.read_bytes() == b"by name"


def test_others_may_read_it_as_far_as_the_umask_allows(tmp_path):
    old = os.umask(0o027)
    try:
        write_atomically(tmp_path / "file", b"")
    finally:
        os.umask(old)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("failing", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("exists", [False, True])
def test_a_failure_leaves_what_was_there(tmp_path, monkeypatch, failing, error, exists):
    def fail(*args):
        raise error

    path = tmp_path / "file"
    if exists:
        path.write_bytes(b"old")
    monkeypatch.setattr(os, failing, fail)
    with pytest.raises(type(error)) as caught:
        write_atomically(path, b"new")
    if isinstance(error, OSError):
        assert caught.value.errno == errno.ENOSPC
        assert caught.value.filename == str(path)
    assert os.listdir(tmp_path) == ["file"] * exists
    assert not exists or path.read_bytes() == b"old"


def test_a_file_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    for path in (tmp_path / "missing" / "file", tmp_path / "plain" / "file"):
        with pytest.raises(OSError, match=str(path)):
            write_atomically(path, b"")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write_atomically(tmp_path / "folder", b"")
    assert sorted(os.listdir(tmp_path)) == ["folder", "plain"]


def test_no_room_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    command = [sys.executable, "-c", WRITE_LIMITED, str(path)]
    assert subprocess.run(command, capture_output=True, text=True).stdout == f"{path}\n"
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_what_a_kill_left_is_removed_and_nothing_else(tmp_path, monkeypatch):
    kept = [".hidden.tmp", "0123456789abcdef.tmp", ".0123456789abcdef.tmp.mid", "file"]
    for name in kept:
        (tmp_path / name).write_bytes(b"")
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", lambda *args: None)  # as if killed right before
        write_atomically(tmp_path / "other", b"x")
    assert len(os.listdir(tmp_path)) == len(kept) + 1
    remove_temporaries(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted(kept)


@pytest.mark.slow
def test_kill_at_any_time_leaves_a_whole_file(tmp_path):
    generator = random.Random(0)
    path = tmp_path / "file"
    for _ in range(8):
        with subprocess.Popen([sys.executable, "-c", WRITE_LOOP, str(path)], stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            time.sleep(generator.uniform(0, 0.05))
            process.kill()
        if path.exists():
            content = path.read_bytes()
            assert content == content[:1] * 1_000_000
    assert path.exists()
