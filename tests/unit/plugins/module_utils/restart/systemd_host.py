# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host whose systemd is a table: a stopped unit takes along what requires it, and units break as they are told."""

from __future__ import annotations

from dataclasses import dataclass

from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ToolFailed
from ansible_collections.cryptobot.maintenance.plugins.module_utils.process import Completed

PULLS = {
    "RequiredBy": "Requires",
    "BoundBy": "BindsTo",
    "WantedBy": "Wants",
    "UpheldBy": "Upholds",
    "RequisiteOf": "Requisite",
}
TIES = ("RequiredBy", "RequisiteOf", "BoundBy", "ConsistsOf", "PropagatesStopTo")
ORDERS = "http://127.0.0.1:8004/api/trades/orders?status=open"
DRY_RUN = "http://127.0.0.1:8004/api/v1/settings/dry_run"


@dataclass
class Unit:
    """One unit: what it ``requires`` and as which property those show it, since when it is active (None: it is not),
    and how it misbehaves.
    """

    requires: tuple[str, ...] = ()
    tie: str = "RequiredBy"
    since: float | None = 10.0
    need_reload: bool = False
    broken: int = 0  # how many starts fail
    stuck: bool = False  # it cannot be stopped
    slow: int = 0  # for how many looks it is still ending after a stop that was not waited for
    file_state: str = "enabled"
    invocation: int = 1


class SystemdHost(FakeHost):
    """``log`` lists what was done to systemd: -unit, +unit, *reload."""

    def __init__(self, **units: Unit) -> None:
        super().__init__(files={"/proc/net/tcp": "header\n"})
        self.units = {f"{name}.service": unit for name, unit in units.items()}
        self.log: list[str] = []
        self.up = 1_000_000.0
        self.replies = {ORDERS: (200, "[]"), DRY_RUN: (200, '{"dry_run": true}')}

    def run(self, argv, *, timeout=60.0, stdin=None, env=None, expect=(0,)):
        self.remaining()
        words = [
            word for word in argv if word not in ("--no-ask-password", "--no-block", "--job-mode=ignore-dependencies")
        ]
        names = words[words.index("--") + 1 :] if "--" in words else []
        out = (
            getattr(self, "_" + words[1].replace("-", "_"), lambda *_names: "")(*names)
            if words[0] == "systemctl"
            else ""
        )
        return Completed(tuple(argv), 0, out or "", "")

    def _show(self, *names):
        return "\n\n".join(self._block(name) for name in names if name != "*.service") + "\n"

    def _list_units(self, *_names):
        return "\n".join(
            f"{name} loaded active running x" for name, unit in self.units.items() if unit.since is not None
        )

    def _followers(self, name, tie):
        return " ".join(other for other, its in self.units.items() if name in its.requires and its.tie == tie)

    def _block(self, name):
        unit = self.units.get(name)
        state = "inactive" if unit is None or unit.since is None else "active"
        if unit is not None and unit.slow:
            unit.slow -= 1
            state = "deactivating"
        rows = {
            "Id": name,
            "Names": name,
            "Type": "simple",
            "LoadState": "not-found" if unit is None else "loaded",
            "ActiveState": state,
            "SubState": "running" if state == "active" else "dead",
            "Result": "success",
            "UnitFileState": unit.file_state if unit else "",
            "InvocationID": f"{name}-{unit.invocation}" if unit and unit.invocation else "",
            "TimeoutStopUSec": "1min 30s",
            "TimeoutStartUSec": "1min 30s",
            "Job": "7" if state == "deactivating" else "",
            "NeedDaemonReload": "yes" if unit and unit.need_reload else "no",
            "ActiveEnterTimestampMonotonic": int(1e6 * (unit.since or 0)) if unit else 0,
            **{tie: self._followers(name, tie) for tie in TIES},
            **{PULLS[tie]: " ".join(unit.requires) for tie in [unit.tie if unit else ""] if tie in PULLS},
        }
        return "\n".join(f"{key}={value}" for key, value in rows.items())

    def _stop(self, name):
        if self.units[name].stuck:
            raise ToolFailed(["systemctl", "stop", name], 1, f"Job for {name} canceled.")
        self.log.append(f"-{name.removesuffix('.service')}")
        self._fall(name)

    def _fall(self, name):
        self.units[name].since = None
        for other, unit in self.units.items():
            if name in unit.requires and unit.since is not None:
                self._fall(other)

    def _start(self, name):
        unit = self.units[name]
        self.log.append(f"+{name.removesuffix('.service')}")
        if unit.broken:
            unit.broken -= 1
            raise ToolFailed(["systemctl", "start", name], 1, f"Job for {name} failed.")
        self.up += 1.0
        unit.since = self.up

    def _daemon_reload(self):
        self.log.append("*reload")
        for unit in self.units.values():
            unit.need_reload = False

    @property
    def running(self):
        return {name.removesuffix(".service") for name, unit in self.units.items() if unit.since is not None}


class ProcessHost(SystemdHost):
    """A host with one unit, ``alone``, whose process is 41 and began ``began`` seconds after the boot."""

    def __init__(self, kib: int = 1 << 10) -> None:
        super().__init__(alone=Unit())
        self.began = 10.0
        self.write(kib)

    def write(self, kib: int) -> None:
        """Let the process be as old as ``began`` says, and use so much memory."""
        stat = f"41 (x) S 1 41 41 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 {int(self.began * 100)} 0 0 0"
        status = f"Uid:\t0\t0\t0\t0\nVmRSS:\t{kib} kB\n"
        limits = "Limit Soft Hard Units\nMax open files 1024 1024 files\n"
        content = {"stat": stat, "cmdline": b"x\0", "cgroup": "0::/system.slice/alone.service\n", "status": status}
        content = {**content, "limits": limits, "fd/0": "", "maps": ""}
        self.files.update({f"/proc/41/{name}": text for name, text in content.items()})
        self.links["/proc/41/exe"] = "/usr/bin/x"

    def _block(self, name):
        runs = name in self.units and self.units[name].since is not None
        return f"{super()._block(name)}\nMainPID={41 if runs else 0}"
