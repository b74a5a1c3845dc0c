# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The queries in PowerShell's real engine, with functions in place of the commands that only Windows has."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup import windows as asking
from ansible_collections.cryptobot.maintenance.plugins.module_utils.backup.windows import PROTECTION, parse_descriptors
from ansible_collections.cryptobot.maintenance.plugins.module_utils.powershell import parse_answers, script_of

pytestmark = pytest.mark.skipif(not shutil.which("pwsh"), reason="PowerShell is needed: no pwsh on PATH")

PLAYED = r"""
function Get-Acl {
    param([string]$LiteralPath)
    if ($LiteralPath -like '*denied*') { throw 'Attempted to perform an unauthorized operation.' }
    if ($LiteralPath -like '*slow*') { Start-Sleep -Seconds 2 }
    $sddl = if ($LiteralPath -like '*.txt') { 'O:SYD:(A;;FA;;;BA)' } else { 'O:BAD:(A;;FA;;;SY)' }
    $acl = [pscustomobject]@{ Sddl = $sddl }
    $set = { param($text) $this.Sddl = $text }
    $acl | Add-Member -MemberType ScriptMethod -Name SetSecurityDescriptorSddlForm -Value $set
    $acl
}
function Set-Acl { param([string]$LiteralPath, $AclObject) "$LiteralPath|$($AclObject.Sddl)" }
function Get-Item {
    [CmdletBinding()] param([string]$LiteralPath, [string]$Stream, [switch]$Force)
    if ($LiteralPath -like '*fat*') { throw 'The file system does not support streams.' }
    # The provider of files writes what it is refused by WriteError (FileSystemProvider.cs of PowerShell's sources).
    if ($LiteralPath -like '*locked*') { return Write-Error 'Access to the path is denied.' -Category PermissionDenied }
    [pscustomobject]@{ Stream = ':$DATA'; Length = 5 }
    if ($LiteralPath -like '*quoted*') { [pscustomobject]@{ Stream = "Größe's"; Length = 7GB } }
}
"""
PATHS = [
    "C:\\CryptoBot",
    'C:\\it\'s "quoted" $(x).txt',
    "C:\\Größe [1]\\漢字.txt",
    "\\\\?\\C:\\" + "x" * 300,
    "C:\\denied",
]


def asked(query: str):
    script = PLAYED + script_of({"query": query})
    done = subprocess.run(
        ["pwsh", "-NoProfile", "-Command", "-"],
        input=f"& {{{script}}}\n\n",
        capture_output=True,
        text=True,
        check=True,
    )
    return parse_answers(done.stdout)["query"]


def test_descriptors_are_answered_by_number_each_text_once():
    objects = asked(asking.descriptors(PATHS, 60, streams=True))
    found = parse_descriptors(objects, len(PATHS))
    assert found.sddl == {
        0: "O:BAD:(A;;FA;;;SY)",
        1: "O:SYD:(A;;FA;;;BA)",
        2: "O:SYD:(A;;FA;;;BA)",
        3: "O:BAD:(A;;FA;;;SY)",
    }
    assert (found.denied, found.late, found.refused) == ({4}, set(), "")
    assert found.streams == ((1, "Größe's", 7 << 30),)
    assert len(objects) == 4


def test_what_does_not_fit_into_the_time_is_late_and_the_rest_is_answered():
    found = parse_descriptors(asked(asking.descriptors(["C:\\slow", "C:\\a", "C:\\b"], 1, streams=False)), 3)
    assert (set(found.sddl), found.late) == ({0}, {1, 2})


def test_a_file_system_without_streams_says_so_once():
    found = parse_descriptors(asked(asking.descriptors(["D:\\fat\\a", "D:\\fat\\b"], 60, streams=True)), 2)
    assert (len(found.sddl), found.refused) == (2, "The file system does not support streams.")


@pytest.mark.case("WN1", "L2a")
def test_streams_that_are_refused_are_not_taken_for_none():
    paths = ["D:\\a", "D:\\locked", PATHS[1], "D:\\denied"]
    found = parse_descriptors(asked(asking.descriptors(paths, 60, streams=True)), len(paths))
    assert (found.refused, found.unlisted) == ("Access to the path is denied.", 1)
    assert (found.streams, found.denied) == (((2, "Größe's", 7 << 30),), {3})


def test_folders_are_closed_to_all_but_the_administrators():
    assert asked(asking.protect(PATHS[:2], PROTECTION)) == [f"{path}|{PROTECTION}" for path in PATHS[:2]]
