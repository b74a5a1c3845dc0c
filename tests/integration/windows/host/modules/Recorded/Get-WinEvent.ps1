# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Get-WinEvent over the logs that Read-Log gives, which whoever uses this defines: for a name a hashtable of Events
# (with Id, ProviderName and TimeCreated), Enabled, Mode, Full and Fails, or nothing where there is no such log. Fails
# is "refused" for a log that this account may not read, "down" for a service of the event logs that does not run.
# Where Ageless is true, events have the date of their recording and all of them are within the window.
#
# It errs as GetEventCommand.cs of PowerShell's sources does:
# - by WriteError, which is non-terminating, with the category ObjectNotFound for no such log and for no such event;
# - by an exception of its own (category NotSpecified) where one log that may not be read is asked by -LogName;
# - and by NoMatchingEventsFound where that log is asked by -FilterHashtable, for which it sets TolerateQueryErrors: the
#   known "No events were found" of an account that may not read the Security log.

function Get-WinEvent {
    [CmdletBinding()]
    param([Collections.IDictionary]$FilterHashtable, [string]$FilterXPath, [string]$LogName, [string]$ListLog,
        [long]$MaxEvents = [int]::MaxValue, [switch]$Oldest)
    $name = "$ListLog$LogName$($FilterHashtable.LogName)"
    $log = Read-Log $name
    if (-not $log) {
        $said = "There is not an event log on the localhost computer that matches ""$name""."
        return Write-Error -Message $said -Category ObjectNotFound -ErrorId 'NoMatchingLogsFound'
    }
    if ($log.Fails -eq 'down') { throw [Exception]::new('The RPC server is unavailable') }
    if ($ListLog) {
        if ($log.Fails -eq 'refused') {
            $said = "Could not retrieve information about the $name log. Error: Attempted to perform an unauthorized operation."
            return Write-Error -Message $said -Category NotSpecified -ErrorId 'LogInfoUnavailable'
        }
        return [pscustomobject]@{ LogName = $name; IsEnabled = $log.Enabled; LogMode = $log.Mode; IsLogFull = $log.Full }
    }
    if ($log.Fails -eq 'refused' -and $LogName) {
        throw [UnauthorizedAccessException]::new('Attempted to perform an unauthorized operation.')
    }
    $events = if ($log.Fails) { @() } else { @($log.Events) }
    $ids, $providers, $seconds = $FilterHashtable.Id, $FilterHashtable.ProviderName, 0
    if ($FilterHashtable.StartTime) { $seconds = ((Get-Date) - $FilterHashtable.StartTime).TotalSeconds }
    if ($FilterXPath) {
        $ids = [regex]::Matches($FilterXPath, 'EventID\s*=\s*(\d+)') | ForEach-Object { $_.Groups[1].Value }
        $providers = [regex]::Matches($FilterXPath, "@Name\s*=\s*['""]([^'""]+)") | ForEach-Object { $_.Groups[1].Value }
        if ($FilterXPath -match 'timediff\(@SystemTime\) <= (\d+)') { $seconds = [long]$Matches[1] / 1000 }
    }
    $since = if ($seconds -and -not $log.Ageless) { [datetime]::UtcNow.AddSeconds(-$seconds) } else { [datetime]::MinValue }
    $found = @($events | Where-Object {
            $_ -and (-not $ids -or "$($_.Id)" -in $ids) -and (-not $providers -or $_.ProviderName -in $providers) -and
            ([datetime]$_.TimeCreated).ToUniversalTime() -ge $since
        } | Sort-Object -Property { ([datetime]$_.TimeCreated).ToUniversalTime() } -Descending:(-not $Oldest))
    if (-not $found.Count) {
        $said = 'No events were found that match the specified selection criteria.'
        return Write-Error -Message $said -Category ObjectNotFound -ErrorId 'NoMatchingEventsFound'
    }
    $found | Select-Object -First $MaxEvents
}
