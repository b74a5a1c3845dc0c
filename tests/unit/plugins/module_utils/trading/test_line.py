# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A connection that is opened before anything is said over it."""

from __future__ import annotations

import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import SourceMissing, ToolTimeout
from ansible_collections.cryptobot.maintenance.plugins.module_utils.trading.line import Line, own_address, place_of

PLACES = [
    ("http://127.0.0.1:8004", ("127.0.0.1", 8004)),
    ("https://trade.example/x", ("trade.example", 443)),
    ("http://[::1]", ("::1", 80)),
    ("", ("", 0)),
]


@pytest.mark.parametrize(("url", "place"), PLACES)
def test_a_url_names_a_place(url, place):
    assert place_of(url) == place


# 192.0.2.0/24 and 2001:db8::/32 are for documentation: no host has such an address.
@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.8.8.8", "127.8.8.8"),
        ("::1", "::1"),
        ("localhost", "localhost"),
        ("192.0.2.7", ""),
        ("2001:db8::7", ""),
        ("", ""),
    ],
)
def test_a_host_knows_its_own_addresses(name, address):
    assert own_address(name, 8004) == address


def test_a_name_of_this_host_stands_for_its_address(monkeypatch):
    found = [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("127.0.1.1", 8004))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_arguments, **_options: found)
    assert own_address("trading-host", 8004) == "127.0.1.1"


def test_a_name_without_an_address_is_not_here(monkeypatch):
    def fails(*_arguments, **_options):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fails)
    assert own_address("trade.example", 80) == ""


class Echo(BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"{self.path} {self.headers['Host']} {self.headers['Authorization']}".encode()
        self.send_response(201)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        pass


@pytest.fixture
def url():
    """Return where a server answers what it was asked."""
    server = HTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_question_goes_over_the_connection_that_is_there(url):
    line = Line(url, 5.0)
    port = int(url.rpartition(":")[2])
    assert line.ends[:3] == ("127.0.0.1", port, "127.0.0.1")
    reply = line.get(f"{url}/orders?status=open", 5.0, headers={"Authorization": "Bearer t"})
    line.close()
    assert (reply.status, reply.body) == (201, f"/orders?status=open 127.0.0.1:{port} Bearer t")


def test_nobody_there_and_nobody_answering_are_told_apart():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        line = Line(url, 5.0)
        with pytest.raises(ToolTimeout):
            line.get(url, 0.05)
        line.close()
        other = Line(url, 5.0)
        silent.accept()[0].close()
        silent.accept()[0].close()
        with pytest.raises(SourceMissing):
            other.get(url, 5.0)
        other.close()
    with pytest.raises(SourceMissing):
        Line(url, 5.0)
