# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

@{
    GUID = '5f0c1a52-6a0c-4b5e-9a53-8f3a3b0c6b11'
    ModuleVersion = '1.0.0'
    RootModule = 'WindowsOnly.psm1'
    FunctionsToExport = @('Get-Acl', 'Set-Acl')
    CmdletsToExport = @()
    AliasesToExport = @()
}
