import errno
import functools
import os
import signal
import socket
import subprocess
import sys
import textwrap

import pytest

from drumjax.system import lock
from drumjax.system.lock import LockError, find_holder, lock_folder

HOLD = textwrap.dedent("""
    import sys, time
    from drumjax.system.lock import lock_folder
    with lock_folder(sys.argv[1], "--workdir"):
        print("locked", flush=True)
        time.sleep(60)
""")


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of tmp_path."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "locked\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_second_process_is_refused_and_told_by_whom(holder, tmp_path):
    with pytest.raises(LockError) as caught, lock_folder(tmp_path, "--workdir"):
        pytest.fail("two processes hold the lock")
    message = str(caught.value)
    assert f"pid {holder.pid} on {socket.gethostname()} since 20" in message
    assert str(tmp_path) in message
    assert "\n" not in message


def test_lock_of_a_killed_process_is_free(holder, tmp_path):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert str(holder.pid) in (tmp_path / "lock").read_text()  # the leftover is there, and locks nobody out
    with lock_folder(tmp_path, "--workdir"):
        assert (tmp_path / "lock").read_text().startswith(f"pid {os.getpid()} on ")


def test_lock_is_released_on_leaving_and_on_errors(tmp_path):
    with pytest.raises(KeyError), lock_folder(tmp_path / "new" / "workdir", "--workdir"):
        raise KeyError
    with (
        lock_folder(tmp_path / "new" / "workdir", "--workdir"),
        pytest.raises(LockError),
        lock_folder(tmp_path / "new/workdir", "--workdir"),
    ):
        pytest.fail("the same process holds the lock twice")
    with lock_folder(tmp_path / "new" / "workdir", "--workdir"):
        pass


def test_child_process_does_not_keep_the_lock(tmp_path):
    with lock_folder(tmp_path, "--workdir"):
        child = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        with lock_folder(tmp_path, "--workdir"):
            pass
    finally:
        child.kill()
        child.wait()


def test_file_in_the_way_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LockError, match=r"file is no folder; choose another --workdir"):
        lock_folder(tmp_path / "file", "--workdir").__enter__()


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOTSUP])
def test_goes_on_with_a_warning_where_locks_are_not_supported(tmp_path, monkeypatch, caplog, code):
    def flock(file, operation):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(lock.fcntl, "flock", flock)
    with lock_folder(tmp_path, "--workdir"):
        pass
    assert str(tmp_path) in caplog.text
    assert "make sure that nothing else writes there" in caplog.text


def test_goes_on_with_a_warning_without_fcntl(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(lock, "fcntl", None)
    with lock_folder(tmp_path, "--workdir"):
        pass
    assert "no file locks" in caplog.text


def test_nothing_is_left_of_a_lock_that_was_given_back(tmp_path):
    with lock_folder(tmp_path, "--out_dir"):
        assert os.listdir(tmp_path) == ["lock"]
    assert os.listdir(tmp_path) == []


def test_a_lock_that_is_removed_while_another_opens_it_is_not_held_twice(tmp_path, monkeypatch):
    """Whoever opened it before its holder gave it back would lock a file that nobody else ever sees."""
    first = lock_folder(tmp_path, "--out_dir")
    first.__enter__()
    real = os.open

    def open_then_release(*args, **kwargs):
        file = real(*args, **kwargs)
        monkeypatch.setattr(os, "open", real)
        first.__exit__(None, None, None)
        return file

    monkeypatch.setattr(os, "open", open_then_release)
    with lock_folder(tmp_path, "--out_dir"), pytest.raises(LockError), lock_folder(tmp_path, "--out_dir"):
        pytest.fail("two hold the lock")


def test_a_file_of_the_users_own_is_not_taken_for_a_lock(tmp_path):
    (tmp_path / "lock").write_text("combination: 1234")
    with pytest.raises(LockError, match=r"lock is a file that drumjax did not write; .*another --out_dir"):
        lock_folder(tmp_path, "--out_dir").__enter__()
    assert (tmp_path / "lock").read_text() == "combination: 1234"


@pytest.mark.parametrize("call", ["open", "pwrite", "ftruncate"])
def test_a_full_disk_is_a_line_and_leaves_no_lock(tmp_path, monkeypatch, call):
    def fail(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(LockError, match=rf"{tmp_path}/lock: No space left on device; make room"):
            lock_folder(tmp_path, "--out_dir").__enter__()
    assert os.listdir(tmp_path) == []


def test_a_lock_that_is_shared_keeps_out_who_wants_all(tmp_path):
    """And is gone when the last of those who share it leaves."""
    share = functools.partial(lock_folder, tmp_path, "--out_dir", is_shared=True)
    with share():
        with share(), pytest.raises(LockError, match="in use by pid"), lock_folder(tmp_path, "--out_dir"):
            pytest.fail("it is shared")
        assert find_holder(tmp_path / "lock").startswith(f"pid {os.getpid()} on ")
    assert not (tmp_path / "lock").exists()
    assert find_holder(tmp_path / "lock") is None
    with lock_folder(tmp_path, "--out_dir"), pytest.raises(LockError), share():
        pytest.fail("nobody shares it")
