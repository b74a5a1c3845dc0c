# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asking a Linux host about its services: systemd and its journal, /proc, the sockets."""

from __future__ import annotations

from dataclasses import replace

from ...clock import SLACK, Clock
from ...host import Host
from ...processes.model import Census
from ..machine import NOT_ASKED, Machine, Units, Wish, count_processes, read_sockets
from ..parse import Journal, Unit
from ..systemd import gather_units
from .journal import Boot, gather_journal


def read_linux(host: Host, wish: Wish) -> Machine:
    """Return what there is on a Linux host."""
    units = gather_units(host, {service.unit for service in wish.services if service.unit}, wish.patterns)
    now, census = host.now(), count_processes(host)
    units = _on_clock(units, census.uptime - host.since_boot(asleep=False))
    sockets, problem = read_sockets(host, wish)
    journal = _journal(host, units, census, now - wish.window) if wish.window else Journal.unavailable(NOT_ASKED)
    return Machine(
        now=now,
        uptime=census.uptime,
        boot_id=census.boot_id,
        units=units,
        processes=census.processes,
        details=census.details,
        hidden=census.hidden,
        journal=journal,
        sockets=sockets,
        sockets_problem=problem,
    )


def _on_clock(units: Units, slept: float) -> Units:
    """Return the units timed by the clock of processes, which goes on while the machine is suspended."""
    if slept < SLACK:
        return units
    return replace(units, by_name={name: _later(unit, slept) for name, unit in units.by_name.items()})


def _later(unit: Unit, slept: float) -> Unit:
    times = {name: getattr(unit, name) for name in ("started", "active_since", "changed")}
    return replace(unit, **{name: when + slept if when else when for name, when in times.items()})


def _journal(host: Host, units: Units, census: Census, start: float) -> Journal:
    found = {unit.id for unit in units.by_name.values() if unit.found}
    if units.problem or not found:
        return Journal.unavailable(units.problem or NOT_ASKED)
    clock, init = Clock(host.now(), census.uptime), census.processes.get(1)
    began = (clock.moment(init.began) if init else None) or clock.booted
    return gather_journal(host, found, start, Boot(census.boot_id.replace("-", ""), began))
