# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting while the standbys or this host cannot keep up: looked at before each table, never during one."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Optional

from ...host import Host
from ...postgres.connection import Session
from ..settings import Settings
from . import queries
from .records import Server
from .steps import TableStep

SLICE_S = 5.0
LONGEST_LOAD_PAUSE_S = 20.0  # in the whole run: a host that is always busy must still get its vacuum


class Brake:
    """Called before a step: waits where it must, returns why the step cannot be taken, or an empty text.

    It keeps the seconds that were spent waiting for the load, which workers share.
    """

    def __init__(
        self, server: Server, settings: Settings, host: Host, deadline: float, load: Callable[[], float]
    ) -> None:
        self._server, self._settings, self._host, self._deadline, self._load = server, settings, host, deadline, load
        self._paused_s = 0.0
        self._lock = threading.Lock()

    def __call__(self, session: Session, step: TableStep) -> str:
        self._wait_for_load()
        return self._wait_for_standbys(session, step) if self._server.standbys else ""

    def _wait_for_load(self) -> None:
        while self._load() > self._settings.load_max:
            with self._lock:
                if self._paused_s >= LONGEST_LOAD_PAUSE_S:
                    return
                self._paused_s += SLICE_S
            self._host.pause(SLICE_S)

    def _wait_for_standbys(self, session: Session, step: TableStep) -> str:
        while True:
            lag: Optional[float] = session.rows(queries.REPLICA_LAG).values[0][0]
            if lag is None or lag <= self._settings.replica_lag_s:
                return ""
            if self._host.now() + SLICE_S + step.predicted_s > self._deadline:
                return f"a standby lags {lag:.0f} s behind, more than {self._settings.replica_lag_s:.0f} s"
            self._host.pause(SLICE_S)


def load_per_core() -> float:
    """Return the load of the last minute per core; 0 where the system has no such number."""
    if not hasattr(os, "getloadavg"):
        return 0.0
    return os.getloadavg()[0] / (os.cpu_count() or 1)


def no_load() -> float:
    """Stand in for the load of a server that is not on this host."""
    return 0.0
