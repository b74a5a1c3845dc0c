# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

@{
    GUID = '0c2f9f0e-5a7c-4c39-8f57-6c1d0f5f3a52'
    ModuleVersion = '1.0.0'
    RootModule = 'Recorded.psm1'
    FunctionsToExport = @(
        'Get-CimInstance', 'Get-DnsClientServerAddress', 'Get-HotFix', 'Get-Item', 'Get-ItemProperty', 'Get-NetAdapter'
        'Get-NetConnectionProfile', 'Get-NetFirewallAddressFilter', 'Get-NetFirewallApplicationFilter'
        'Get-NetFirewallInterfaceFilter', 'Get-NetFirewallInterfaceTypeFilter', 'Get-NetFirewallPortFilter'
        'Get-NetFirewallProfile', 'Get-NetFirewallRule', 'Get-NetFirewallSecurityFilter'
        'Get-NetFirewallServiceFilter', 'Get-NetFirewallSetting', 'Get-NetIPAddress', 'Get-NetIPInterface'
        'Get-NetRoute', 'Get-NetTCPConnection', 'Get-NetUDPEndpoint', 'Get-NetUDPSetting', 'Get-Process'
        'Get-Service', 'Get-Volume', 'Get-WinEvent'
    )
    CmdletsToExport = @()
    AliasesToExport = @()
}
