# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The restored cluster in the place of the live one: stop, rename, start; and all back where it does not come up."""

from __future__ import annotations

import os
import time

from ..errors import ActionFailed, CoreError
from ..host import Host
from ..pitr.commands import program, run_as
from .copy import NOT_RUNNING, Copy

ASIDE = "%Y%m%dT%H%M%SZ"


class Live:
    """The live cluster: how it is stopped and started."""

    def __init__(self, copy: Copy, folder: str) -> None:
        self.copy, self.folder = copy, folder
        self.host: Host = copy.host
        self.service = copy.request.cluster.service

    def running(self) -> bool:
        """Return whether a server runs on the folder. Raise CoreError."""
        argv = [self._ctl(), "-D", self.folder, "status"]
        return run_as(self.host, self.copy.cluster, argv, expect=(0, NOT_RUNNING, 4)).rc == 0

    def stop(self) -> None:
        """Stop it, and prove that it is down. Raise CoreError."""
        if self.service:
            self.host.run(["systemctl", "stop", self.service], timeout=180)
        elif self.running():
            argv = [self._ctl(), "-D", self.folder, "-m", "fast", "-w", "-t", "120", "stop"]
            run_as(self.host, self.copy.cluster, argv, timeout=130)
        if self.running():
            raise ActionFailed(f"the live cluster on {self.folder} did not stop: something else runs it")

    def start(self) -> None:
        """Start it, and wait until it takes writes. Raise CoreError."""
        if self.service:
            self.host.run(["systemctl", "start", self.service], timeout=180)
        else:
            log = os.path.join(self.copy.request.run, "live.log")
            argv = [self._ctl(), "-D", self.folder, "-l", log, "-w", "-t", "120", "start"]
            run_as(self.host, self.copy.cluster, argv, timeout=130)
        control = [program(self.copy.cluster, "pg_controldata", self.copy.major), self.folder]
        for _attempt in range(120):
            if self.running() and "in production" in run_as(self.host, self.copy.cluster, control).stdout:
                return
            self.host.pause(0.5)
        raise ActionFailed(f"the cluster on {self.folder} did not come up")

    def _ctl(self) -> str:
        return program(self.copy.cluster, "pg_ctl", self.copy.major)


def swap(copy: Copy, live_dir: str) -> str:
    """Put a copy in the place of the live cluster, and return where that is kept. Raise CoreError: the live one runs
    again then, unless the message says otherwise.
    """
    live = Live(copy, live_dir)
    aside = f"{live_dir}.before-{time.strftime(ASIDE, time.gmtime(copy.host.now()))}"
    if os.path.lexists(aside):
        raise ActionFailed(f"{aside} is there already")
    was_running = live.running()
    copy.stop()
    try:
        live.stop()
        os.rename(live_dir, aside)
        os.rename(copy.request.data, live_dir)
        _owe_history(copy, live_dir)
        live.start()
    except (CoreError, OSError) as error:
        _back(live, copy, aside, was_running=was_running)
        text = f"the restored cluster did not come up ({error}); the old one is back in its place"
        raise ActionFailed(text) from error
    return aside


def _owe_history(copy: Copy, data: str) -> None:
    """Have the server archive the history of its new timeline. Raise OSError.

    The copy was promoted while it archived nothing, so nobody has marked that file for the archiver; without it in the
    archive no later restore finds the way to this timeline.
    """
    with copy.as_account():
        names = sorted(name for name in os.listdir(os.path.join(data, "pg_wal")) if name.endswith(".history"))
        for name in names[-1:]:
            mark = os.path.join(data, "pg_wal", "archive_status", name)
            if not os.path.lexists(f"{mark}.done"):
                os.close(os.open(f"{mark}.ready", os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600))


def _back(live: Live, copy: Copy, aside: str, *, was_running: bool) -> None:
    """Put the live cluster back, from wherever the swap had come to. Raise ActionFailed with what is where."""
    try:
        if os.path.lexists(aside):
            if os.path.lexists(live.folder):
                live.stop()
                os.rename(live.folder, copy.request.data)
            os.rename(aside, live.folder)
        if was_running and not live.running():
            live.start()
    except (CoreError, OSError) as error:
        where = aside if os.path.lexists(aside) else live.folder
        raise ActionFailed(
            f"the live cluster is in {where}, and does not run again on {live.folder}: {error}"
        ) from error
