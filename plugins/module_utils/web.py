# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One HTTP GET with the standard library: no redirects followed, no proxy, bounded body, bounded time."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import NamedTuple, Optional

from .errors import SourceMissing, ToolTimeout

MAX_BODY = 1 << 20

Headers = Optional[Mapping[str, str]]
Tls = Optional[ssl.SSLContext]  # which certificates are accepted


class HttpReply(NamedTuple):
    """An answer of any status code: ``seconds`` is the time to the last byte read, at most MAX_BODY of them."""

    url: str
    status: int
    body: str
    seconds: float


def _opener(tls: Tls) -> urllib.request.OpenerDirector:
    """Return an opener for http and https alone.

    It has no handler for errors or redirects, because any status code is an answer about the service asked; none for
    proxies, because a probe of this host must not travel through a proxy that the environment happens to name; and
    none for files.
    """
    opener = urllib.request.OpenerDirector()
    opener.add_handler(urllib.request.HTTPHandler())
    opener.add_handler(urllib.request.HTTPSHandler(context=tls))
    opener.add_handler(urllib.request.UnknownHandler())
    return opener


def http_get(url: str, timeout: float, *, headers: Headers = None, tls: Tls = None) -> HttpReply:
    """Given a URL, return its answer whatever the status code; ``tls`` says which certificates are accepted.

    Raise SourceMissing where nothing answers in HTTP, naming why, and ToolTimeout after ``timeout`` seconds of silence,
    or where the body takes longer than that.
    """
    begun = time.monotonic()
    try:
        request = urllib.request.Request(url, headers=dict(headers or {}))  # noqa: S310 - the opener knows http alone
        status, body = _fetch(request, timeout, tls)
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(reason, socket.timeout):  # the same class as TimeoutError only since Python 3.10
            raise ToolTimeout(f"GET {url}", timeout) from error
        raise SourceMissing(f"an answer from {url} ({reason or type(error).__name__})") from error
    return HttpReply(url, status, body.decode(errors="replace"), time.monotonic() - begun)


def _fetch(request: urllib.request.Request, timeout: float, tls: Tls) -> tuple[int, bytes]:
    deadline = time.monotonic() + timeout
    with _opener(tls).open(request, timeout=timeout) as reply:
        return reply.status, read_body(reply, deadline)


def read_body(reply: http.client.HTTPResponse, deadline: float) -> bytes:
    """Return at most MAX_BODY bytes. The deadline is looked at between reads, because each byte restarts a timeout."""
    body = b""
    while len(body) < MAX_BODY:
        piece = reply.read1(MAX_BODY - len(body))
        if not piece and reply.length:
            raise http.client.IncompleteRead(body, reply.length)
        if not piece:
            break
        body += piece
        if time.monotonic() > deadline:
            raise socket.timeout("the body takes too long")
    return body
