# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting for standbys and for a busy host, and giving up in time."""

from __future__ import annotations

from typing import Any

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.postgres.act import (
    Brake,
    load_per_core,
    no_load,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.postgres.connection import Rows

from ..options import postgresql, settings
from .builders import server
from .fakes import FakeSession
from .test_plan_schedule import step


def lag(seconds: Any) -> Rows:
    return Rows(("replica_lag_s",), ((seconds,),))


def pulled(lags: list[Any], *, load: Any = no_load, standbys: int = 1, window: float = 600.0) -> tuple[str, FakeHost]:
    host = FakeHost()
    brake = Brake(server(standbys=standbys), settings([postgresql()]), host, host.now() + window, load)
    session = FakeSession({"replay_lag": tuple(lag(value) for value in lags)})
    return brake(session, step("t")), host  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [None, 0.0, 30.0])
def test_a_standby_that_keeps_up_costs_no_time(value: Any) -> None:
    held, host = pulled([value])
    assert (held, host.paused) == ("", [])


def test_a_standby_that_catches_up_is_waited_for() -> None:
    held, host = pulled([90.0, 45.0, 29.0])
    assert (held, host.paused) == ("", [5.0, 5.0])


def test_a_standby_that_does_not_catch_up_in_the_window_is_named() -> None:
    held, host = pulled([90.0], window=60.0)
    assert held == "a standby lags 90 s behind, more than 30 s"
    assert sum(host.paused) <= 60


def test_without_standbys_nobody_is_asked() -> None:
    assert pulled([], standbys=0)[0] == ""


def test_a_busy_host_is_waited_for_so_long_in_all_and_no_longer() -> None:
    host = FakeHost()
    brake = Brake(server(), settings([postgresql()]), host, host.now() + 600, lambda: 9.0)
    for _number in range(3):
        assert brake(FakeSession({}), step("t")) == ""  # type: ignore[arg-type]
    assert sum(host.paused) == 20


def test_a_host_that_calms_down_is_not_waited_for_longer() -> None:
    loads = iter([9.0, 9.0, 1.0])
    _held, host = pulled([], load=lambda: next(loads), standbys=0)
    assert host.paused == [5.0, 5.0]


def test_the_load_is_per_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getloadavg", lambda: (8.0, 0.0, 0.0))
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    assert load_per_core() == 2.0
