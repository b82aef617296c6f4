import errno
import os
import signal
import socket
import subprocess
import sys
import textwrap

import pytest

from drumjax.system import lock
from drumjax.system.lock import LockError, lock_workdir

HOLD = textwrap.dedent("""
    import sys, time
    from drumjax.system.lock import lock_workdir
    with lock_workdir(sys.argv[1]):
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
    with pytest.raises(LockError) as caught, lock_workdir(tmp_path):
        pytest.fail("two processes hold the lock")
    message = str(caught.value)
    assert f"pid {holder.pid} on {socket.gethostname()} since 20" in message
    assert str(tmp_path) in message
    assert "\n" not in message


def test_lock_of_a_killed_process_is_free(holder, tmp_path):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert str(holder.pid) in (tmp_path / "lock").read_text()  # the leftover is there, and locks nobody out
    with lock_workdir(tmp_path):
        assert (tmp_path / "lock").read_text().startswith(f"pid {os.getpid()} on ")


def test_lock_is_released_on_leaving_and_on_errors(tmp_path):
    with pytest.raises(KeyError), lock_workdir(tmp_path / "new" / "workdir"):
        raise KeyError
    with lock_workdir(tmp_path / "new" / "workdir"), pytest.raises(LockError), lock_workdir(tmp_path / "new/workdir"):
        pytest.fail("the same process holds the lock twice")
    with lock_workdir(tmp_path / "new" / "workdir"):
        pass


def test_child_process_does_not_keep_the_lock(tmp_path):
    with lock_workdir(tmp_path):
        child = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        with lock_workdir(tmp_path):
            pass
    finally:
        child.kill()
        child.wait()


def test_file_in_the_way_is_one_clear_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LockError, match=r"cannot open .*file/lock.*choose a working directory"):
        lock_workdir(tmp_path / "file").__enter__()


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOTSUP])
def test_goes_on_with_a_warning_where_locks_are_not_supported(tmp_path, monkeypatch, caplog, code):
    def flock(file, operation):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(lock.fcntl, "flock", flock)
    with lock_workdir(tmp_path):
        pass
    assert str(tmp_path) in caplog.text
    assert "make sure that nothing else writes there" in caplog.text


def test_goes_on_with_a_warning_without_fcntl(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(lock, "fcntl", None)
    with lock_workdir(tmp_path):
        pass
    assert "no file locks" in caplog.text
