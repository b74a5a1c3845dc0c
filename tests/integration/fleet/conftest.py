# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures: fleets of real systemd hosts that are always taken down, and a second route into their hosts."""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from fleet import check, lifecycle
from fleet.handle import Fleet

from .site_under_test import Site


@pytest.fixture(scope="session")
def fleet() -> Iterator[Callable[..., Fleet]]:
    """Return what brings a fleet up: fleet(["app1", "db1"], layers={"db1": ["admin", "pg"]}); see Fleet.up.

    Its name carries this process's id, so several runs at once do not meet. Fleets that a killed
    run left behind are removed first, the own ones at the end of the session.
    """
    _require_fleets()
    lifecycle.down_stale()
    numbers = itertools.count(1)
    with contextlib.ExitStack() as made:

        def up(hosts: list[str], **requests: Any) -> Fleet:
            brought_up = Fleet.up(f"test-{os.getpid()}-{next(numbers)}", hosts, **requests)
            made.callback(brought_up.down)
            return brought_up

        yield up


@pytest.fixture(scope="session")
def site(fleet: Callable[..., Fleet], tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Return three hosts with the application and its database installed, on which nothing was maintained yet."""
    return Site.install(fleet, tmp_path_factory.mktemp("reports"))


@pytest.fixture(scope="session")
def testinfra_host() -> Callable[[Fleet, str], Any]:
    """Return what gives a testinfra host of a fleet: testinfra_host(fleet, "db1").service("cron").is_running."""
    testinfra = pytest.importorskip("testinfra")

    def connect(one: Fleet, host: str) -> Any:
        return testinfra.get_host(f"ssh://{host}", ssh_config=str(one.ssh_config))

    return connect


def _require_fleets() -> None:
    """Skip with the reason where this machine cannot run fleets; where CI=true it must, so fail."""
    reason = check.reason()
    if reason and os.environ.get("CI") == "true":
        pytest.fail(f"CI must run the fleet: {reason}", pytrace=False)
    if reason:
        pytest.skip(reason)
