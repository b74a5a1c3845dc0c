# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host whose launchd is a table: what is kept alive comes back when it is merely ended, and bootout takes it out."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ToolFailed
from ansible_collections.cryptobot.maintenance.plugins.module_utils.process import Completed

from .systemd_host import DRY_RUN, ORDERS

EPOCH = 1_800_000_000.0
FOLDER = "/Library/LaunchDaemons"


@dataclass
class Job:
    """One job: whether it is ``loaded`` and runs, and how it misbehaves."""

    loaded: bool = True
    running: bool = True
    disabled: bool = False
    plist: str = ""  # what launchd says instead of the usual one
    lingers: int = 0  # how many looks it is still there after its bootout
    late: int = 0  # how many times bootstrap fails right after it
    broken: bool = False  # bootstrap fails for good
    pid: int = 0


class LaunchdHost(FakeHost):
    """``log`` lists what was done: -label (bootout), ^label (bootstrap), +label (kickstart)."""

    def __init__(self, **jobs: Job) -> None:
        super().__init__("darwin", now=EPOCH)
        self.jobs = {f"com.cryptobot.{name}": job for name, job in jobs.items()}
        self.files = {f"{FOLDER}/{label}.plist": "<plist/>" for label in self.jobs}
        self.log: list[str] = []
        self.replies = {ORDERS: (200, "[]"), DRY_RUN: (200, '{"dry_run": true}')}
        self.pids = 500
        self.silent = False
        self.began: dict[int, float] = {}
        for job in self.jobs.values():
            if job.running and job.loaded:
                self._begin(job)

    def _begin(self, job: Job) -> None:
        self.pids += 1
        self.clock += 1.0
        job.pid, job.running, job.loaded = self.pids, True, True
        self.began[job.pid] = self.clock

    def run(self, argv: Any, *, timeout: float = 60.0, stdin: Any = None, env: Any = None, expect: Any = (0,)) -> Any:
        self.remaining()
        self.ran.append(" ".join(argv))
        rc, out, err = self._answer_to(list(argv))
        if expect is not None and rc not in expect:
            raise ToolFailed(argv, rc, err)
        return Completed(tuple(argv), rc, out, err)

    def _answer_to(self, argv: list[str]) -> tuple[int, str, str]:
        if argv[:2] == ["ps", "-axww"]:
            return 0, self._ps(), ""
        if argv[0] != "launchctl":
            return 0, "", ""
        if self.silent:
            return 125, "", "Domain does not support specified action"
        verb = getattr(self, "_" + argv[1].replace("-", "_"), None)
        return verb(*argv[2:]) if verb else (0, "", "")

    def _ps(self) -> str:
        rows = [(1, 0, EPOCH - 1e6, "/sbin/launchd")]
        rows += [
            (j.pid, 1, self.began[j.pid], f"/opt/{label}") for label, j in self.jobs.items() if j.running and j.pid
        ]
        return "".join(
            f"{pid:5} {parent:5} {pid:5}     0 Ss    1234   0:01.00 {_lstart(when)}     {command}\n"
            for pid, parent, when, command in rows
        )

    def _print(self, target: str) -> tuple[int, str, str]:
        label = target.rpartition("/")[2]
        job = self.jobs.get(label)
        if job is not None and not job.loaded and job.lingers > 0:
            job.lingers -= 1
        elif job is None or not job.loaded:
            return 113, "", f'Could not find service "{label}" in domain for system'
        lines = [
            f"{target} = {{",
            "\tactive count = 1",
            f"\tpath = {job.plist or f'{FOLDER}/{label}.plist'}",
            f"\tstate = {'running' if job.running else 'not running'}",
            f"\tprogram = /opt/{label}",
            "\truns = 1",
            *([f"\tpid = {job.pid}"] if job.running else []),
            "\tlast exit code = 0",
            "\tproperties = keepalive | runatload",
            "}",
        ]
        return 0, "\n".join(lines) + "\n", ""

    def _print_disabled(self, domain: str) -> tuple[int, str, str]:
        rows = [f'\t\t"{label}" => {"disabled" if job.disabled else "enabled"}' for label, job in self.jobs.items()]
        return 0, "\n".join(["disabled services = {", *rows, "}"]) + "\n", ""

    def _bootout(self, target: str) -> tuple[int, str, str]:
        label = target.rpartition("/")[2]
        job = self.jobs[label]
        if not job.loaded:
            return 3, "", "Boot-out failed: 3: No such process"
        self.log.append(f"-{label.rpartition('.')[2]}")
        job.loaded = job.running = False
        return (36, "", "Operation now in progress") if job.lingers else (0, "", "")

    def _bootstrap(self, domain: str, plist: str) -> tuple[int, str, str]:
        label = plist.rpartition("/")[2].removesuffix(".plist")
        job = self.jobs[label]
        if job.disabled:
            return 119, "", "Bootstrap failed: 119: Service is disabled"
        if job.late or job.broken:
            job.late = max(0, job.late - 1)
            return 5, "", "Bootstrap failed: 5: Input/output error"
        self.log.append(f"^{label.rpartition('.')[2]}")
        self._begin(job)
        return 0, "", ""

    def _kickstart(self, _option: str, target: str) -> tuple[int, str, str]:
        label = target.rpartition("/")[2]
        job = self.jobs[label]
        self.log.append(f"+{label.rpartition('.')[2]}")
        if not job.running:
            self._begin(job)
        return 0, f"{job.pid}\n", ""

    @property
    def running(self) -> set[str]:
        return {label.rpartition(".")[2] for label, job in self.jobs.items() if job.running}


def _lstart(when: float) -> str:
    return time.strftime("%a %b %e %H:%M:%S %Y", time.localtime(when))
