# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What launchctl prints of a job, and asking a macOS host: launchctl for each declared job, ps, lsof.

launchctl(1) says that ``print`` is no interface and may change with each release: what is not understood stays
empty, and ``launchctl list`` goes in its place where ``print`` does not answer.
"""

from __future__ import annotations

import plistlib
import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple, Optional
from xml.parsers.expat import ExpatError

from ..errors import CoreError, ParseError, SourceDenied, SourceMissing, ToolFailed
from ..finding import EMPTY
from ..host import Host
from ..processes.model import Census, with_units
from .declared import Service
from .model import Journal, Request, Snapshot, Unit, Units, by_name
from .posix import collect_processes, listening_sockets

NOT_FOUND = 113  # what launchctl ends with where a domain has no such job
BOOT_FOLDERS = ("/Library/LaunchDaemons/", "/System/Library/LaunchDaemons/", "/Library/Apple/System/Library/")
_RUNNING = {
    "running": ("active", "running"),
    "spawn scheduled": ("activating", "auto-restart"),
    "xpcproxy": ("activating", "start"),
    "spawning": ("activating", "start"),
}
_BLOCK = re.compile(r"(\s*)(.*?) = \{")
_VALUE = re.compile(r"\s*(.*?) (?:=|=>) ?(.*)")
_DISABLED = re.compile(r'\s*"(.*)" => (\w+)')
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


class Job(NamedTuple):
    """What ``launchctl print`` says of a job: its values, and the lines of its blocks."""

    target: str
    values: Mapping[str, str]
    blocks: Mapping[str, tuple[str, ...]] = EMPTY

    def number(self, name: str) -> int:
        """Return a value that begins with a number as such (``78: EX_CONFIG`` is 78); 0 where it has none."""
        found = re.match(r"-?\d+", self.values.get(name, ""))
        return int(found[0]) if found else 0

    @property
    def properties(self) -> tuple[str, ...]:
        """Return its properties, such as keepalive and runatload."""
        return tuple(word.strip() for word in self.values.get("properties", "").split("|") if word.strip())


def parse_print(text: str, target: str) -> Job:
    """Given the output of ``launchctl print TARGET`` and the target, return the job. Raise ParseError where it is none.

    Blocks are told by their indentation: what a program is started with may hold braces too.
    """
    lines = text.splitlines()
    first = _BLOCK.fullmatch(lines[0]) if lines else None
    if first is None:
        raise ParseError("launchctl print", 1, text, "expected TARGET = {")
    values: dict[str, str] = {}
    blocks: dict[str, list[str]] = {}
    inside: Optional[tuple[str, str]] = None  # indentation and name of the block that a line is in
    for line in lines[1:]:
        opened, value = _BLOCK.fullmatch(line), _VALUE.fullmatch(line)
        if inside is not None:
            if line == f"{inside[0]}}}":
                inside = None
            else:
                blocks[inside[1]].append(line.strip())
        elif opened:
            inside = (opened[1], opened[2])
            blocks.setdefault(opened[2], [])
        elif value:
            values.setdefault(value[1], value[2].strip())
    return Job(target, values, {name: tuple(found) for name, found in blocks.items()})


def unit_of_job(job: Job, label: str, begins: Mapping[int, float], *, disabled: Optional[bool]) -> Unit:
    """Given a job, its label, when processes began, and whether it is disabled (None: not known), return it as a unit.

    A job whose sockets launchd holds is started by the first connection.
    """
    pid, runs = job.number("pid"), job.number("runs")
    signal = re.search(r"(\d+)$", job.values.get("last terminating signal", ""))
    code = job.number("last exit code")
    active, sub = _state(job, failed=bool(signal or code))
    began = begins.get(pid, 0.0)
    timed = "run interval" in job.values
    return Unit(
        id=label,
        names=(label, job.target),
        active=active,
        sub=sub,
        result="success" if runs and not (signal or code) else "",
        file_state=with_override(_file_state(job), disabled),
        files=tuple(path for path in (job.values.get("path", ""),) if path.startswith("/")),
        type="oneshot" if timed else "keepalive" if "keepalive" in job.properties else "",
        restarts=0 if timed else max(0, runs - 1),
        main_pid=pid,
        triggered_by=("launchd",) if job.blocks.get("sockets") else (),
        exit_code=2 if signal else 1 if code else 0,
        exit_status=int(signal[1]) if signal else code,
        started=began or float(bool(runs)),
        active_since=began,
        changed=began,
        exec_start=" ".join(job.blocks.get("arguments", ())) or job.values.get("program", ""),
        environment="\n".join(re.sub(r" => ", "=", line, count=1) for line in job.blocks.get("environment", ())),
        manager="launchd",
        target=job.target,
    )


def _state(job: Job, *, failed: bool) -> tuple[str, str]:
    state = job.values.get("state", "")
    if state in _RUNNING:
        return _RUNNING[state]
    if job.number("pid"):
        return "active", state or "running"
    return ("failed", state) if failed else ("inactive", state or "not running")


def _file_state(job: Job) -> str:
    """Return whether the next boot starts a job: only those of the system whose plist lies where launchd looks."""
    if not {"keepalive", "runatload"} & set(job.properties):
        return "manual"
    if not job.target.startswith("system/"):
        return "login"
    return "enabled" if job.values.get("path", "").startswith(BOOT_FOLDERS) else "transient"


def with_override(state: str, disabled: Optional[bool]) -> str:
    """Given what a plist says of the next boot, and whether the job was disabled by hand, return what will be."""
    if disabled:
        return "disabled"
    return "unknown" if disabled is None and state == "enabled" else state


def unit_of_list(
    label: str, target: str, row: tuple[int, int], begins: Mapping[int, float], *, disabled: Optional[bool]
) -> Unit:
    """Given pid and status of a job in ``launchctl list`` (a negative status is a signal), return it as a unit."""
    pid, status = row
    active, sub = ("active", "running") if pid else ("failed" if status else "inactive", "not running")
    began = begins.get(pid, 0.0)
    return Unit(
        id=label,
        names=(label, target),
        active=active,
        sub=sub,
        file_state="disabled" if disabled else "unknown",
        main_pid=pid,
        exit_code=2 if status < 0 else 1 if status else 0,
        exit_status=abs(status),
        active_since=began,
        changed=began,
        manager="launchd",
        target=target,
    )


def parse_list(text: str) -> dict[str, tuple[int, int]]:
    """Given the output of ``launchctl list``, return pid (0: none) and status of each job by its label.

    Raise ParseError where it is no such table: launchd itself has jobs on every macOS.
    """
    if "\tLabel" not in text.partition("\n")[0]:
        raise ParseError("launchctl list", 1, text, "expected a table of PID, Status and Label")
    rows = (line.split("\t") for line in text.splitlines())
    return {row[2]: (_number(row[0]), _number(row[1])) for row in rows if len(row) == 3 and row[2] != "Label"}


def _number(text: str) -> int:
    return int(text) if re.fullmatch(r"-?\d+", text) else 0


def parse_disabled(text: str) -> dict[str, bool]:
    """Given the output of ``launchctl print-disabled DOMAIN``, return by label whether a job is disabled.

    macOS 12 and older say true and false, later ones disabled and enabled. Raise ParseError where it is no such list:
    nothing printed is no list without a job in it.
    """
    if "disabled services = {" not in text:
        raise ParseError("launchctl print-disabled", 1, text, "expected disabled services = {")
    rows = (_DISABLED.fullmatch(line) for line in text.splitlines())
    return {row[1]: row[2] in ("disabled", "true") for row in rows if row}


def collect_macos(host: Host, request: Request) -> Snapshot:
    """Return what there is on a macOS host."""
    census = collect_processes(host)
    launchd = Launchd(host, {pid: process.began for pid, process in census.processes.items()})
    units = launchd.units(request)
    sockets, unavailable = listening_sockets(host, request)
    return Snapshot(
        platform="darwin",
        now=host.now(),
        uptime=census.uptime,
        boot_id=census.boot_id,
        units=units,
        processes=with_units(census.processes, _labels(census, units)),
        details=census.details,
        hidden=census.hidden,
        journal=Journal.unavailable(NO_LOG),
        sockets=sockets,
        sockets_unavailable=unavailable,
        lacks=LACKS,
    )


def _labels(census: Census, units: Units) -> dict[int, str]:
    """Return the jobs by pid: those of launchctl list, and those of a user's domain, which only print shows."""
    listed = {pid: process.unit for pid, process in census.processes.items() if process.unit}
    return {**listed, **{unit.main_pid: unit.id for unit in units.by_name.values() if unit.main_pid}}


class Launchd:
    """One look at launchd; what was asked once is not asked again."""

    def __init__(self, host: Host, begins: Mapping[int, float]) -> None:
        self.host, self.begins = host, begins
        self._disabled: dict[str, Optional[dict[str, bool]]] = {}
        self._list: Optional[dict[str, tuple[int, int]]] = None

    def units(self, request: Request) -> Units:
        """Return the declared jobs, and those that fit a pattern, as units."""
        found, unavailable = {}, {}
        for service in request.services:
            try:
                unit = self.unit(service) if service.unit else None
            except CoreError as error:
                unavailable[service.unit] = f"launchd cannot be asked about {service.unit}: {error}"
                continue
            found.update({service.unit: unit, **by_name([unit])} if unit else {})
        matched, unmatched = self._matched(request)
        return Units(found, matched, unavailable_units=unavailable, unmatched=unmatched)

    def _matched(self, request: Request) -> tuple[dict[str, tuple[str, ...]], str]:
        """Return the labels that fit each pattern, or why there are none to compare with."""
        if not request.patterns:
            return {}, ""
        try:
            labels = sorted(self.listed())
        except CoreError as error:
            return {}, f"launchd cannot be asked: {error}"
        return {p: tuple(label for label in labels if fnmatchcase(label, p)) for p in request.patterns}, ""

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
            content = plistlib.loads(self.host.read_bytes(path))
            starts = bool(content.get("RunAtLoad") or content.get("KeepAlive"))
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
