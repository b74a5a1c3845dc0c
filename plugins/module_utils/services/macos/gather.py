# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asking a macOS host about its services: launchctl for each declared job, ps, lsof."""

from __future__ import annotations

import plistlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Optional
from xml.parsers.expat import ExpatError

from ...errors import CoreError, ParseError, SourceDenied, SourceMissing, ToolFailed
from ...host import Host
from ...processes.model import Census, with_units
from ..declared import Service
from ..machine import Machine, Units, Wish, count_processes, read_sockets
from ..parse import Journal, Unit, by_name
from .parse import NOT_FOUND, parse_disabled, parse_list, parse_print, unit_of_job, unit_of_list, with_override

LIST = ("launchctl", "list")
PRINT_DISABLED = ("launchctl", "print-disabled")  # and the domain
SYSTEM = "system"
# What the rules of systemd have no equivalent of here.
LACKS = {
    "daemon_reload": "launchd does not say whether a plist has changed since it read it; services.restart_pending "
    "compares its time with the begin of the process",
    "open_files": "macOS does not show the limit of open files of another process",
}
NO_LOG = "launchd keeps no log of them, and its counter begins anew whenever the job is loaded"


def read_macos(host: Host, wish: Wish) -> Machine:
    """Return what there is on a macOS host."""
    census = count_processes(host)
    look = Look(host, {pid: process.began for pid, process in census.processes.items()})
    units = look.units(wish)
    sockets, problem = read_sockets(host, wish)
    return Machine(
        now=host.now(),
        uptime=census.uptime,
        boot_id=census.boot_id,
        units=units,
        processes=with_units(census.processes, _labels(census, units)),
        details=census.details,
        hidden=census.hidden,
        journal=Journal.unavailable(NO_LOG),
        sockets=sockets,
        sockets_problem=problem,
        lacks=LACKS,
    )


def _labels(census: Census, units: Units) -> dict[int, str]:
    """Return the jobs by pid: those of launchctl list, and those of a user's domain, which only print shows."""
    listed = {pid: process.unit for pid, process in census.processes.items() if process.unit}
    return {**listed, **{unit.main_pid: unit.id for unit in units.by_name.values() if unit.main_pid}}


@dataclass
class Look:
    """One look at launchd; what was asked once is not asked again."""

    host: Host
    begins: Mapping[int, float]
    _disabled: dict[str, Optional[dict[str, bool]]] = field(default_factory=dict)
    _list: Optional[dict[str, tuple[int, int]]] = None

    def units(self, wish: Wish) -> Units:
        """Return the declared jobs, and those that fit a pattern, as units."""
        found, problems = {}, {}
        for service in wish.services:
            try:
                unit = self.unit(service) if service.unit else None
            except CoreError as error:
                problems[service.unit] = f"launchd cannot be asked about {service.unit}: {error}"
                continue
            found.update({service.unit: unit, **by_name([unit])} if unit else {})
        matched, unmatched = self._matched(wish)
        return Units(found, matched, problems=problems, unmatched=unmatched)

    def _matched(self, wish: Wish) -> tuple[dict[str, tuple[str, ...]], str]:
        """Return the labels that fit each pattern, or why there are none to compare with."""
        if not wish.patterns:
            return {}, ""
        try:
            labels = sorted(self.listed())
        except CoreError as error:
            return {}, f"launchd cannot be asked: {error}"
        return {p: tuple(label for label in labels if fnmatchcase(label, p)) for p in wish.patterns}, ""

    def unit(self, service: Service) -> Optional[Unit]:
        """Return a declared job as a unit; None where neither launchd nor a folder of plists knows it.

        Raise CoreError where launchd does not answer.
        """
        domains, label = self.domains(service)
        for domain in domains:
            unit = self._printed(domain, label)
            if unit is not None:
                return unit
        return next(self._on_disk(domains, label, service), None)

    def domains(self, service: Service) -> tuple[list[str], str]:
        """Return where to look for a job, and its label. Jobs without a domain are those of the system, then of the
        account that the inventory names, or of this one.
        """
        domain, _slash, label = service.unit.rpartition("/")
        if domain:
            return [domain], label
        if not service.user and self.host.is_admin():
            return [SYSTEM], label
        uid = self.host.run(["id", "-u", *([service.user] if service.user else [])]).stdout.strip()
        if not uid.isdigit():
            raise ParseError("id -u", 1, uid, "expected the number of an account")
        return [SYSTEM, f"gui/{uid}", f"user/{uid}"], label

    def _printed(self, domain: str, label: str) -> Optional[Unit]:
        target = f"{domain}/{label}"
        done = self.host.run(["launchctl", "print", target], expect=None)
        disabled = self.disabled(domain, label)
        # Where nobody is logged in, the domain of a user's session is not there either.
        if done.rc == NOT_FOUND or "could not find" in done.stderr.casefold():
            return None
        if done.rc == 0:
            try:
                return unit_of_job(parse_print(done.stdout, target), label, self.begins, disabled=disabled)
            except CoreError:
                pass  # launchctl list says less, but always the same
        row = self.listed().get(label)
        if row is None:
            raise ToolFailed(done.argv, done.rc, done.stderr or done.stdout)
        return unit_of_list(label, target, row, self.begins, disabled=disabled)

    def listed(self) -> dict[str, tuple[int, int]]:
        """Return pid and status of all jobs by label. Raise CoreError."""
        if self._list is None:
            self._list = parse_list(self.host.run(LIST).stdout)
        return self._list

    def disabled(self, domain: str, label: str) -> Optional[bool]:
        """Return whether a job was disabled by hand; None where launchd does not say."""
        if domain not in self._disabled:
            try:
                self._disabled[domain] = parse_disabled(self.host.run([*PRINT_DISABLED, domain]).stdout)
            except CoreError:
                self._disabled[domain] = None
        overrides = self._disabled[domain]
        return None if overrides is None else overrides.get(label, False)

    def _of_plist(self, path: str, domain: str) -> str:
        """Return whether a plist starts its job at the next boot: only where it says so."""
        try:
            told = plistlib.loads(self.host.read_bytes(path))
            starts = bool(told.get("RunAtLoad") or told.get("KeepAlive"))
        except (CoreError, ValueError, AttributeError, ExpatError):  # plistlib: InvalidFileException is a ValueError
            return "unknown"
        return ("enabled" if domain == SYSTEM else "login") if starts else "manual"

    def _on_disk(self, domains: list[str], label: str, service: Service) -> Iterator[Unit]:
        """Yield the job as a unit that is not loaded, if there is a plist for it."""
        for domain, path in _plists(domains, label, service.user):
            try:
                self.host.modified(path)
            except (SourceMissing, SourceDenied):
                continue
            disabled = self.disabled(domain, label)
            yield Unit(
                id=label,
                names=(label, f"{domain}/{label}"),
                load="masked" if disabled else "loaded",
                sub="not-loaded",
                file_state=with_override(self._of_plist(path, domain), disabled),
                files=(path,),
                manager="launchd",
                target=f"{domain}/{label}",
            )


def _plists(domains: list[str], label: str, user: str) -> Iterator[tuple[str, str]]:
    for domain in domains:
        if domain == SYSTEM:
            yield domain, f"/Library/LaunchDaemons/{label}.plist"
        else:
            yield domain, f"/Library/LaunchAgents/{label}.plist"
            if user:
                yield domain, f"/Users/{user}/Library/LaunchAgents/{label}.plist"
