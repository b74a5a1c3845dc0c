# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Molecule verifies: a scenario's hosts by testinfra, over ssh, and the reports of its three runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import testinfra

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from integration.site.report import Report


class Runs(NamedTuple):
    """The reports of a scenario: converge, idempotence, and the run after break.yml."""

    first: Report
    second: Report
    broken: Report


@pytest.fixture(scope="session")
def connect() -> Callable[[str], Any]:
    """Return what gives a testinfra host of the scenario: connect("app").service("cron").is_running."""
    config = str(Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / "ssh_config")
    return lambda name: testinfra.get_host(f"ssh://{name}", ssh_config=config)


@pytest.fixture(scope="session")
def runs() -> Runs:
    """Return the reports, of which there is one for each run."""
    folder = Path(os.environ["CRYPTOBOT_TEST_REPORTS"])
    # Molecule skips tags that no task of ours has: such a run is not whole, and its report lies in a folder of its own
    found = (*folder.glob("2*/report.json"), *folder.glob("*/2*/report.json"))
    files = sorted(found, key=lambda path: path.parent.name)
    assert len(files) == len(Runs._fields), "each of converge, idempotence and side_effect must have run once"
    return Runs(*(Report(file.parent) for file in files))
