# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parts of a Windows host that only PowerShell tells, all of them asked in one call and kept as JSON.

A service of NSSM is one of Windows whose ``Parameters`` in the registry say what NSSM runs. Rules of the firewall are
read from the registry, where they are texts in no language; scheduled tasks are those outside of Microsoft's folder.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from ....errors import CoreError, SourceMissing, ToolMissing
from ....host import Host
from ....powershell import ask, literal
from .parts import Parts, SystemPiece, Trouble, Wanted

_REGISTRY = r"HKLM:\SYSTEM\CurrentControlSet\Services"
_SERVICES = r"""
$patterns = %(services)s
foreach ($s in Get-CimInstance Win32_Service) {
    if (-not ($patterns | Where-Object { $s.Name -like $_ })) { continue }
    $key = '%(registry)s\' + $s.Name
    $parameters = @{}
    if (Test-Path -LiteralPath "$key\Parameters") {
        $item = Get-Item -LiteralPath "$key\Parameters"
        foreach ($name in $item.Property) {
            $parameters[$name] = $item.GetValue($name, $null, 'DoNotExpandEnvironmentNames')
        }
    }
    $values = Get-ItemProperty -LiteralPath $key
    @{ Name = $s.Name; DisplayName = $s.DisplayName; Description = $s.Description; PathName = $s.PathName
        StartMode = $s.StartMode; DelayedAutoStart = [bool]$values.DelayedAutostart; StartName = $s.StartName
        State = $s.State; DependOnService = @($values.DependOnService | Where-Object { $_ }); Parameters = $parameters }
}
"""
_TASKS = r"""
foreach ($t in Get-ScheduledTask) {
    if ($t.TaskPath -like '\Microsoft\*') { continue }
    @{ TaskPath = $t.TaskPath; TaskName = $t.TaskName; State = [string]$t.State
        Xml = (Export-ScheduledTask -TaskPath $t.TaskPath -TaskName $t.TaskName) }
}
"""
_FIREWALL = r"""
$key = Get-Item -LiteralPath '%(registry)s\SharedAccess\Parameters\FirewallPolicy\FirewallRules'
foreach ($name in $key.Property) { @{ Name = $name; Rule = [string]$key.GetValue($name) } }
"""
_PACKAGES = r"""
$places = 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall',
    'HKLM:\SOFTWARE\WOW6432Node\Microsoft\Windows\CurrentVersion\Uninstall'
foreach ($place in $places) {
    if (-not (Test-Path -LiteralPath $place)) { continue }
    foreach ($p in Get-ChildItem -LiteralPath $place | ForEach-Object { Get-ItemProperty -LiteralPath $_.PSPath }) {
        if ($p.DisplayName) { @{ Name = $p.DisplayName; Version = $p.DisplayVersion; Publisher = $p.Publisher } }
    }
}
"""
_RELEASE = "Get-CimInstance Win32_OperatingSystem | Select-Object Caption, Version, BuildNumber, OSArchitecture, Locale"
_QUERIES = {
    "services": _SERVICES,
    "schedules": _TASKS,
    "firewall": _FIREWALL,
    "packages": _PACKAGES,
    "release": _RELEASE,
}
_WINGET = ("winget", "list", "--accept-source-agreements", "--disable-interactivity")


def read_windows(chosen: Collection[str], wanted: Wanted, host: Host, found: Parts) -> None:
    """Add what PowerShell tells of the chosen parts; what it cannot tell is a trouble of that part."""
    values = {"services": literal(wanted.services), "registry": _REGISTRY}
    queries = {name: _filled(query, values) for name, query in _QUERIES.items() if name in chosen}
    try:
        answers = ask(host, queries, timeout=180.0)
    except CoreError as error:
        found.troubles.extend(Trouble(name, str(error)) for name in queries)
        return
    for name in queries:
        try:
            objects = answers[name]
        except SourceMissing:
            continue
        except CoreError as error:
            found.troubles.append(Trouble(name, str(error)))
            continue
        if objects:
            found.pieces.append(SystemPiece(name, f"{name}.json", _text(objects), "powershell.exe"))
    if "packages" in chosen:
        _winget(host, found)


def _filled(query: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        query = query.replace(f"%({name})s", value)
    return query


def _text(objects: list[Any]) -> bytes:
    return (json.dumps(objects, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")


def _winget(host: Host, found: Parts) -> None:
    """Add what winget lists, where this account has one: that of the system has none."""
    try:
        done = host.run(_WINGET, timeout=120.0)
    except (ToolMissing, CoreError) as error:
        if not isinstance(error, ToolMissing):
            found.troubles.append(Trouble("packages", str(error)))
        return
    found.pieces.append(SystemPiece("packages", "packages.winget.txt", done.stdout.encode(), " ".join(_WINGET)))
