# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A "Windows" host of its own for each test: PowerShell's real engine behind a WS-Management endpoint on loopback."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("winrm", reason="the Windows connection needs pywinrm")

from .controller import CORE
from .host.windows import WindowsHost, find_pwsh


@pytest.fixture(scope="session")
def pwsh() -> str:
    """The path of PowerShell. A machine without it skips these tests; in CI that is a failure."""
    found = find_pwsh()
    reason = "PowerShell is needed: no `pwsh` on PATH"
    if found is None:
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    if CORE >= (2, 21) and not has_date_kind(str(found)):
        pytest.skip("the wrappers of ansible-core 2.21 need ConvertFrom-Json -DateKind, which this `pwsh` lacks")
    return str(found)


def has_date_kind(pwsh: str) -> bool:
    """Whether a PowerShell is a whole one of 7.5 or later, or an older one, from which Ansible does not expect it."""
    asked = "$PSVersionTable.PSVersion -lt '7.5' -or (Get-Command ConvertFrom-Json).Parameters.ContainsKey('DateKind')"
    ended = subprocess.run([pwsh, "-NoProfile", "-Command", asked], capture_output=True, text=True, check=True)
    return ended.stdout.strip() == "True"


@pytest.fixture
def windows(tmp_path: Path, pwsh: str) -> Iterator[WindowsHost]:
    host = WindowsHost(tmp_path / "drive c", pwsh)
    yield host
    host.close()
