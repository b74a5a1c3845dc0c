# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# The commands that only Windows has and that look at something, answered from files: the folder that the environment
# names in WINDOWS_RECORDED holds COMMAND.json, or COMMAND.CLASS.json for a CIM class or an event log, each an array of
# objects. What was not recorded is answered as a Windows without it answers. One function serves all commands.
#
# Errors are those of the real commands: NON-TERMINATING ones. The Get-Net*, Get-Dns*, Get-Disk, ... are functions that
# PowerShell makes of CDXML files; they write what a CIM provider refuses by WriteError, and see neither the caller's
# $ErrorActionPreference nor its $PSDefaultParameterValues, only the global ones (about_Preference_Variables and
# about_CommonParameters of Microsoft's documentation; Microsoft.PowerShell.Cmdletization in PowerShell's sources). A
# file COMMAND.refused.json says after how many objects it is refused, in which words and of which category:
# PermissionDenied "Access is denied." for an account that may not, ObjectNotFound for a provider that is not there.
# Get-WinEvent.ps1 has the errors of the event logs; Get-WinEvent.LOG.changed.json says what is wrong with a log.

function Read-Recorded {
    # Return the objects of a file, dates as dates. Write an error as a real command does where there is no such thing.
    param([string]$Name)
    $path = [IO.Path]::Combine("$env:WINDOWS_RECORDED", "$Name.json")
    if (-not $env:WINDOWS_RECORDED -or -not [IO.File]::Exists($path)) {
        Write-Error -Message "nothing was recorded as $Name" -Category ObjectNotFound
        return
    }
    # A counter that stood still would be none: 10 of the ticks that it counts pass for 9 in which a processor is idle.
    $ticks = [datetime]::UtcNow.Ticks
    $text = [IO.File]::ReadAllText($path).Replace('"@ticks"', "$ticks").Replace('"@idle"', "$([long]($ticks * 0.9))")
    $objects = @($text | ConvertFrom-Json)
    $refused = [IO.Path]::ChangeExtension($path, '.refused.json')
    if (-not [IO.File]::Exists($refused)) { foreach ($one in $objects) { $one }; return }
    $how = [IO.File]::ReadAllText($refused) | ConvertFrom-Json
    $objects | Select-Object -First $how.after
    Write-Error -Message $how.message -Category $how.category -ErrorId 'HRESULT 0x80041003'
}

function ConvertFrom-Wql {
    # Given the condition of a CIM query, return it as a script block: comparisons joined by AND and OR.
    param([string]$Condition)
    $operators = @{ '=' = '-eq'; '<>' = '-ne'; '!=' = '-ne'; '>=' = '-ge'; '<=' = '-le'; '>' = '-gt'; '<' = '-lt' }
    $text = [regex]::Replace($Condition, "(\w+)\s*(<>|!=|>=|<=|=|>|<)\s*('[^']*'|""[^""]*""|\w+)", {
            param($match)
            $value = $match.Groups[3].Value -replace '^true$', '$true' -replace '^false$', '$false' -replace '^null$', '$null'
            "`$_.$($match.Groups[1].Value) $($operators[$match.Groups[2].Value]) $value"
        })
    [scriptblock]::Create(($text -replace '\bAND\b', '-and' -replace '\bOR\b', '-or' -replace '\bNOT\b', '-not'))
}

function Get-CimInstance {
    param([Parameter(Position = 0)][string]$ClassName, [string]$Namespace, [string]$Filter, [string]$Query, [string[]]$Property)
    if ($Query -match '^\s*SELECT\s+.+?\s+FROM\s+(\w+)(?:\s+WHERE\s+(.+))?$') { $ClassName, $Filter = $Matches[1], $Matches[2] }
    $objects = Read-Recorded "Get-CimInstance.$ClassName"
    if ($Filter) { $objects | Where-Object (ConvertFrom-Wql $Filter) } else { $objects }
}

function Read-Log {
    # Return a recorded event log. Events have their Xml recorded beside them.
    param([string]$Name)
    $path = [IO.Path]::Combine("$env:WINDOWS_RECORDED", "Get-WinEvent.$Name.json")
    if (-not [IO.File]::Exists($path)) { return }
    $events = @([IO.File]::ReadAllText($path) | ConvertFrom-Json)
    foreach ($one in $events) {
        $xml = "$($one.Xml)"
        $one | Add-Member -MemberType ScriptMethod -Name ToXml -Value { $xml }.GetNewClosure() -Force
    }
    $log = @{ Events = $events; Enabled = $true; Mode = 'Circular'; Full = $false; Fails = '' }
    $changed = [IO.Path]::ChangeExtension($path, '.changed.json')
    if ([IO.File]::Exists($changed)) {
        $other = [IO.File]::ReadAllText($changed) | ConvertFrom-Json
        foreach ($property in $other.PSObject.Properties) { $log[$property.Name] = $property.Value }
    }
    $log
}

. "$PSScriptRoot/Get-WinEvent.ps1"

function Get-Process {
    param([int[]]$Id, [string[]]$Name, [switch]$IncludeUserName, [string]$ErrorAction)
    $objects = Read-Recorded 'Get-Process'
    if ($Id) { $objects = $objects | Where-Object { $_.Id -in $Id } }
    if ($Name) { $objects = $objects | Where-Object { $_.ProcessName -in $Name } }
    $objects
}

function Get-ItemProperty {
    # A registry key is recorded by its last word; any other path is one of this machine.
    param([Parameter(Position = 0)][string]$LiteralPath, [string]$Path, [string]$Name)
    $where = "$LiteralPath$Path"
    if ($where -notmatch '^(HKLM|HKCU|HKEY_\w+|Registry:)') {
        return Microsoft.PowerShell.Management\Get-ItemProperty -LiteralPath $where
    }
    Read-Recorded "Get-ItemProperty.$(($where -split '[\\/]')[-1])"
}

function Get-Item {
    # Files have no alternate data streams here; without -Stream it is the cmdlet.
    param([Parameter(Position = 0)][string]$LiteralPath, [string]$Stream, [switch]$Force)
    if (-not $Stream) {
        Microsoft.PowerShell.Management\Get-Item -LiteralPath $LiteralPath -Force:$Force
    }
}

# The others: each parameter that is a property of the objects narrows them, any other is one of how to look.
$plain = 'Get-DnsClientServerAddress', 'Get-HotFix', 'Get-NetAdapter', 'Get-NetConnectionProfile',
'Get-NetFirewallAddressFilter', 'Get-NetFirewallApplicationFilter', 'Get-NetFirewallInterfaceFilter',
'Get-NetFirewallInterfaceTypeFilter', 'Get-NetFirewallPortFilter', 'Get-NetFirewallProfile', 'Get-NetFirewallRule',
'Get-NetFirewallSecurityFilter', 'Get-NetFirewallServiceFilter', 'Get-NetFirewallSetting', 'Get-NetIPAddress',
'Get-NetIPInterface', 'Get-NetRoute', 'Get-NetTCPConnection', 'Get-NetUDPEndpoint', 'Get-NetUDPSetting', 'Get-Service',
'Get-Volume'

function Select-Recorded {
    # Given a command and the words of its call, return the objects that they ask for.
    param([string]$Command, [object[]]$Words)
    $objects = @(Read-Recorded $Command)
    for ($at = 0; $at -lt $Words.Count - 1; $at++) {
        $name, $wanted = ("$($Words[$at])" -replace '^-|:$', ''), $Words[$at + 1]
        $known = "$($Words[$at])".StartsWith('-') -and $objects.Count -and $objects[0].PSObject.Properties[$name]
        if ($known) { $objects = @($objects | Where-Object { $_.$name -in $wanted }) }
    }
    $objects
}

foreach ($name in $plain) {
    # CmdletBinding is what gives the real functions their -ErrorAction.
    $body = [scriptblock]::Create(
        "[CmdletBinding()] param([Parameter(ValueFromRemainingArguments)][object[]]`$Words) Select-Recorded '$name' `$Words"
    )
    Set-Item -Path "function:$name" -Value $ExecutionContext.SessionState.Module.NewBoundScriptBlock($body)
}

Export-ModuleMember -Function (@('Get-CimInstance', 'Get-Item', 'Get-ItemProperty', 'Get-Process', 'Get-WinEvent') + $plain)
