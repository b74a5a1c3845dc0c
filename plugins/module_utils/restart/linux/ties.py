# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who depends on whom on a Linux host: what the inventory says, united with what systemd knows of all units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...errors import CoreError
from ...host import Host
from ...services.declared import Service
from ..model import Prepared
from ..order import united
from .graph import Node, reach, stopped_with

STARTABLE = (".service", ".socket")  # what else is stopped along is put back at the end


def prepare_linux(host: Host, services: Sequence[Service]) -> Prepared:
    """Given declared services, return them with the units that systemd stops together with them, declared or not.

    A unit that requires another is stopped with it and not started again: whoever stops must know it.
    """
    units = [service.unit for service in services if service.manager == "systemd"]
    try:
        nodes = reach(host, units)
    except CoreError as error:  # then its units cannot be looked at either, so nothing is stopped
        why = f"what systemd would stop along is not known: {error}"
        return Prepared(list(services), lambda seen, ways: {s.name: why for s in seen if s.service.unit})
    names = {node.id: service.name for service in services for node in _node(nodes, service)}
    more = {node.id for node in nodes.values() if node.active and node.id.endswith(STARTABLE)} - set(names)
    known = [*services, *(Service(unit, unit=unit) for unit in sorted(more))]
    names.update({unit: unit for unit in more})
    along = {name: _followers(nodes, names, unit) for unit, name in names.items()}
    return Prepared(united(known, along), lambda seen, ways: {}, along)


def _node(nodes: Mapping[str, Node], service: Service) -> Sequence[Node]:
    node = nodes.get(service.unit) if service.manager == "systemd" else None
    return [node] if node is not None else []


def _followers(nodes: Mapping[str, Node], names: Mapping[str, str], unit: str) -> tuple[str, ...]:
    along = {names[other] for other in stopped_with(nodes, unit) if other in names}
    return tuple(sorted(along - {names[unit]}))
