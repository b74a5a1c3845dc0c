# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The functions of bridge.ps1 in PowerShell's engine, without WinRM and Ansible around them: a call takes a second."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from .controller import CHECKOUT
from .host.windows import WindowsHost

BRIDGE = CHECKOUT / "plugins" / "modules" / "bridge.ps1"
# Everything between the options and the module itself: settings and functions.
LOAD = """
$ErrorActionPreference = 'Stop'
$text = [IO.File]::ReadAllText($env:BRIDGE)
$begin, $end = $text.IndexOf('$trusted = '), $text.IndexOf('$module = [Ansible.Basic')
. ([scriptblock]::Create($text.Substring($begin, $end - $begin)))
$given = $env:GIVEN | ConvertFrom-Json
"""
SHOW = """
try { $shown = @{ value = @(& { %s }) } } catch { $shown = @{ error = $_.Exception.GetBaseException().Message } }
[Console]::Out.Write("`n=" + (ConvertTo-Json -InputObject $shown -Depth 4 -Compress))
"""


def call(windows: WindowsHost, script: str, **given: Any) -> dict[str, Any]:
    """Given a script that may call the bridge's functions and has ``$given``, return its value, or its error."""
    environment = {**windows.environment, "BRIDGE": str(BRIDGE), "GIVEN": json.dumps(given)}
    argv = [windows.pwsh, "-NoProfile", "-NonInteractive", "-Command", LOAD + SHOW % script]
    pipes: dict[str, Any] = {"capture_output": True, "text": True, "timeout": 120}
    ended = subprocess.run(argv, env=environment, cwd=windows.root, check=False, **pipes)
    assert "\n=" in ended.stdout, ended.stdout + ended.stderr
    answer: dict[str, Any] = json.loads(ended.stdout.rpartition("\n=")[2])
    return answer
