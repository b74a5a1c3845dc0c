# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a service is to end, which a signal says.

threading.Event is not for that: its lock may be held by the very code that the signal interrupts, so that setting it
waits for ever; and a wait without an end does not see a signal that another thread took.
"""

from __future__ import annotations

import signal
import time
from types import FrameType
from typing import Optional

LOOK_SECONDS = 0.05


class Stop:
    """A flag without a lock."""

    def __init__(self) -> None:
        self._wanted = False

    def set(self, number: int = 0, frame: Optional[FrameType] = None) -> None:
        """Have the service end; this is a handler of signals, too."""
        self._wanted = True

    def is_set(self) -> bool:
        """Return whether the service is to end."""
        return self._wanted

    def wait(self, seconds: float = float("inf")) -> bool:
        """Wait that long, or until the service is to end; return whether it is."""
        until = time.monotonic() + seconds
        while not self._wanted and (left := until - time.monotonic()) > 0:
            time.sleep(min(LOOK_SECONDS, left))
        return self._wanted


def catch_signals() -> Stop:
    """Return what SIGTERM and SIGINT set from now on."""
    stop = Stop()
    signal.signal(signal.SIGTERM, stop.set)
    signal.signal(signal.SIGINT, stop.set)
    return stop
