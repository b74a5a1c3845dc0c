# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the five services are: names, start order, dependencies and what each answers over HTTP."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Service:
    """One service as the real application ships it; the paths say which of its pages answer 200.

    ``workers`` above 1 run as children of a parent that only looks after them.
    """

    name: str
    depends_on: tuple[str, ...]
    wants: tuple[str, ...]
    probe: str
    logger: str
    title: str
    workers: int = 1


# In start order; the stop order is the reverse.  The real services have no common health path,
# so each names its own probe.
SERVICES: dict[str, Service] = {
    service.name: service
    for service in (
        Service(
            "auth", (), ("postgresql.service", "redis.service"), "/health", "auth-service", "Authentication Service"
        ),
        Service("data", ("auth",), ("redis.service",), "/", "api", "Data Service"),
        Service("strategy", ("auth", "data"), (), "/health", "strategy-service", "Strategy Service", 2),
        Service("backtest", ("auth", "data", "strategy"), (), "/", "backtest", "Backtest Service"),
        Service("trade", ("auth", "strategy"), (), "/metrics", "trade-service", "Trade Service", 2),
    )
}


def ports_from(base: int) -> dict[str, int]:
    """Given the port of the first service, return one port per service, counted up in start order."""
    return {name: base + offset for offset, name in enumerate(SERVICES)}
