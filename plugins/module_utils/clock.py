# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one clock by which the ages of processes, units and boots are told.

Two clocks are never compared. Where a container has its own /proc/uptime (LXC with lxcfs), that is when the container
was started, while processes and units are timed by the kernel of the machine: so the kernel itself is asked, which
answers by the clock that it times processes with. What began later than now was timed by another clock, and then
nothing is known of its age.
"""

from __future__ import annotations

from typing import NamedTuple, Optional

SLACK = 2.0  # ps of macOS tells whole seconds, the kernel of Linux hundredths


class Clock(NamedTuple):
    """A moment of a host: ``now`` in seconds since the epoch, ``uptime`` in seconds on the clock in which it says when
    processes began.
    """

    now: float
    uptime: float

    @property
    def booted(self) -> float:
        """When that clock began, in seconds since the epoch."""
        return self.now - self.uptime

    def age(self, began: float) -> Optional[float]:
        """Given when something began on that clock, return for how many seconds it has been there; None: unknown."""
        passed = self.uptime - began
        return max(0.0, passed) if passed >= -SLACK else None

    def moment(self, began: float) -> Optional[float]:
        """Given when something began on that clock, return it in seconds since the epoch; None: unknown."""
        age = self.age(began)
        return None if age is None else self.now - age
