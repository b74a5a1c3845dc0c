# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A WS-Management endpoint on loopback, with Basic authentication over http: what pywinrm and Ansible speak to."""

from __future__ import annotations

import base64
import hmac
import http.server
import threading
from collections.abc import Callable

from . import messages
from .messages import Request
from .shells import Shells

OPERATION_TIMEOUT = 15.0  # seconds after which a real server says "nothing yet, ask again"


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection of a client; connections are kept open, as a real server does."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm, wbufsize = True, 65536  # else every reply waits 40 ms for the client's delayed ACK
    server: Endpoint

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing: the tests' output is pytest's."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not hmac.compare_digest(self.headers.get("Authorization") or "", self.server.token):
            return self._send(401, b"", ("WWW-Authenticate", 'Basic realm="WSMAN"'))
        request = messages.parse(body)
        status, action, answer = self.server.answer(request)
        return self._send(status, messages.reply(action, request.message, answer))

    def _send(self, status: int, content: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        plain = (("Content-Type", "application/soap+xml;charset=UTF-8"), ("Content-Length", str(len(content))))
        for name, value in (*headers, *plain):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


class Endpoint(http.server.ThreadingHTTPServer):
    """The endpoint; it listens on a free port from its making until ``close``."""

    daemon_threads = True

    def __init__(self, shells: Shells, user: str, password: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.shells = shells
        self.token = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.server_address[1])

    def close(self) -> None:
        """Listen no longer."""
        self.shutdown()
        self.server_close()

    def answer(self, request: Request) -> tuple[int, str, str]:
        """Given a request, return the status, the action and the body of the reply."""
        verb = VERBS.get(request.verb)
        if verb is None:
            return fault(messages.UNSUPPORTED, f"unknown action {request.action}")
        if request.verb != "Create" and request.shell not in self.shells:
            return fault(messages.NOT_FOUND, "the shell was not found")
        try:
            body = verb(self.shells, request)
        except KeyError:
            return fault(messages.NOT_FOUND, "the command was not found")
        if body is None:
            return fault(messages.TIMED_OUT, "the operation did not complete in time", "w:TimedOut")
        return 200, f"{request.action}Response", body


def fault(code: int, reason: str, subcode: str = "w:InvalidSelectors") -> tuple[int, str, str]:
    """Return the status, action and body of a fault."""
    return 500, messages.FAULT, messages.fault(code, reason, subcode)


def create(shells: Shells, _request: Request) -> str:
    return messages.created(shells.open())


def command(shells: Shells, request: Request) -> str:
    name = shells.command(request.shell, request.line)
    if not request.takes_stdin:
        shells.find(request.shell, name).start()
    return messages.accepted(name)


def send(shells: Shells, request: Request) -> str:
    found = shells.find(request.shell, request.command)
    found.stdin += request.stdin
    if request.last:
        found.start()
    return "<rsp:SendResponse/>"


def receive(shells: Shells, request: Request) -> str | None:
    found = shells.find(request.shell, request.command)
    if not found.ended.wait(OPERATION_TIMEOUT):
        return None
    return messages.received(request.command, *found.fetch())


def signal(shells: Shells, request: Request) -> str:
    shells.find(request.shell, request.command)
    return "<rsp:SignalResponse/>"


def delete(shells: Shells, request: Request) -> str:
    shells.close(request.shell)
    return ""


VERBS: dict[str, Callable[[Shells, Request], str | None]] = {
    "Create": create,
    "Command": command,
    "Send": send,
    "Receive": receive,
    "Signal": signal,
    "Delete": delete,
}
