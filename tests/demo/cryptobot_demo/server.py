# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One service's HTTP server: threads, uvicorn's log lines, a clean end at SIGTERM."""

from __future__ import annotations

import socket
import socketserver
import time
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from .endpoints import Application, answer
from .http_types import Request, Response
from .logs import log_access
from .metrics import count_request

MAX_BODY_BYTES = 65536


class ServiceServer(ThreadingHTTPServer):
    """A threading server that never asks the name service who it is."""

    daemon_threads = True
    request_queue_size = 128
    # Another process on the port must be an error, not a share of the requests.
    allow_reuse_port = False

    def server_bind(self) -> None:
        """Bind without the reverse look-up of the standard library, which hangs on hosts without DNS."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]


class ServiceHandler(BaseHTTPRequestHandler):
    """Turns HTTP into a Request, and the Response back into HTTP."""

    protocol_version = "HTTP/1.1"
    timeout = 10

    def __init__(self, app: Application, access_log: bool, *args: Any) -> None:
        self.app = app
        self.access_log = access_log
        super().__init__(*args)

    def handle_any(self) -> None:
        """Answer the request, then count and log it."""
        started = time.perf_counter()
        handler, response = answer(self.app, self._request())
        self._send(response)
        count_request(
            self.app.registry,
            handler=handler,
            method=self.command,
            status=response.status,
            seconds=time.perf_counter() - started,
        )
        if self.access_log:
            client = f"{self.client_address[0]}:{self.client_address[1]}"
            log_access(client, self.command, self.path, response.status, HTTPStatus(response.status).phrase)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any

    def _request(self) -> Request:
        parts = urlsplit(self.path)
        length = min(int(self.headers.get("Content-Length") or 0), MAX_BODY_BYTES)
        return Request(self.command, parts.path, dict(parse_qsl(parts.query)), self.rfile.read(length))

    def _send(self, response: Response) -> None:
        self.send_response_only(response.status)
        self.send_header("server", "uvicorn")
        self.send_header("content-type", response.content_type)
        self.send_header("content-length", str(len(response.body)))
        if response.location:
            self.send_header("location", response.location)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(response.body)

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing: the access line is ours."""


def make_server(app: Application, host: str, port: int, *, access_log: bool) -> ServiceServer:
    """Given a service and where to listen, return the server, bound and not yet listening.

    Raise OSError where the port is taken.
    """
    ServiceServer.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
    server = ServiceServer((host, port), partial(ServiceHandler, app, access_log), bind_and_activate=False)
    try:
        server.server_bind()
    except OSError:
        server.server_close()
        raise
    server.socket.setblocking(False)  # of several workers that are woken for one connection, one gets it
    return server
