# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What launchctl prints of a job, as a unit. Pure.

launchctl(1) says that ``print`` is no interface and may change with each release: what is not understood stays
empty, and ``launchctl list`` goes in its place where ``print`` does not answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Optional

from ...errors import ParseError
from ..parse import Unit

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


@dataclass(frozen=True)
class Job:
    """What ``launchctl print`` says of a job: its values, and the lines of its blocks."""

    target: str
    values: Mapping[str, str]
    blocks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

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
