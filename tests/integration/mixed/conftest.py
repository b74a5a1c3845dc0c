# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures of the fleet's and the Windows tests, side by side."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ..fleet.conftest import fleet  # noqa: F401  # pylint: disable=unused-import
from ..windows.conftest import pwsh  # noqa: F401  # pylint: disable=unused-import

CHECKOUT = Path(__file__).resolve().parents[3]
LISTS = ("requirements/debian.txt", "tests/fleet/requirements-debian.txt")


@pytest.fixture(scope="session", autouse=True)
def packages() -> None:
    """What the fleet needs of the machine; the layer's other tests need nothing of it and run without."""
    argv = ["scripts/debian/install.sh", *LISTS]
    tried = subprocess.run(argv, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    if tried.returncode:
        why = f"the fleet's packages are needed: {tried.stdout.strip()}"
        pytest.fail(why) if os.environ.get("CI") == "true" and os.geteuid() == 0 else pytest.skip(why)
