# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether this machine can run fleets: each condition is tried, and what fails is said in one line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable

from . import cgroup, overlay, paths, shell
from .errors import CannotRun, FleetError
from .lock import locked

# each tool with the Debian package that has it
TOOLS: dict[str, str] = {
    "debootstrap": "debootstrap",
    "ip": "iproute2",
    "mount": "mount",
    "nc": "netcat-openbsd",
    "nft": "nftables",
    "nsenter": "util-linux",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "systemd-nspawn": "systemd-container",
    "tar": "tar",
    "umount": "mount",
}


def require() -> None:
    """Raise CannotRun with the first reason why fleets cannot run here; return when they can."""
    for condition in CONDITIONS:
        condition()


def reason() -> str:
    """Return why fleets cannot run here, in one line; empty when they can."""
    try:
        require()
    except CannotRun as error:
        return str(error)

    return ""


def _linux() -> None:
    if not sys.platform.startswith("linux"):
        raise CannotRun(f"systemd hosts need Linux, this is {sys.platform}")


def _root() -> None:
    if os.geteuid() != 0:
        raise CannotRun(f"systemd hosts need root, this is user id {os.geteuid()}")


def _tools() -> None:
    missing = [tool for tool in TOOLS if not shutil.which(tool)]
    if missing:
        packages = " ".join(sorted({TOOLS[tool] for tool in missing}))
        raise CannotRun(f"missing {', '.join(missing)}: apt-get install {packages}")


def _netcat() -> None:
    """Only OpenBSD's netcat can hand an open connection to ssh (-F)."""
    said = subprocess.run(["nc", "-h"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if "OpenBSD" not in said.stdout + said.stderr:
        raise CannotRun("nc is not OpenBSD's, which alone can hand a connection to ssh: apt-get install netcat-openbsd")


def _overlay() -> None:
    trial = paths.cache() / "partial" / "check"
    try:
        with locked(paths.cache() / "locks" / "check.lock", quiet=True):
            overlay.remove(trial)  # a check that was killed may have left it
            (trial / "lower").mkdir(parents=True)
            overlay.mount([trial / "lower"], trial)
            overlay.remove(trial)
    except (FleetError, OSError) as error:
        raise CannotRun(f"no overlay mounts in {paths.cache()} ({paths.CACHE_VARIABLE}): {error}") from error


def _namespaces() -> None:
    try:
        shell.run(["unshare", "--net", "--mount", "--pid", "--uts", "--ipc", "--fork", "true"])
    except FleetError as error:
        raise CannotRun(f"no namespaces: {error}") from error


def _cgroups() -> None:
    try:
        with locked(paths.runtime_root() / ".locks" / "check.lock", quiet=True):
            shell.run(cgroup.entering(["true"], ".check"))
            cgroup.remove(".check")
    except (FleetError, OSError) as error:
        raise CannotRun(f"no writable cgroup: {error}") from error


CONDITIONS: tuple[Callable[[], None], ...] = (_linux, _root, _tools, _netcat, _overlay, _namespaces, _cgroups)
