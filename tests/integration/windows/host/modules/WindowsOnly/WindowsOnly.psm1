# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Commands that only Windows has, for a host of the tests that is none: Get-Acl and Set-Acl on top of the real owner and
# mode of the file, so that a protected folder is protected here too, and stays so when it is renamed.

# What a folder below C:\ProgramData inherits; constructed after the documentation of its default grants.
$inherited = 'O:{0}G:SYD:AI(A;OICIID;FA;;;SY)(A;OICIID;FA;;;BA)(A;OICIIOID;GA;;;CO)(A;OICIID;0x1200a9;;;BU)(A;CIID;DCLCRPCR;;;BU)'
$protected = 'O:{0}G:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)'
# What a folder has that was opened to all: Everyone has full control, which is to delete what lies in it, too.
$open = 'O:{0}G:SYD:AI(A;OICI;FA;;;WD)(A;OICIID;FA;;;SY)(A;OICIID;FA;;;BA)'
$somebody = 'S-1-5-21-1004336348-1177238915-682003330-1001'

function Get-Acl {
    param([Parameter(Mandatory)][string]$LiteralPath)
    $owner, $mode = (& stat --format '%u %a' -- $LiteralPath) -split ' '
    $form = if ($mode.EndsWith('00')) { $protected } else { $inherited }
    if ($mode -match '^\d{2}[2367]$') { $form = $open }  # without the sticky bit, which keeps others' names from all
    $acl = [pscustomobject]@{ Sddl = $form -f $(if ($owner -eq '0') { 'BA' } else { $somebody }) }
    $acl | Add-Member -MemberType ScriptMethod -Name SetSecurityDescriptorSddlForm -Value { param($text) $this.Sddl = $text }
    $acl
}

function Set-Acl {
    param([Parameter(Mandatory)][string]$LiteralPath, [Parameter(Mandatory)]$AclObject)
    if ($AclObject.Sddl -in ($inherited -f 'BA'), ($inherited -f $somebody)) { return }  # what every file has here
    if ($AclObject.Sddl -ne ($protected -f 'BA')) { throw "this Set-Acl knows no descriptor but the protected one, not $($AclObject.Sddl)" }
    & chown 0 -- $LiteralPath
    & chmod 700 -- $LiteralPath
    if ($LASTEXITCODE) { throw "the mode of $LiteralPath cannot be set" }
}

Export-ModuleMember -Function Get-Acl, Set-Acl
