# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asking a Redis server in its own protocol (RESP2), so that no redis-cli is needed: it ends with 0 whatever the server
answers, and would have to be handed the password.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import IO, Any, NamedTuple, Union, cast

from ....errors import ActionFailed, SourceMissing
from ....host import Host
from ....printable import printable

PORT = 6379
ANSWERS_WITHIN = 15.0  # seconds; the server answers one after the other and forks for a large save meanwhile
MOST_BYTES, MOST_PARTS, DEEPEST = 1 << 20, 1024, 4  # no answer that is asked for here comes near any of these
Reply = Union[str, int, None, list[Any]]


class RedisRefused(ActionFailed):
    """What the server answered instead of doing it; ``code`` is the first word of that."""

    def __init__(self, server: RedisServer, asked: str, answer: str) -> None:
        super().__init__(f"{server} refuses {asked}: {printable(answer)[:300]}")
        self.code, self.answer = answer.split(" ", 1)[0], answer


class RedisServer(NamedTuple):
    """One Redis server as declared: an address and a port, or the path of its socket."""

    address: str
    port: int
    path: str
    user: str
    password: str

    def __repr__(self) -> str:
        """Return the server as text, without the password."""
        return f"RedisServer({self})"

    def __str__(self) -> str:
        """Return how a person would call it."""
        return f"Redis at {self.path or f'{self.address} port {self.port}'}"


def server_of(options: Mapping[str, Any]) -> RedisServer:
    """Given the options of a Redis source, return its server."""

    def text(name: str) -> str:
        return str(options.get(name) or "")

    port = int(options.get("login_port") or PORT)
    return RedisServer(
        text("login_host") or "127.0.0.1",
        port,
        text("login_unix_socket"),
        text("login_user"),
        text("login_password"),
    )


class Conversation:
    """An open connection: one question, one answer."""

    def __init__(self, server: RedisServer, connection: socket.socket, host: Host) -> None:
        self.server, self._connection, self._host = server, connection, host
        self._answers: IO[bytes] = connection.makefile("rb")

    @property
    def same_host(self) -> bool:
        """Whether the server is on this machine, as far as the connection tells: both ends have one address."""
        if self.server.path:
            return True
        ours, theirs = self._connection.getsockname(), self._connection.getpeername()
        return bool(ours[0] == theirs[0])

    def ask(self, *words: str) -> Reply:
        """Return what the server answers to a command. Raise RedisRefused where that is an error, ActionFailed where
        there is no answer that can be understood.
        """
        encoded = [word.encode("utf-8", "surrogateescape") for word in words]
        request = b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%b\r\n" % (len(one), one) for one in encoded)
        asked = words[0] if words[0] == "AUTH" else " ".join(words)
        try:
            self._connection.settimeout(min(ANSWERS_WITHIN, self._host.remaining()))
            self._connection.sendall(request)
            answer = self._read(DEEPEST)
        except OSError as error:
            raise ActionFailed(f"{self.server} gave no answer to {asked}: {error.strerror or error}") from error
        if isinstance(answer, ErrorReply):
            raise RedisRefused(self.server, asked, self._without_password(answer.text))
        return cast(Reply, answer)

    def _without_password(self, text: str) -> str:
        """Return an error without our password: a server that does not know AUTH repeats what it was given."""
        return text.replace(self.server.password, "********") if self.server.password else text

    def _read(self, depth: int) -> Any:
        line = self._answers.readline(MOST_BYTES)
        if not line.endswith(b"\r\n"):
            raise ActionFailed(f"{self.server} closed the connection, or is no Redis")
        kind, text = line[:1], line[1:-2].decode("utf-8", "surrogateescape")
        if kind == b"+":
            return text
        if kind == b"-":
            return ErrorReply(text)
        if kind not in b":$*" or not text.lstrip("-").isdigit():
            raise ActionFailed(f"{self.server} does not speak the protocol of Redis")
        number = int(text)
        if kind == b":":
            return number
        return self._bulk(number) if kind == b"$" else self._array(number, depth)

    def _bulk(self, size: int) -> Any:
        if size < 0:
            return None
        if size > MOST_BYTES:
            raise ActionFailed(f"{self.server} answers with {size} bytes, expected at most {MOST_BYTES}")
        data = self._answers.read(size + 2)
        if len(data) != size + 2:
            raise ActionFailed(f"{self.server} closed the connection within an answer")
        return data[:-2].decode("utf-8", "surrogateescape")

    def _array(self, count: int, depth: int) -> Any:
        if count > MOST_PARTS or not depth:
            raise ActionFailed(f"{self.server} answers with {count} parts, expected at most {MOST_PARTS}")
        return None if count < 0 else [self._read(depth - 1) for _part in range(count)]


class ErrorReply(NamedTuple):
    """An answer that is an error."""

    text: str


@contextmanager
def connected(server: RedisServer, host: Host) -> Iterator[Conversation]:
    """Yield a conversation with a server that has let us in. Raise SourceMissing where none answers there,
    RedisRefused where it does not let us in.
    """
    with closing(_connection(server, host)) as connection:
        conversation = Conversation(server, connection, host)
        _log_in(conversation)
        yield conversation


def _connection(server: RedisServer, host: Host) -> socket.socket:
    limit = min(ANSWERS_WITHIN, host.remaining())
    try:
        if not server.path:
            return socket.create_connection((server.address, server.port), timeout=limit)
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(limit)
        connection.connect(server.path)
    except (OSError, AttributeError) as error:  # Windows has no such sockets in Python
        reason = getattr(error, "strerror", None) or error
        raise SourceMissing(f"an answer of {server} ({reason})") from error
    return connection


def _log_in(conversation: Conversation) -> None:
    """Prove that the server lets us in. One that stopped writes because its last save failed (MISCONF) has done so: it
    is asked for a save all the same, which may succeed by now.
    """
    server = conversation.server
    if server.password:
        conversation.ask("AUTH", *([server.user] if server.user else []), server.password)
    try:
        answer = conversation.ask("PING")
    except RedisRefused as refusal:
        if refusal.code != "MISCONF":
            raise
        return
    if answer != "PONG":
        raise ActionFailed(f"{server} answers PING with {answer!r}, expected PONG")


def information(conversation: Conversation) -> dict[str, str]:
    """Return all that INFO says, by name."""
    answer = conversation.ask("INFO")
    if not isinstance(answer, str):
        raise ActionFailed(f"{conversation.server} answers INFO with {type(answer).__name__}, expected text")
    pairs = (line.split(":", 1) for line in answer.splitlines() if ":" in line and not line.startswith("#"))
    return {name: value.strip() for name, value in pairs}
