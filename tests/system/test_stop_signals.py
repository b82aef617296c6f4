import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from drumjax.system.stop_signals import STOPPED, TWICE_SECONDS, _watch, catch_stop_signals

SIGNALS = [signal.SIGINT, signal.SIGTERM]

# A main thread that is busy outside of Python, as in a compilation, and runs no handler for a long while.
BUSY = textwrap.dedent("""
    import hashlib, logging
    from drumjax.system.stop_signals import catch_stop_signals
    logging.basicConfig()
    with catch_stop_signals():
        print("ready", flush=True)
        hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
""")


@pytest.mark.parametrize("number", SIGNALS)
def test_first_signal_is_told_and_everything_is_put_back(number, caplog):
    before = [signal.getsignal(n) for n in SIGNALS]
    old_fd = signal.set_wakeup_fd(-1)
    num_threads = threading.active_count()
    with catch_stop_signals() as stop:
        assert stop() == ""
        os.kill(os.getpid(), number)
        assert stop() == number.name
    assert [signal.getsignal(n) for n in SIGNALS] == before
    assert signal.set_wakeup_fd(old_fd) == -1
    assert threading.active_count() == num_threads
    assert f"{number.name}: saving a checkpoint, then stopping" in caplog.text


def test_is_put_back_after_an_error_too():
    before = [signal.getsignal(n) for n in SIGNALS]
    with pytest.raises(KeyError), catch_stop_signals():
        raise KeyError
    assert [signal.getsignal(n) for n in SIGNALS] == before


def test_each_use_starts_afresh():
    for _ in range(2):
        with catch_stop_signals() as stop:
            assert stop() == ""
            os.kill(os.getpid(), signal.SIGTERM)
            assert stop() == "SIGTERM"


def test_other_signals_with_a_handler_are_none_of_its_business():
    seen = []
    old = signal.signal(signal.SIGUSR1, lambda *args: seen.append(1))
    try:
        with catch_stop_signals() as stop:
            for _ in range(3):
                os.kill(os.getpid(), signal.SIGUSR1)
                time.sleep(0.01)
            assert stop() == ""
    finally:
        signal.signal(signal.SIGUSR1, old)
    assert len(seen) == 3


@pytest.mark.slow
@pytest.mark.parametrize(("first", "second"), [(signal.SIGINT, signal.SIGINT), (signal.SIGINT, signal.SIGTERM)])
def test_second_signal_ends_the_process_at_once(first, second):
    command = [sys.executable, "-c", BUSY]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        limit = threading.Timer(20, process.kill)  # were the first not announced, we would wait for ever
        limit.start()
        try:
            assert process.stdout.readline() == "ready\n"
            process.send_signal(first)
            assert f"{first.name}: saving a checkpoint" in process.stderr.readline()
            time.sleep(TWICE_SECONDS + 0.1)
            assert process.poll() is None
            process.send_signal(second)
            assert process.wait(timeout=10) == STOPPED == 75
        finally:
            limit.cancel()
            process.kill()


def test_a_signal_that_comes_twice_at_once_counts_once():
    """As timeout(1) sends it; were it taken for two, this process would end."""
    reader, writer = os.pipe()
    os.write(writer, bytes([signal.SIGTERM, signal.SIGTERM]))
    os.close(writer)
    _watch(reader)


def test_signals_are_left_alone_outside_the_main_thread():
    before = [signal.getsignal(n) for n in SIGNALS]
    seen = []

    def work():
        with catch_stop_signals() as stop:
            seen.extend([stop(), [signal.getsignal(n) for n in SIGNALS]])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == ["", before]
