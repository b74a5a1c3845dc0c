# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signals during a restart: they end it, but not before everything runs again."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Optional

from ..errors import CoreError


class Interrupted(CoreError):
    """The run was told by a signal to end."""


class Interruption:
    """Raises Interrupted where a signal arrives, until ``defer`` is called: then signals are only noted in ``name``."""

    def __init__(self) -> None:
        self.name = ""
        self._deferred = False

    def defer(self) -> None:
        """From here on nothing is interrupted: what was stopped is being started again."""
        self._deferred = True

    def handle(self, number: int, frame: Optional[FrameType]) -> None:
        """Take a signal."""
        self.name = signal.Signals(number).name
        if not self._deferred:
            raise Interrupted(f"the run was interrupted by {self.name}")


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Turn SIGTERM, SIGINT and SIGHUP into Interrupted within a block. Only the main thread can be told."""
    interruption = Interruption()
    former: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        names = [name for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name)]
        former = {getattr(signal, name): signal.signal(getattr(signal, name), interruption.handle) for name in names}
    try:
        yield interruption
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
