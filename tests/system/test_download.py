"""Downloads from a local server that behaves in every bad way, and archives that should not be unpacked."""

import hashlib
import http.server
import io
import socket
import stat
import threading
import zipfile
from typing import Any

import pytest

from drumjax.system import download
from drumjax.system.download import DownloadError, fetch_archive, unpack_zip


def make_zip(entries: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in entries.items():
            file.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


GOOD = make_zip({"groove/": b"", "groove/info.csv": b"a,b\n", "groove/drummer1/x.mid": bytes(range(256))})


class Server(http.server.ThreadingHTTPServer):
    """Serves `content` as `mode` says, and counts the requests."""

    daemon_threads = True
    mode, content, requests = "good", GOOD, 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/groove.zip"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self):
        server = self.server
        server.requests += 1
        if server.mode in ("404", "503"):
            self.send_error(int(server.mode))
            return
        if server.mode == "silent":
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(server.content)))
        self.end_headers()
        cut = server.mode == "cut" or (server.mode == "cut once" and server.requests == 1)
        self.wfile.write(server.content[: len(server.content) // 2] if cut else server.content)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(download.time, "sleep", lambda seconds: None)
    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def fetch(server, directory, content=GOOD, **changes):
    expected: dict[str, Any] = {"sha256": hashlib.sha256(content).hexdigest(), "num_bytes": len(content)} | changes
    return fetch_archive(server.url, directory=directory, top_folder="groove", **expected)


def test_good_archive_is_put_in_place_once(server, tmp_path):
    directory = tmp_path / "cache" / "groove-v1"
    assert fetch(server, directory) == directory
    assert (directory / "info.csv").read_text() == "a,b\n"
    assert (directory / "drummer1" / "x.mid").read_bytes() == bytes(range(256))
    assert [path.name for path in directory.parent.iterdir()] == ["groove-v1"]
    fetch(server, directory)
    assert server.requests == 1


def test_whole_archive_without_top_folder(server, tmp_path):
    fetch_archive(server.url, hashlib.sha256(GOOD).hexdigest(), len(GOOD), tmp_path / "all")
    assert (tmp_path / "all" / "groove" / "info.csv").is_file()


def test_an_empty_folder_is_filled(server, tmp_path):
    (tmp_path / "groove").mkdir()
    assert (fetch(server, tmp_path / "groove") / "info.csv").is_file()


@pytest.mark.parametrize(
    ("mode", "changes", "message", "requests"),
    [
        ("good", {"sha256": "0" * 64}, "SHA-256", 1),
        ("good", {"num_bytes": len(GOOD) - 1}, "larger than", 1),
        ("good", {"num_bytes": len(GOOD) + 1}, "cut after", 3),
        ("cut", {}, "cut after", 3),
        ("404", {}, "404", 1),
        ("503", {}, "503", 3),
        ("silent", {}, "no answer", 3),
    ],
)
def test_bad_downloads_are_one_clear_error_and_leave_nothing(server, tmp_path, mode, changes, message, requests):
    server.mode = mode
    with pytest.raises(DownloadError, match=message) as caught:
        fetch(server, tmp_path / "groove", **changes)
    assert server.url in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    assert server.requests == requests


def test_a_cut_connection_is_tried_again(server, tmp_path):
    server.mode = "cut once"
    assert (fetch(server, tmp_path / "groove") / "info.csv").is_file()
    assert server.requests == 2


def test_a_trickle_meets_the_deadline(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "DEADLINE_S", -1.0)
    with pytest.raises(DownloadError, match="bytes in"):
        fetch(server, tmp_path / "groove")
    assert list(tmp_path.iterdir()) == []


def test_connection_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("no_proxy", "*")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound but not listening: nobody else gets the port, and nobody answers
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/x.zip"
        with pytest.raises(DownloadError, match="check the network"):
            fetch_archive(url, "0" * 64, 1, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_nowhere_to_write(server, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DownloadError, match="cannot write to"):
        fetch(server, tmp_path / "file" / "groove")


def test_archive_without_the_folder(server, tmp_path):
    server.content = make_zip({"other/x": b""})
    with pytest.raises(DownloadError, match="no folder 'groove'"):
        fetch(server, tmp_path / "groove", server.content)
    assert list(tmp_path.iterdir()) == []


def test_bad_archive_behind_a_right_checksum_leaves_nothing(server, tmp_path):
    server.content = make_zip({"groove/a": b"1", "../b": b"2"})
    with pytest.raises(DownloadError, match="unsafe path") as caught:
        fetch(server, tmp_path / "cache" / "groove", server.content)
    assert server.url in str(caught.value)
    assert list((tmp_path / "cache").iterdir()) == []
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


def test_two_at_once(server, tmp_path):
    results = []
    threads = [threading.Thread(target=lambda: results.append(fetch(server, tmp_path / "groove"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [tmp_path / "groove"] * 4
    assert [path.name for path in tmp_path.iterdir()] == ["groove"]


def unpack(tmp_path, content: bytes, **limits):
    (tmp_path / "a.zip").write_bytes(content)
    unpack_zip(tmp_path / "a.zip", tmp_path / "out", **limits)


@pytest.mark.parametrize(
    "name",
    ["../x", "a/../../x", "/etc/x", "a\\..\\..\\x", "C:/x", "a//x", "./x", "..", "a/..", "good\0/../x"],
)
def test_paths_that_leave_the_folder_are_refused(tmp_path, name):
    content = make_zip({"before": b"1", "N" * len(name): b"2"}).replace(b"N" * len(name), name.encode())
    with pytest.raises(DownloadError, match="unsafe path"):
        unpack(tmp_path, content)
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(tmp_path, kind):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        entry = zipfile.ZipInfo("link")
        entry.external_attr = (kind | 0o777) << 16
        file.writestr(entry, "/etc/passwd")
    with pytest.raises(DownloadError, match="link"):
        unpack(tmp_path, buffer.getvalue())


@pytest.mark.parametrize(
    ("content", "limits", "message"),
    [
        (make_zip({"bomb": bytes(1_000_000)}), {}, "when unpacked"),
        (make_zip({"a": bytes(100)}), {"max_bytes": 99}, "when unpacked"),
        (make_zip({str(i): b"" for i in range(11)}), {"max_entries": 10}, "11 entries"),
        (b"not a zip", {}, "cannot be unpacked"),
        (GOOD[:-30], {}, "cannot be unpacked"),
        (make_zip({"a": b"", "a/b": b""}), {}, "cannot be unpacked"),
    ],
)
def test_bombs_and_damaged_archives_are_refused(tmp_path, content, limits, message):
    with pytest.raises(DownloadError, match=message):
        unpack(tmp_path, content, **limits)


def test_an_entry_that_lies_about_its_size_is_refused(tmp_path):
    size = (1_000_000).to_bytes(4, "little")
    content = make_zip({"bomb": bytes(1_000_000)}).replace(size, (100).to_bytes(4, "little"))
    with pytest.raises(DownloadError, match="cannot be unpacked"):
        unpack(tmp_path, content)


def test_an_entry_that_occurs_twice_is_refused(tmp_path):
    with pytest.raises(DownloadError, match="exists"):
        unpack(tmp_path, make_zip({"ab": b"1", "cd": b"2"}).replace(b"cd", b"ab"))


def test_a_flipped_bit_is_noticed(tmp_path):
    content = bytearray(make_zip({"a": bytes(range(256))}))
    content[60] ^= 1
    with pytest.raises(DownloadError, match="cannot be unpacked"):
        unpack(tmp_path, bytes(content))
