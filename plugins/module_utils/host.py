# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Host: the only door between the core and the machine it looks at.

Parsers and judges never see a Host. A unit test puts a scripted one in its place, so what collects can be tried on the
recorded output of systems that are not at hand. What talks to networks is imported where it is used: few areas need it,
and a Windows host has no compiled copy of the core, so that each file of it costs each run.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Optional

from .errors import CoreError, SourceDenied, SourceMissing, ToolFailed, ToolTimeout
from .process import Completed, run_process
from .reading import read_declared_file, read_file, reading

if TYPE_CHECKING:
    from .web import Headers, HttpReply, Tls
if sys.platform != "win32":
    import pwd

MAX_READ = (4 << 20) - 4096  # Linux answers ENOMEM to a read of /proc/sys that asks for 4 MiB or more


class Host:
    """A host as the core sees it: ``platform`` is ``linux``, ``darwin`` or ``windows``.

    ``budget`` bounds the whole run in seconds: every command and request gets at most what is left of it.
    """

    platform = ""

    def __init__(self, budget: float = 3600.0) -> None:
        self.budget = budget
        self._deadline = time.monotonic() + budget

    def remaining(self) -> float:
        """Return the seconds left of the budget. Raise ToolTimeout when it is used up."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise ToolTimeout("the run", self.budget)
        return left

    def extend(self, seconds: float) -> None:
        """Let the run take at least this much longer: what was taken apart is put together again, whatever happens."""
        self._deadline = max(self._deadline, time.monotonic() + seconds)

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float = 60.0,
        stdin: Optional[str] = None,
        env: Optional[Mapping[str, str]] = None,
        expect: Optional[Collection[int]] = (0,),
    ) -> Completed:
        """Given a command as a list of words, run it and return it as Completed.

        Raise ToolMissing, SourceDenied, ToolTimeout, or ToolFailed where the exit code is none of ``expect``
        (None expects any).
        """
        done = run_process(argv, timeout=min(timeout, self.remaining()), stdin=stdin, env=env)
        if expect is not None and done.rc not in expect:
            raise ToolFailed(done.argv, done.rc, done.stderr or done.stdout)
        return done

    def which(self, tool: str) -> Optional[str]:
        """Return the path of an executable, or None. Looks where root's tools live even if PATH does not say so."""
        path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"])
        return shutil.which(tool, path=path)

    def read(self, path: str, limit: int = MAX_READ) -> str:
        """Return up to ``limit`` bytes of a file as text. Raise SourceMissing or SourceDenied."""
        return self.read_bytes(path, limit).decode(errors="replace")

    def read_bytes(self, path: str, limit: int = MAX_READ) -> bytes:
        """Return up to ``limit`` bytes of a file. Raise SourceMissing, or SourceDenied, also for what is no file."""
        return read_file(path, limit)

    def read_declared(self, path: str, limit: int = MAX_READ) -> bytes:
        """Return the same of a file that others may have made: not each of their links is followed."""
        return read_declared_file(path, limit)

    def entries(self, path: str) -> list[str]:
        """Return the names in a folder. Raise SourceMissing or SourceDenied."""
        with reading(path):
            return os.listdir(path)

    def link(self, path: str) -> str:
        """Return what a symlink says, whether or not its target exists. Raise SourceMissing or SourceDenied."""
        with reading(path):
            return os.readlink(path)

    def account(self, uid: int) -> str:
        """Return the name of an account, or its number where it has none or the system has no such numbers."""
        return str(uid)

    def ask_kernel(self, family: int, request: bytes) -> bytes:
        """Given a netlink family and a request, return the kernel's messages. Raise SourceMissing or SourceDenied."""
        raise SourceMissing(f"netlink on {self.platform}")

    def modified(self, path: str) -> float:
        """Return when a file was last changed, in seconds since the epoch. Raise SourceMissing or SourceDenied."""
        with reading(path):
            return os.stat(path).st_mtime

    def http(self, url: str, timeout: float = 5.0, *, headers: Headers = None, tls: Tls = None) -> HttpReply:
        """Return the answer to a GET, whatever its status code. Raise SourceMissing or ToolTimeout."""
        from .web import http_get

        return http_get(url, min(timeout, self.remaining()), headers=headers, tls=tls)

    def certificate_end(self, address: str, port: int, timeout: float = 5.0) -> float:
        """Return when the certificate of a TLS server ends (epoch). Raise SourceDenied where it shows none."""
        from .tls import certificate_end

        with reading(f"the certificate of {address} port {port}"):
            return certificate_end(address, port, min(timeout, self.remaining()))

    def now(self) -> float:
        """Return the time as seconds since the epoch."""
        return time.time()

    def pause(self, seconds: float) -> None:
        """Wait. Raise ToolTimeout where the budget would not last that long."""
        if seconds > self.remaining():
            raise ToolTimeout("the run", self.budget)
        time.sleep(seconds)

    def name(self) -> str:
        """Return the host's own name."""
        import platform

        return platform.node()

    def is_admin(self) -> bool:
        """Return whether this account may see everything on the host."""
        raise CoreError(f"{type(self).__name__} cannot tell whether it is privileged")

    def boot_id(self) -> str:
        """Return a text that changes with each boot; empty where the system offers none."""
        return ""

    def process_began(self, pid: int) -> str:
        """Return a text that tells this process from a later one of the same pid; empty where none has that pid."""
        raise CoreError(f"{type(self).__name__} cannot tell when a process began")

    def since_boot(self, *, asleep: bool = True) -> float:
        """Return the seconds on the clock in which processes begin; without ``asleep`` on that of systemd's units."""
        raise CoreError(f"{type(self).__name__} has no clock of its own for processes")

    def lower_priority(self) -> None:
        """Give way to the services: maintenance runs at low CPU priority. An account that may not is not an error."""


class PosixHost(Host):
    """What Linux and macOS have in common."""

    def is_admin(self) -> bool:
        return os.geteuid() == 0

    def account(self, uid: int) -> str:
        try:
            return pwd.getpwuid(uid).pw_name
        except KeyError:
            return str(uid)

    def lower_priority(self) -> None:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, max(10, os.getpriority(os.PRIO_PROCESS, 0)))


class LinuxHost(PosixHost):
    """Linux: the boot id comes from the kernel."""

    platform = "linux"

    def boot_id(self) -> str:
        return self.read("/proc/sys/kernel/random/boot_id", 64).strip()  # /proc/sys refuses reads of 4 MiB and more

    def process_began(self, pid: int) -> str:
        try:
            fields = self.read(f"/proc/{pid}/stat").rsplit(")", 1)[1].split()
        except (SourceMissing, SourceDenied):  # ESRCH while reading: it ended between open and read
            return ""
        # proc(5): state is field 3, starttime field 22; a zombie (Z) has ended and only waits for its parent
        return "" if fields[0] == "Z" else fields[19]

    def since_boot(self, *, asleep: bool = True) -> float:
        if sys.platform != "linux":  # the type checker knows the clocks of each system
            return super().since_boot(asleep=asleep)
        return time.clock_gettime(time.CLOCK_BOOTTIME if asleep else time.CLOCK_MONOTONIC)

    def ask_kernel(self, family: int, request: bytes) -> bytes:
        from . import netlink

        with reading(f"netlink family {family}"):
            return netlink.dump(family, request, timeout=min(5.0, self.remaining()))


class MacHost(PosixHost):
    """macOS: the boot session has an id of its own."""

    platform = "darwin"

    def boot_id(self) -> str:
        return self.run(["sysctl", "-n", "kern.bootsessionuuid"]).stdout.strip()

    def process_began(self, pid: int) -> str:
        # ps ends with 1 where there is no such process, and where it may not look: then it says so
        done = self.run(["ps", "-o", "lstart=", "-p", str(pid)], expect=(0, 1))
        if done.rc and done.stderr.strip():
            raise ToolFailed(done.argv, done.rc, done.stderr)
        return done.stdout.strip()


class WindowsHost(Host):
    """Windows, by the Python that runs Cryptobot there."""

    platform = "windows"

    def is_admin(self) -> bool:
        # "net session" succeeds for administrators only, on every Windows version and in every language.
        return self.run(["net", "session"], expect=None).rc == 0

    def process_began(self, pid: int) -> str:
        # Win32_Process tells every account; Get-Process tells of others' processes nothing, as if they were gone.
        shown = "if ($_.CreationDate) { $_.CreationDate.ToFileTimeUtc() } else { throw 'its begin is not told' }"
        query = f"$ErrorActionPreference = 'Stop'; Get-CimInstance Win32_Process -Filter 'ProcessId={pid:d}' "
        argv = ["powershell.exe", "-NoProfile", "-NonInteractive", "-Command", f"{query}| ForEach-Object {{ {shown} }}"]
        return self.run(argv).stdout.strip()


HOSTS: dict[str, type[Host]] = {"linux": LinuxHost, "darwin": MacHost, "win32": WindowsHost}


def choose_host(budget: float = 3600.0) -> Host:
    """Return the Host of the system that this process runs on. Raise CoreError where there is none for it."""
    kind = HOSTS.get(sys.platform)
    if kind is None:
        raise CoreError(f"the platform is {sys.platform!r}, expected one of {sorted(HOSTS)}")
    return kind(budget)
