# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A connection to an HTTP server that is opened first and used later: in between it is seen which process took it."""

from __future__ import annotations

import http.client
import socket
import sys
import time
from contextlib import closing
from urllib.parse import urlsplit

from ..errors import SourceMissing, ToolTimeout
from ..sockets.model import Ends, plain
from ..web import Headers, HttpReply, Tls, read_body

DEFAULT_PORTS = {"http": 80, "https": 443}
AGENT = f"Python-urllib/{sys.version_info[0]}.{sys.version_info[1]}"  # as http_get calls itself


def place_of(url: str) -> tuple[str, int]:
    """Given an HTTP URL, return the name or address of its host, and its port."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or DEFAULT_PORTS.get(parts.scheme, 0)


def own_address(name: str, port: int) -> str:
    """Given a name or address, return the address of this host that it stands for (``localhost`` stands for two and is
    returned as it is); empty: it stands for another host, or for none.

    It is its own where the system would speak to it from that very address. Nothing is sent: a UDP socket that is
    connected only asks the routes.
    """
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_DGRAM)
    except OSError:
        return ""
    if not name or any(_source(family, place) != place[0] for family, _t, _p, _n, place in found):
        return ""
    return name if name == "localhost" else str(found[0][4][0])


def _source(family: int, place: tuple[object, ...]) -> object:
    if str(place[0]).startswith("127.") or place[0] == "::1":
        return place[0]
    try:
        with closing(socket.socket(family, socket.SOCK_DGRAM)) as probe:
            probe.connect(place)
            return probe.getsockname()[0]
    except OSError:  # no route to it
        return ""


class Line:
    """A connection over which nothing has been said yet; ``get`` uses it up."""

    def __init__(self, url: str, timeout: float) -> None:
        """Connect to the host and port of a URL. Raise SourceMissing where nobody listens, or ToolTimeout."""
        try:
            self._socket = socket.create_connection(place_of(url), timeout)
            here, there = self._socket.getsockname(), self._socket.getpeername()
        except socket.timeout as error:  # the same class as TimeoutError only since Python 3.10
            raise ToolTimeout(f"connecting to {url}", timeout) from error
        except OSError as error:
            raise SourceMissing(f"an answer from {url} ({error})") from error
        self.ends = Ends(plain(there[0]), there[1], plain(here[0]), here[1])

    def get(self, url: str, timeout: float, *, headers: Headers = None, tls: Tls = None) -> HttpReply:
        """Return the answer to a GET over this connection; raises as http_get does."""
        begun = time.monotonic()
        try:
            status, body = self._fetch(url, timeout, headers, tls)
        except socket.timeout as error:
            raise ToolTimeout(f"GET {url}", timeout) from error
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise SourceMissing(f"an answer from {url} ({error or type(error).__name__})") from error
        return HttpReply(url, status, body.decode(errors="replace"), time.monotonic() - begun)

    def _fetch(self, url: str, timeout: float, headers: Headers, tls: Tls) -> tuple[int, bytes]:
        parts, deadline = urlsplit(url), time.monotonic() + timeout
        self._socket.settimeout(timeout)
        if parts.scheme == "https" and tls is not None:
            self._socket = tls.wrap_socket(self._socket, server_hostname=parts.hostname)
        channel = http.client.HTTPConnection(*place_of(url), timeout=timeout)
        channel.default_port = DEFAULT_PORTS[parts.scheme]  # which the header Host leaves out
        channel.sock = self._socket
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        channel.request("GET", path, headers={"User-Agent": AGENT, "Connection": "close", **(headers or {})})
        with channel.getresponse() as reply:
            return reply.status, read_body(reply, deadline)

    def close(self) -> None:
        """End it, used or not."""
        self._socket.close()
