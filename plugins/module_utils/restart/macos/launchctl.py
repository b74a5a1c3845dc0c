# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stopping and starting a job of launchd.

A job that is kept alive is started again as soon as it ends, so it is stopped by taking it out of launchd (bootout),
and started by putting it in again (bootstrap) and telling it to run (kickstart). See launchctl(1).
"""

from __future__ import annotations

import time

from ...errors import ActionFailed
from ...host import Host
from ..model import LaunchdJob

POLL = 0.25
AGAIN = 1.0
NOT_THERE = 113  # "Could not find service": what `launchctl print` ends with
# What bootout ends with where the job is gone already (ESRCH), is still ending (EINPROGRESS), or any of both (EIO,
# https://github.com/DeterminateSystems/nix-installer/issues/1187): whether it is gone is looked at in any case.
BOOTED_OUT = (0, 3, 5, 36, NOT_THERE)
# What bootstrap ends with right after a bootout, while launchd still cleans up: EIO, EALREADY; a second later it works
# (https://github.com/openclaw/openclaw/issues/136453).
NOT_YET = (5, 37)


def is_loaded(host: Host, target: str) -> bool:
    """Return whether launchd knows a job. Raise CoreError where it cannot be asked."""
    return host.run(["launchctl", "print", target], expect=(0, NOT_THERE)).rc == 0


def boot_out(host: Host, target: str, timeout: float) -> None:
    """Take a job out of launchd and wait until it is gone, at most ``timeout`` seconds. Raise CoreError."""
    host.run(["launchctl", "bootout", target], timeout=max(timeout, 1.0), expect=BOOTED_OUT)
    begun = time.monotonic()
    while is_loaded(host, target):
        if time.monotonic() - begun > timeout:
            raise ActionFailed(f"{target} is still there {timeout:.0f} s after it was told to end")
        host.pause(POLL)


def boot_in(host: Host, job: LaunchdJob, timeout: float) -> None:
    """Put a job into launchd, unless it is there, and run it. Raise CoreError. What is disabled is not enabled."""
    begun = time.monotonic()
    while not is_loaded(host, job.target):
        late = time.monotonic() - begun > timeout
        # 119, "Service is disabled", and all else is an error at once
        host.run(["launchctl", "bootstrap", job.domain, job.plist], expect=(0,) if late else (0, *NOT_YET))
        if is_loaded(host, job.target):
            break
        if late:
            raise ActionFailed(f"{job.target} is not there {timeout:.0f} s after launchd was given {job.plist}")
        host.pause(AGAIN)
    host.run(["launchctl", "kickstart", "-p", job.target], timeout=max(timeout, 1.0))
