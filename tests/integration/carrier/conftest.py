# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two real hosts on two Debian generations, reached over ssh by an account that may become others by sudo."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ..fleet.conftest import fleet  # noqa: F401  # pylint: disable=unused-import
from .lab import Lab

CHECKOUT = Path(__file__).resolve().parents[3]
LISTS = ("requirements/debian.txt", "tests/fleet/requirements-debian.txt")


@pytest.fixture(scope="session")
def lab(fleet: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Lab:  # noqa: F811 - pytest's way
    """The hosts with their accounts; nothing of the carrier is on them yet."""
    argv = ["scripts/debian/install.sh", *LISTS]
    tried = subprocess.run(argv, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    if tried.returncode:
        why = f"the fleet's packages are needed: {tried.stdout.strip()}"
        pytest.fail(why) if os.environ.get("CI") == "true" and os.geteuid() == 0 else pytest.skip(why)
    hosts = fleet(["car1", "car2"], layers=["admin"], release={"car1": "bookworm", "car2": "trixie"})
    return Lab.made(hosts, tmp_path_factory.mktemp("lab"))
