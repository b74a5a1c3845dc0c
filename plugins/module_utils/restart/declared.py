# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked for: the options of service_restart as a checked record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..errors import InputError
from ..services.declared import Service
from ..units import parse_bytes, parse_seconds


class Options(NamedTuple):
    """What is asked for. Times are seconds, sizes bytes; 0 of ``max_uptime`` or ``memory_growth`` switches it off."""

    when: str
    only: tuple[str, ...]
    excepted: tuple[str, ...]
    max_uptime: float
    memory_growth: int
    gate_timeout: float
    gate_delay: float
    gate_settle: float
    start_retries: int
    stop_timeout: float
    rollback_timeout: float


def read_options(params: Mapping[str, Any], names: tuple[str, ...]) -> Options:
    """Given the options of the module and the declared names, return them checked. Raise InputError."""
    for option in ("only", "except"):
        unknown = [name for name in params[option] if name not in names]
        if unknown:
            raise InputError(option, unknown, f"names of services: {', '.join(names)}", names)
    given = ("gate_timeout", "gate_delay", "gate_settle", "start_retries", "stop_timeout", "rollback_timeout")
    for option in given:
        if params[option] < 0:
            raise InputError(option, params[option], "0 or more")
    return Options(
        when=params["when"],
        only=tuple(params["only"]),
        excepted=tuple(params["except"]),
        max_uptime=parse_seconds("max_uptime", params["max_uptime"]),
        memory_growth=parse_bytes("memory_growth", params["memory_growth"]),
        **{option: params[option] for option in given},
    )


def default_url(services: Sequence[Service], name: str) -> str:
    """Given the declared services and the name of the trade service, return where that is asked; empty: not known."""
    for service in services:
        if service.name == name and service.probe:
            scheme, rest = service.probe.url.split("://", 1)
            return f"{scheme}://{rest.split('/', 1)[0]}"
        if service.name == name and service.ports:
            return f"http://127.0.0.1:{service.ports[0].port}"
    return ""
