# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make the fleet's package importable, and keep the tests away from the machine's own cache and /run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

# No __init__.py in this folder: as a package it would be called `fleet` too.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from fleet import paths
from fleet.plan import FleetPlan, make


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    """Give each test a cache and a runtime folder of its own."""
    monkeypatch.setenv(paths.CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(paths, "runtime_root", lambda: tmp_path / "run")


@pytest.fixture
def planned() -> FleetPlan:
    """Return a fleet of an application host and a database host."""
    return make(
        "lab",
        ["app1", "db1"],
        layers_of={"app1": ["admin"], "db1": ["admin", "pg"]},
        release_of={"app1": "bookworm", "db1": "trixie"},
        groups={"cryptobot_db": ["db1"]},
    )
