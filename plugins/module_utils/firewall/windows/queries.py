# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is asked of Windows about its firewall. Each query answers plain objects in which no language matters.

Rules and their conditions are asked for in bulk and joined by InstanceID here: asking for the conditions of each rule
takes minutes where there are 500. Lists are joined by line feeds, which no name, port or address contains. What every
Windows has (rules, addresses, routes) is asked as something that cannot be empty: no answer must not look like no rule.
"""

from __future__ import annotations

from ...powershell import some

_STORE = (
    "-PolicyStore ActiveStore -ErrorAction Stop"  # local rules and those of all policies, as the firewall applies them
)

PROFILES = some(
    f"""Get-NetFirewallProfile {_STORE} | Select-Object Name,
    @{{n='Enabled';e={{[string]$_.Enabled}}}},
    @{{n='DefaultInboundAction';e={{[string]$_.DefaultInboundAction}}}},
    @{{n='AllowInboundRules';e={{[string]$_.AllowInboundRules}}}},
    @{{n='AllowLocalFirewallRules';e={{[string]$_.AllowLocalFirewallRules}}}},
    @{{n='DisabledInterfaceAliases';e={{@($_.DisabledInterfaceAliases) -join [char]10}}}}"""
)

CONNECTIONS = """Get-NetConnectionProfile -ErrorAction Stop | Select-Object InterfaceAlias,
    @{n='NetworkCategory';e={[string]$_.NetworkCategory}}"""

RULES = f"""{some(f"Get-NetFirewallRule {_STORE}")} |
    Where-Object {{ [string]$_.Direction -eq 'Inbound' -and [string]$_.Enabled -eq 'True' }} |
    Select-Object InstanceID, DisplayName, Group, Owner,
    @{{n='Profile';e={{[string]$_.Profile}}}},
    @{{n='Action';e={{[string]$_.Action}}}},
    @{{n='EdgeTraversalPolicy';e={{[string]$_.EdgeTraversalPolicy}}}},
    @{{n='PolicyStoreSourceType';e={{[string]$_.PolicyStoreSourceType}}}},
    @{{n='RemoteDynamicKeywordAddresses';e={{@($_.RemoteDynamicKeywordAddresses) -join [char]10}}}}"""

PORTS = some(
    f"""Get-NetFirewallPortFilter {_STORE} | Select-Object InstanceID,
    @{{n='Protocol';e={{[string]$_.Protocol}}}},
    @{{n='LocalPort';e={{@($_.LocalPort) -join [char]10}}}},
    @{{n='RemotePort';e={{@($_.RemotePort) -join [char]10}}}},
    @{{n='DynamicTarget';e={{[string]$_.DynamicTarget}}}}"""
)

ADDRESSES = some(
    f"""Get-NetFirewallAddressFilter {_STORE} | Select-Object InstanceID,
    @{{n='LocalAddress';e={{@($_.LocalAddress) -join [char]10}}}},
    @{{n='RemoteAddress';e={{@($_.RemoteAddress) -join [char]10}}}}"""
)

APPLICATIONS = some(f"Get-NetFirewallApplicationFilter {_STORE} | Select-Object InstanceID, Program, Package")

SERVICES = some(f"Get-NetFirewallServiceFilter {_STORE} | Select-Object InstanceID, Service")

INTERFACES = some(
    f"""Get-NetFirewallInterfaceFilter {_STORE} | Select-Object InstanceID,
    @{{n='InterfaceAlias';e={{@($_.InterfaceAlias) -join [char]10}}}}"""
)

INTERFACE_TYPES = some(
    f"""Get-NetFirewallInterfaceTypeFilter {_STORE} | Select-Object InstanceID,
    @{{n='InterfaceType';e={{[string]$_.InterfaceType}}}}"""
)

SECURITY = some(
    f"""Get-NetFirewallSecurityFilter {_STORE} | Select-Object InstanceID, LocalUser, RemoteUser, RemoteMachine,
    @{{n='Authentication';e={{[string]$_.Authentication}}}},
    @{{n='OverrideBlockRules';e={{[string]$_.OverrideBlockRules}}}}"""
)

OWN_ADDRESSES = some(
    """Get-NetIPAddress -ErrorAction Stop | Select-Object InterfaceAlias, IPAddress, PrefixLength,
    @{n='AddressState';e={[string]$_.AddressState}}"""
)

ROUTES = some("Get-NetRoute -ErrorAction Stop | Select-Object DestinationPrefix, InterfaceAlias, NextHop")

ADAPTERS = some("Get-NetAdapter -ErrorAction Stop -IncludeHidden | Select-Object Name, InterfaceDescription")

RESOLVERS = some(
    """Get-DnsClientServerAddress -ErrorAction Stop | Select-Object InterfaceAlias,
    @{n='ServerAddresses';e={@($_.ServerAddresses) -join [char]10}}"""
)

CLIENT_PORTS = some(
    "Get-NetUDPSetting -ErrorAction Stop | Select-Object DynamicPortRangeStartPort, DynamicPortRangeNumberOfPorts"
)

# The namespace is there on clients only; asking for what a server does not have would be an error in its language.
PRODUCTS = """if (Get-CimInstance -Namespace root -ClassName __Namespace -Filter "Name='SecurityCenter2'") {
    Get-CimInstance -Namespace root/SecurityCenter2 -ClassName FirewallProduct | Select-Object displayName, productState
}"""

FOLDERS = """[pscustomobject]@{ SystemRoot = $env:SystemRoot; SystemDrive = $env:SystemDrive
    ProgramData = $env:ProgramData; ProgramFiles = $env:ProgramFiles; ProgramW6432 = $env:ProgramW6432
    ProgramFilesX86 = ${env:ProgramFiles(x86)}; Public = $env:PUBLIC }"""

ENGINE = "Get-CimInstance Win32_Service -Filter \"Name='mpssvc'\" | Select-Object Name, State"

QUERIES: dict[str, str] = {
    "engine": ENGINE,
    "profiles": PROFILES,
    "connections": CONNECTIONS,
    "rules": RULES,
    "port_filters": PORTS,
    "address_filters": ADDRESSES,
    "application_filters": APPLICATIONS,
    "service_filters": SERVICES,
    "interface_filters": INTERFACES,
    "interface_type_filters": INTERFACE_TYPES,
    "security_filters": SECURITY,
    "own_addresses": OWN_ADDRESSES,
    "routes": ROUTES,
    "adapters": ADAPTERS,
    "resolvers": RESOLVERS,
    "client_ports": CLIENT_PORTS,
    "products": PRODUCTS,
    "folders": FOLDERS,
}

# Asked only where folders tell Cryptobot's own processes from others. Windows does not say in which folder one works.
PROCESSES = some(
    """Get-CimInstance Win32_Process -Property ProcessId, ExecutablePath, CommandLine |
    Select-Object ProcessId, ExecutablePath, CommandLine"""
)
