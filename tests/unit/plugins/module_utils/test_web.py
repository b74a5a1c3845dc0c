# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HTTP: every answer is an answer, everything else is an error of the core, and no server can hold the caller."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import CoreError, SourceMissing, ToolTimeout
from ansible_collections.cryptobot.maintenance.plugins.module_utils.web import MAX_BODY, http_get


def _reply(status: str, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "Connection: close", "", ""]
    return "\r\n".join(lines).encode() + body


@contextmanager
def serving(*pieces: bytes, gap: float = 0.0, hold: float = 0.0) -> Iterator[str]:
    """A server for one request: it sends ``pieces`` with ``gap`` seconds between, then holds the line."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve() -> None:
        try:
            peer, _address = listener.accept()
            with peer:
                peer.recv(65536)
                for piece in pieces:
                    peer.sendall(piece)
                    over.wait(gap)
                over.wait(hold)
        except OSError:
            pass  # the client went away, which is what some of the tests are about

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/health"
    finally:
        over.set()
        listener.close()
        thread.join(10)


ANSWERS = [
    (_reply("200 OK", b"fine"), 200, "fine"),
    (_reply("204 No Content", b""), 204, ""),
    (_reply("404 Not Found", b"no"), 404, "no"),
    (_reply("503 Service Unavailable", b"later"), 503, "later"),
    (_reply("302 Found", b"", "Location: http://127.0.0.1:9/elsewhere"), 302, ""),
    (_reply("200 OK", b"a\xffb"), 200, "a\ufffdb"),
]


@pytest.mark.parametrize(("raw", "status", "body"), ANSWERS)
def test_an_answer_of_any_status_is_an_answer(raw: bytes, status: int, body: str) -> None:
    with serving(raw) as url:
        reply = http_get(url, 5.0)
    assert (reply.url, reply.status, reply.body) == (url, status, body)
    assert 0 < reply.seconds < 5


def test_a_body_is_read_up_to_its_bound() -> None:
    with serving(_reply("200 OK", b"x" * (MAX_BODY + 5000))) as url:
        assert len(http_get(url, 10.0).body) == MAX_BODY


def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with serving(_reply("200 OK", b"fine")) as url:
        assert http_get(url, 5.0).status == 200


def test_a_closed_port_is_named_with_its_reason() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(SourceMissing, match=f"127.0.0.1:{port}.*refused"):
        http_get(f"http://127.0.0.1:{port}/", 5.0)


def test_silence_before_the_answer_ends_at_the_timeout() -> None:
    with serving(hold=20) as url, pytest.raises(ToolTimeout, match=r"0\.5 s"):
        http_get(url, 0.5)


def test_silence_within_the_answer_ends_at_the_timeout() -> None:
    with serving(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nx", hold=20) as url, pytest.raises(ToolTimeout):
        http_get(url, 0.5)


def test_a_server_that_drips_cannot_hold_the_caller() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
    begun = time.monotonic()
    with serving(head, *[b"x"] * 100, gap=0.2) as url, pytest.raises(ToolTimeout):
        http_get(url, 1.0)
    assert time.monotonic() - begun < 8


WRONG_ANSWERS = [
    b"-ERR unknown command\r\n",  # a Redis behind the port
    b"SSH-2.0-OpenSSH_9.2p1\r\n",
    b"HTTP/1.1 abc OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort",  # closed in the middle
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"\x16\x03\x01",
    b"",
]


@pytest.mark.parametrize("raw", WRONG_ANSWERS)
def test_what_is_no_http_answer_is_an_error_of_the_core(raw: bytes) -> None:
    with serving(raw) as url, pytest.raises(CoreError):
        http_get(url, 5.0)


WRONG_URLS = [
    "",
    "localhost:8000",
    "http://",
    "http://[::1",
    "http://127.0.0.1:port/",
    "file:///etc/hostname",
    "ftp://x/y",
]


@pytest.mark.parametrize("url", WRONG_URLS)
def test_what_is_no_http_address_is_an_error_of_the_core(url: str) -> None:
    with pytest.raises(CoreError):
        http_get(url, 1.0)
