# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asking Windows for its firewall: one powershell.exe for rules, profiles, network and, if asked, processes.

Each query answers plain objects in which no language matters. Rules and their conditions are asked for in bulk and
joined by InstanceID later: asking for the conditions of each rule takes minutes where there are 500. Lists are joined
by line feeds, which no name, port or address contains. What every Windows has (rules, addresses, routes) is asked as
something that cannot be empty: no answer must not look like no rule.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection

from ...errors import CoreError
from ...fields import fields_of
from ...host import Host
from ...powershell import Answers, ask, some
from ..scope import Places

_PLACES = "places"
_TIMEOUT = 300.0  # at most: some 20 seconds for 500 rules on a slow host; the budget of the run bounds it too
_STOP = "-ErrorAction Stop"
_STORE = f"-PolicyStore ActiveStore {_STOP}"  # local rules and those of all policies, as the firewall applies them


def _of(source: str, plain: str, words: str = "", lists: str = "") -> str:
    """Given what answers objects, return the query for these properties: as they are, as words, as lists of lines."""
    columns = plain.split()
    columns += [f"@{{n='{name}';e={{[string]$_.{name}}}}}" for name in words.split()]
    columns += [f"@{{n='{name}';e={{@($_.{name}) -join [char]10}}}}" for name in lists.split()]
    return f"{source} | Select-Object {', '.join(columns)}"


def _filter(kind: str, plain: str, words: str = "", lists: str = "") -> str:
    """Given a kind of condition, return the query for those of all rules."""
    return some(_of(f"Get-NetFirewall{kind}Filter {_STORE}", f"InstanceID {plain}", words, lists))


QUERIES: dict[str, str] = {
    "engine": "Get-CimInstance Win32_Service -Filter \"Name='mpssvc'\" | Select-Object Name, State",
    "profiles": some(
        _of(
            f"Get-NetFirewallProfile {_STORE}",
            "Name",
            "Enabled DefaultInboundAction AllowInboundRules AllowLocalFirewallRules",
            "DisabledInterfaceAliases",
        )
    ),
    "connections": _of(f"Get-NetConnectionProfile {_STOP}", "InterfaceAlias", "NetworkCategory"),
    "rules": _of(
        f"{some(f'Get-NetFirewallRule {_STORE}')} |"
        " Where-Object { [string]$_.Direction -eq 'Inbound' -and [string]$_.Enabled -eq 'True' }",
        "InstanceID DisplayName Group Owner",
        "Profile Action EdgeTraversalPolicy PolicyStoreSourceType",
        "RemoteDynamicKeywordAddresses",
    ),
    "port_filters": _filter("Port", "", "Protocol DynamicTarget", "LocalPort RemotePort"),
    "address_filters": _filter("Address", "", "", "LocalAddress RemoteAddress"),
    "application_filters": _filter("Application", "Program Package"),
    "service_filters": _filter("Service", "Service"),
    "interface_filters": _filter("Interface", "", "", "InterfaceAlias"),
    "interface_type_filters": _filter("InterfaceType", "", "InterfaceType"),
    "security_filters": _filter("Security", "LocalUser RemoteUser RemoteMachine", "Authentication OverrideBlockRules"),
    "own_addresses": some(_of(f"Get-NetIPAddress {_STOP}", "InterfaceAlias IPAddress PrefixLength", "AddressState")),
    "routes": some(_of(f"Get-NetRoute {_STOP}", "DestinationPrefix InterfaceAlias NextHop")),
    "adapters": some(_of(f"Get-NetAdapter {_STOP} -IncludeHidden", "Name InterfaceDescription")),
    "resolvers": some(_of(f"Get-DnsClientServerAddress {_STOP}", "InterfaceAlias", "", "ServerAddresses")),
    "client_ports": some(_of(f"Get-NetUDPSetting {_STOP}", "DynamicPortRangeStartPort DynamicPortRangeNumberOfPorts")),
    "products": """if (Get-CimInstance -Namespace root -ClassName __Namespace -Filter "Name='SecurityCenter2'") {
    Get-CimInstance -Namespace root/SecurityCenter2 -ClassName FirewallProduct | Select-Object displayName, productState
}""",
    "folders": """[pscustomobject]@{ SystemRoot = $env:SystemRoot; SystemDrive = $env:SystemDrive
    ProgramData = $env:ProgramData; ProgramFiles = $env:ProgramFiles; ProgramW6432 = $env:ProgramW6432
    ProgramFilesX86 = ${env:ProgramFiles(x86)}; Public = $env:PUBLIC }""",
}
_PATHS = "ProcessId ExecutablePath CommandLine"
PROCESSES = some(_of(f"Get-CimInstance Win32_Process -Property {', '.join(_PATHS.split())}", _PATHS))


def collect(host: Host, pids: Collection[int]) -> Answers:
    """Return what a Windows host answers; ``pids`` are the processes whose paths matter.

    Where PowerShell itself does not run, each query is answered by that reason.
    """
    queries = {**QUERIES, **({_PLACES: PROCESSES} if pids else {})}
    timeout = min(_TIMEOUT, host.remaining())
    try:
        return ask(host, queries, timeout=timeout)
    except CoreError as error:
        return Answers({name: {"error": str(error)} for name in queries})


def places(answers: Answers) -> Places:
    """Given the answers, return by process its executable and the words of its command line; unseen ones have none."""
    try:
        rows = fields_of(_PLACES, answers[_PLACES])
        return {row.whole("ProcessId"): (row.text("ExecutablePath"), *_words(row.text("CommandLine"))) for row in rows}
    except CoreError:
        return {}


def _words(command_line: str) -> list[str]:
    """Given a command line of Windows, return its words. A quote that is not closed leaves the rest one word."""
    lexer = shlex.shlex(command_line, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.escape, lexer.quotes, lexer.commenters = True, "", '"', ""
    try:
        return list(lexer)
    except ValueError:
        return command_line.replace('"', "").split()
