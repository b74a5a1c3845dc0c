# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who depends on whom: what the inventory says united with what the system knows, without circles. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..services.declared import Service
from ..services.order import needs, start_order


def in_order(services: Sequence[Service]) -> list[Service]:
    """Given services that depend on one another without a circle, return them in start order."""
    order = start_order({service.name: service.depends_on for service in services})
    return sorted(services, key=lambda service: order.index(service.name))


def united(services: Sequence[Service], along: Mapping[str, Sequence[str]]) -> list[Service]:
    """Given services, and by name what is stopped along with each, return them with that as dependencies.

    What the inventory declares goes before: a tie that would close a circle orders nothing. It still counts for who is
    stopped with whom.
    """
    graph = {service.name: tuple(service.depends_on) for service in services}
    for leader, followers in along.items():
        for name in followers:
            if name != leader and leader not in graph[name] and name not in needs(graph, leader):
                graph[name] = (*graph[name], leader)
    return [service._replace(depends_on=graph[service.name]) for service in services]
