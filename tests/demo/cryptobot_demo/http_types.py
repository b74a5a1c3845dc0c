# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Request, Response and Route: the values that pass between the HTTP server and the endpoints."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Callable, Optional

JSON_TYPE = "application/json"


@dataclass(frozen=True)
class Request:
    """What a client asked for; ``params`` are the values of the placeholders in the route's path."""

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    params: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Response:
    """What the client gets."""

    status: int
    body: bytes = b""
    content_type: str = JSON_TYPE
    location: Optional[str] = None


@dataclass(frozen=True)
class Route:
    """One path of a service, written as FastAPI writes it (``/api/{name}``), and who answers it."""

    method: str
    path: str
    answer: Callable[[Any, Request], Response]

    def match(self, path: str) -> Optional[dict[str, str]]:
        """Given a path, return the placeholders' values, or None where the route does not fit."""
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.path)
        found = re.fullmatch(pattern, path)
        return found.groupdict() if found else None


def json_response(value: Any, *, status: int = 200) -> Response:
    """Given any JSON value, return the response that carries it."""
    return Response(status, json.dumps(value, separators=(",", ":")).encode())


def detail(status: int, message: str) -> Response:
    """Given a status and a message, return the error in the shape that FastAPI gives."""
    return json_response({"detail": message}, status=status)
