# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# stand_ins.ps1
# What the commands of Windows would return, for the queries of firewall_audit run in the real engine: enumerations as
# enumerations, lists as lists. One rule, one address, one of everything.

enum Answer { False; True; NotConfigured }
enum Way { Inbound; Outbound }
[Flags()] enum Profiles { Domain = 1; Private = 2; Public = 4 }
enum Action { NotConfigured = 0; Allow = 2; Block = 4 }
enum Edge { Block; Allow }
enum Store { None; Local; GroupPolicy }
enum Transport { Any; WifiDirectDevices = 5 }
enum Kind { Any; Wired }
enum Authentication { NotRequired; Required }
enum Category { Public; Private; DomainAuthenticated }
enum State { Preferred = 4 }

$id = 'it''s "quoted" $(x) ' + [char]0x9632

function Get-NetFirewallProfile {
    param([string]$PolicyStore)
    [pscustomobject]@{ Name = 'Private'; Enabled = [Answer]::True; DefaultInboundAction = [Action]::Block
        AllowInboundRules = [Answer]::True; AllowLocalFirewallRules = [Answer]::NotConfigured
        DisabledInterfaceAliases = @('Wi-Fi', 'Other'); Store = $PolicyStore }
}
function Get-NetConnectionProfile { [pscustomobject]@{ InterfaceAlias = 'Ethernet'; NetworkCategory = [Category]::Private } }
function Get-NetFirewallRule {
    param([string]$PolicyStore)
    foreach ($way in [Way]::Inbound, [Way]::Outbound) {
        foreach ($enabled in [Answer]::True, [Answer]::False) {
            [pscustomobject]@{ InstanceID = "$id $way $enabled"; DisplayName = 'One'; Group = $PolicyStore; Owner = $null
                Direction = $way; Enabled = $enabled; Profile = [Profiles]'Domain, Private'; Action = [Action]::Allow
                EdgeTraversalPolicy = [Edge]::Block; PolicyStoreSourceType = [Store]::Local }
        }
    }
}
function Get-NetFirewallPortFilter {
    param([string]$PolicyStore)
    [pscustomobject]@{ InstanceID = "$id Inbound True"; Protocol = 'TCP'; LocalPort = @('8000', '8002-8004')
        RemotePort = 'Any'; DynamicTarget = [Transport]::Any }
}
function Get-NetFirewallAddressFilter {
    param([string]$PolicyStore)
    [pscustomobject]@{ InstanceID = "$id Inbound True"; LocalAddress = 'Any'; RemoteAddress = @('LocalSubnet', '10.9.0.0/16') }
}
function Get-NetFirewallApplicationFilter {
    param([string]$PolicyStore)
    [pscustomobject]@{ InstanceID = "$id Inbound True"; Program = '%SystemRoot%\x.exe'; Package = $null }
}
function Get-NetFirewallServiceFilter {
    param([string]$PolicyStore)
    [pscustomobject]@{ InstanceID = "$id Inbound True"; Service = 'Any' }
}
function Get-NetFirewallInterfaceFilter {
    param([string]$PolicyStore)
    [pscustomobject]@{ InstanceID = "$id Inbound True"; InterfaceAlias = 'Any' }
}
function Get-NetFirewallInterfaceTypeFilter {
    param([string]$PolicyStore)
    [pscustomobject]@{ InstanceID = "$id Inbound True"; InterfaceType = [Kind]::Any }
}
function Get-NetFirewallSecurityFilter {
    param([string]$PolicyStore)
    [pscustomobject]@{ InstanceID = "$id Inbound True"; LocalUser = 'Any'; RemoteUser = 'Any'; RemoteMachine = 'Any'
        Authentication = [Authentication]::NotRequired; OverrideBlockRules = $false }
}
function Get-NetIPAddress {
    [pscustomobject]@{ InterfaceAlias = 'Ethernet'; IPAddress = '10.0.2.15'; PrefixLength = [byte]24
        AddressState = [State]::Preferred }
}
function Get-NetRoute {
    [pscustomobject]@{ DestinationPrefix = '0.0.0.0/0'; InterfaceAlias = 'Ethernet'; NextHop = '10.0.2.2' }
}
function Get-NetAdapter {
    param([switch]$IncludeHidden)
    [pscustomobject]@{ Name = 'Ethernet'; InterfaceDescription = "Adapter $IncludeHidden" }
}
function Get-DnsClientServerAddress { [pscustomobject]@{ InterfaceAlias = 'Ethernet'; ServerAddresses = @('10.0.2.3') } }
function Get-NetUDPSetting {
    [pscustomobject]@{ DynamicPortRangeStartPort = [uint16]49152; DynamicPortRangeNumberOfPorts = [uint16]16384 }
}
function Get-CimInstance {
    param([string]$ClassName, [string]$Namespace, [string]$Filter, [string[]]$Property)
    switch ($ClassName) {
        'Win32_Service' { [pscustomobject]@{ Name = 'mpssvc'; State = 'Running' } }
        '__Namespace' { if ($Filter -eq "Name='SecurityCenter2'") { [pscustomobject]@{ Name = 'SecurityCenter2' } } }
        'FirewallProduct' { [pscustomobject]@{ displayName = "Produkt $Namespace"; productState = [uint32]266256 } }
        'Win32_Process' { [pscustomobject]@{ ProcessId = [uint32]7; ExecutablePath = 'C:\x.exe'; CommandLine = $null } }
    }
}
$env:SystemRoot = 'C:\Windows'
