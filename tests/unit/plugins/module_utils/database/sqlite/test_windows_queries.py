# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Windows is asked about a SQLite file, evaluated by the real engine of PowerShell."""

from __future__ import annotations

import os
import shutil

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils import powershell
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite import windows
from ansible_collections.cryptobot.maintenance.plugins.module_utils.database.sqlite import windows_queries as queries
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host
from ansible_collections.cryptobot.maintenance.plugins.module_utils.powershell import ask

NAME = 'C:\\it\'s "quoted" $(x) [1]*.db'
WINDOWS = r"""
function Get-CimInstance {
    param([Parameter(Position = 0)]$ClassName)
    if ($ClassName -eq 'Win32_OperatingSystem') { [pscustomobject]@{ FreePhysicalMemory = [uint64]2048 } }
    else {
        [pscustomobject]@{ DeviceID = 'C:'; DriveType = [uint32]3; FileSystem = 'NTFS' }
        [pscustomobject]@{ DeviceID = 'Z:'; DriveType = [uint32]4; FileSystem = 'NTFS' }
    }
}
function Get-Acl { param($LiteralPath) "rights of $LiteralPath" }
function Set-Acl { param($LiteralPath, $AclObject) $script:given = "$LiteralPath has $AclObject" }
"""


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("pwsh") is None:
        reason = "PowerShell is needed: no `pwsh` on PATH"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    monkeypatch.setattr(powershell, "ARGV", ("pwsh", *powershell.ARGV[1:]))


def test_every_query_answers_what_is_read_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(powershell, "_BEGIN", powershell._BEGIN + WINDOWS)
    answers = ask(choose_host(60.0), {
        "own": queries.drive("C:"), "share": queries.drive("Z:"), "hostile": queries.drive(NAME),
        "memory": queries.MEMORY, "rights": queries.copy_rights(NAME, f"{NAME}.partial"), "given": "$script:given",
    })  # fmt: skip
    assert [windows.parse_drive(answers[name]) for name in ("own", "share", "hostile")] == ["NTFS", "network drive", ""]
    assert windows.parse_memory(answers["memory"]) == 2048 * 1024
    assert answers["given"] == [f"{NAME}.partial has rights of {NAME}"]
