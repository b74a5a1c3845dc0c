# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where and how the trade service is asked, and what follows from its answers: the options as one frozen record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional
from urllib.parse import urlsplit

from ..errors import InputError
from ..units import parse_seconds

OF_THE_APPLICATION = "trade"  # its name where no other is declared; a host need not run it


@dataclass(frozen=True)
class Endpoint:
    """The trade service named ``service``, asked at the base ``url`` (empty: it is not known where).

    Over https its certificate must be signed by an authority of ``ca_path`` or of the system, unless ``tls_verify`` is
    false. Times are seconds. ``asks`` is how many times each question is put at least: every worker process has a
    memory of its own and any of them may answer. ``workers`` is how many there are by the word of the operator (None:
    what is seen decides).
    """

    service: str
    url: str
    orders_path: str
    orders_items: Optional[str]
    state_field: str
    states_in_flight: tuple[str, ...]
    states_final: tuple[str, ...]
    dry_run_path: str
    dry_run_field: str
    dry_run: Optional[bool]
    asks: int
    timeout: float
    when_orders: str
    when_unknown: str
    wait_timeout: float
    wait_delay: float
    tls_verify: bool
    ca_path: Optional[str]
    workers: Optional[int] = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def read_endpoint(raw: Mapping[str, Any], default_url: str, names: Optional[Sequence[str]] = None) -> Endpoint:
    """Given the option ``trading``, where the declared trade service listens, and the names of the declared services
    (None: they do not matter), return the endpoint.

    Raise InputError naming the option that is wrong.
    """
    if raw["asks"] < 1:
        raise InputError("trading.asks", raw["asks"], "at least 1")
    for option in ("timeout", "wait_delay"):
        if raw[option] <= 0:
            raise InputError(f"trading.{option}", raw[option], "seconds above 0")
    if raw.get("workers") is not None and raw["workers"] < 1:
        raise InputError("trading.workers", raw["workers"], "at least 1")
    url = raw.get("url") or default_url
    if url and not _is_url(url):
        raise InputError("trading.url", url, "http://ADDRESS:PORT or https://ADDRESS:PORT")
    if names is not None and not raw.get("url") and raw["service"] not in (*names, OF_THE_APPLICATION):
        raise InputError("trading.service", raw["service"], f"names of services: {', '.join(names)}", names)
    return Endpoint(
        **{name: raw[name] for name in _AS_GIVEN},
        url=url.rstrip("/"),
        orders_items=raw.get("orders_items"),
        ca_path=raw.get("ca_path"),
        states_in_flight=tuple(raw["states_in_flight"]),
        states_final=tuple(raw["states_final"]),
        dry_run=raw.get("dry_run"),
        workers=raw.get("workers"),
        wait_timeout=parse_seconds("trading.wait_timeout", raw["wait_timeout"]),
        headers={"Authorization": f"Bearer {raw['token']}"} if raw.get("token") else {},
    )


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none, half of an IPv6 address
        return False


_AS_GIVEN = (
    "service",
    "orders_path",
    "state_field",
    "dry_run_path",
    "dry_run_field",
    "asks",
    "timeout",
    "when_orders",
    "when_unknown",
    "wait_delay",
    "tls_verify",
)
