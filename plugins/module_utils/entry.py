# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The core's own main, on every host to which it travels by the carrier: a request goes in, an answer comes out.

The request holds ``area``, ``params`` (validated by the controller), ``check_mode`` and ``secrets``, the values that
must not be shown. The module runner calls `answer_to`; where the bridge started Python, request and answer are a line
of ASCII JSON each. The answer is the result of a module, sealed by exit_with. A defect before there is one ends in a
traceback on stderr, in which they are masked too.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Mapping
from functools import partial
from typing import Any, BinaryIO

from ._ansible_module import exit_with
from .registry import area as area_of
from .seam import seal_text

TRACEBACK = 8_000  # characters


class Exchange:
    """What exit_with needs of a module; it keeps the answer instead of ending the process."""

    def __init__(self, params: dict[str, Any], check_mode: bool, secrets: frozenset[str]) -> None:
        self.params, self.check_mode, self.no_log_values = params, check_mode, secrets
        self.answer: dict[str, Any] = {}

    def exit_json(self, **kwargs: Any) -> None:
        """Keep the answer of a run that succeeded."""
        self.answer = {"changed": False, **kwargs}

    def fail_json(self, msg: str, **kwargs: Any) -> None:
        """Keep the answer of a run that failed."""
        self.answer = {"changed": False, **kwargs, "failed": True, "msg": msg}


def main() -> int:
    """Answer the request on stdin and return the exit code. Nothing but the answer is written to stdout."""
    stdout, sys.stdout = sys.stdout, sys.stderr
    request = read_request(sys.stdin.buffer)
    sys.excepthook = partial(complain, frozenset(request["secrets"]))
    answer = answer_to(request)
    stdout.buffer.write(json.dumps(answer).encode("ascii") + b"\n")
    stdout.buffer.flush()
    return 0


def complain(secrets: frozenset[str], *error: Any) -> None:
    """Given an error that nobody caught, write its traceback to stderr, without the secrets."""
    sys.stderr.write(seal_text("".join(traceback.format_exception(*error)), secrets, TRACEBACK) + "\n")


def read_request(stream: BinaryIO) -> dict[str, Any]:
    """Return the request. A byte order mark before it is skipped: some versions of .NET begin a pipe with one."""
    request: dict[str, Any] = json.loads(stream.read().decode("utf-8-sig"))
    return request


def answer_to(request: Mapping[str, Any]) -> dict[str, Any]:
    """Given a request, run its area and return what a module would. Raise ImportError where there is no such area."""
    area = area_of(request["area"])
    params = with_paths(area.name, request["params"])
    exchange = Exchange(params, request["check_mode"], frozenset(request["secrets"]))
    exit_with(exchange, area.run, acts=area.acts, low_priority=area.low_priority)
    return exchange.answer


def with_paths(area: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Given an area's parameters, return them with ``~`` and variables of the host resolved in every path option."""
    resolved: dict[str, Any] = _resolve_options(area_of(area).spec, params)
    if area == "checkup":  # its option is a dict of other areas' parameters
        resolved["checks"] = {name: with_paths(name, options) for name, options in params["checks"].items()}
    return resolved


def _resolve_options(spec: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _resolve(spec.get(name, {}), value) for name, value in params.items()}


def _resolve(option: Mapping[str, Any], value: Any) -> Any:
    """Given an option of an argument_spec and its value, return the value with its paths resolved."""
    kind = option.get("type")
    if isinstance(value, list):
        return [_resolve({**option, "type": option.get("elements")}, each) for each in value]
    if kind == "path" and isinstance(value, str):
        return os.path.expanduser(os.path.expandvars(value))
    if isinstance(value, dict) and "options" in option:
        return _resolve_options(option["options"], value)
    return value
