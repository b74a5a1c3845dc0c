# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# pwsh powershell51.ps1 FILE...
# Print what in each script Windows PowerShell 5.1 (or 7) would not parse, find or bind; exit 1 if there is anything.
# It reads the scripts with the parser of PowerShell 7, which knows all that 5.1 knows, and looks for what came later.
# Not seen: parameters in a splatted hashtable, members of objects whose type only running tells.
# What stands in an `if` that asks for PSVersion is let alone: it is there to run on the other of the two.
#
# Sources: "What's New in PowerShell" 6.0 to 7.5 and "Differences between Windows PowerShell 5.1 and PowerShell 7.x" of
# Microsoft's documentation; for .NET the first version of each member in its API reference.
param([Parameter(Mandatory = $true, ValueFromRemainingArguments = $true)][string[]]$File)

$newSyntax = @{ TernaryExpressionAst = 'a ? b : c'; PipelineChainAst = '&& and ||' }
$newTokens = 'QuestionQuestion', 'QuestionQuestionEquals', 'QuestionDot', 'QuestionLBracket'
$newVariables = 'IsWindows', 'IsLinux', 'IsMacOS', 'IsCoreCLR', 'PSStyle', 'EnabledExperimentalFeatures',
    'PSNativeCommandUseErrorActionPreference', 'PSNativeCommandArgumentPassing'
$newCommands = 'Test-Json', 'Get-Error', 'Join-String', 'Get-Uptime', 'Remove-Alias', 'ConvertFrom-Markdown',
    'Show-Markdown', 'Get-SecureRandom', 'ConvertTo-CliXml', 'ConvertFrom-CliXml', 'Remove-Service',
    'Switch-Process', 'Get-ExperimentalFeature', 'Enable-ExperimentalFeature', 'Get-PSSubsystem', 'Start-ThreadJob',
    'Get-PSResource', 'Install-PSResource', 'Find-PSResource'
# Commands that 5.1 has and 7 has not: the script is to run in both.
$goneCommands = 'Get-WmiObject', 'Invoke-WmiMethod', 'Register-WmiEvent', 'Remove-WmiObject', 'Set-WmiInstance',
    'Get-EventLog', 'Write-EventLog', 'New-EventLog', 'Clear-EventLog', 'Limit-EventLog', 'Remove-EventLog',
    'Show-EventLog', 'Get-ControlPanelItem', 'New-WebServiceProxy', 'ConvertFrom-String', 'Convert-String',
    'Add-PSSnapin', 'Get-PSSnapin', 'Remove-PSSnapin', 'Start-Transaction', 'Complete-Transaction', 'Use-Transaction',
    'Checkpoint-Computer', 'Restore-Computer', 'Test-ComputerSecureChannel', 'Out-Printer'
$newOfWeb = 'SkipCertificateCheck', 'SkipHttpErrorCheck', 'StatusCodeVariable', 'ResponseHeadersVariable', 'Form', 'Resume',
    'MaximumRetryCount', 'RetryIntervalSec', 'Authentication', 'Token', 'NoProxy', 'SslProtocol', 'HttpVersion',
    'ConnectionTimeoutSeconds', 'OperationTimeoutSeconds', 'AllowUnencryptedAuthentication', 'CustomMethod',
    'FollowRelLink', 'SkipHeaderValidation', 'PreserveAuthorizationOnRedirect'
$newOfCsv = 'UseQuotes', 'QuoteFields', 'NoHeader', 'IncludeTypeInformation'
$newParameters = @{
    'Add-Content' = 'AsByteStream'
    'ConvertFrom-Json' = 'AsHashtable', 'Depth', 'NoEnumerate', 'DateKind'
    'ConvertFrom-SecureString' = 'AsPlainText'
    'ConvertTo-Csv' = $newOfCsv
    'ConvertTo-Json' = 'AsArray', 'EnumsAsStrings', 'EscapeHandling'
    'Export-Csv' = $newOfCsv
    'ForEach-Object' = 'Parallel', 'ThrottleLimit', 'TimeoutSeconds', 'AsJob', 'UseNewRunspace'
    'Get-ChildItem' = 'FollowSymlink'
    'Get-Command' = 'UseFuzzyMatching', 'UseAbbreviationExpansion', 'FuzzyMinimumDistance'
    'Get-Content' = 'AsByteStream'
    'Get-Date' = 'AsUTC', 'UnixTimeSeconds'
    'Get-Random' = 'Shuffle'
    'Import-Module' = 'SkipEditionCheck', 'UseWindowsPowerShell'
    'Invoke-Command' = 'SSHTransport', 'KeyFilePath', 'Subsystem', 'RemoteDebug'
    'Join-Path' = 'AdditionalChildPath', 'Extension'
    'Measure-Object' = 'AllStats', 'StandardDeviation'
    'New-Service' = 'SecurityDescriptorSddl'
    'Out-String' = 'NoNewline'
    'Resolve-Path' = 'RelativeBasePath', 'Force'
    'Select-Object' = 'CaseInsensitive', 'SkipIndex'
    'Select-String' = 'Raw', 'NoEmphasis', 'Culture'
    'Set-Clipboard' = 'AsOSC52'
    'Set-Content' = 'AsByteStream'
    'Set-Service' = 'SecurityDescriptorSddl', 'Force'
    'Sort-Object' = 'Top', 'Bottom', 'Stable'
    'Split-Path' = 'LeafBase', 'Extension'
    'Start-Process' = 'Environment'
    'Start-Sleep' = 'Duration'
    'Tee-Object' = 'Encoding'
    'Test-Connection' = 'TargetName', 'Ping', 'Repeat', 'Traceroute', 'MtuSize', 'TcpPort', 'IPv4', 'IPv6', 'MaxHops',
        'ResolveDestination', 'TimeoutSeconds', 'Detailed'
}
foreach ($name in 'Invoke-RestMethod', 'Invoke-WebRequest') { $newParameters[$name] = $newOfWeb }
# Members of .NET that .NET Framework 4.x lacks. A number counts the arguments of the overload that is new.
$newMembers = @{
    'Kill' = 1; 'ToHexString' = -1; 'ToHexStringLower' = -1; 'FromHexString' = -1; 'GetRelativePath' = -1; 'HashData' = -1
    'ArgumentList' = -1; 'ProcessPath' = -1; 'WaitForExitAsync' = -1; 'ReadAllTextAsync' = -1; 'WriteAllTextAsync' = -1
    'SetUnixFileMode' = -1; 'GetUnixFileMode' = -1; 'CreateSymbolicLink' = -1; 'ResolveLinkTarget' = -1; 'Clamp' = -1
    'IsPathFullyQualified' = -1; 'EndsInDirectorySeparator' = -1; 'TrimEndingDirectorySeparator' = -1; 'ReplaceLineEndings' = -1
    'GetInt32' = -1; 'MoveNextAsync' = -1; 'DisposeAsync' = -1
}
$aliases = @{
    '%' = 'ForEach-Object'; foreach = 'ForEach-Object'; gci = 'Get-ChildItem'; ls = 'Get-ChildItem'; dir = 'Get-ChildItem'
    gc = 'Get-Content'; cat = 'Get-Content'; sc = 'Set-Content'; ac = 'Add-Content'; select = 'Select-Object'; sort = 'Sort-Object'
    sls = 'Select-String'; irm = 'Invoke-RestMethod'; iwr = 'Invoke-WebRequest'; saps = 'Start-Process'; icm = 'Invoke-Command'
    gwmi = 'Get-WmiObject'; ipmo = 'Import-Module'; sleep = 'Start-Sleep'; measure = 'Measure-Object'; gsv = 'Get-Service'
}

function Test-Guarded {
    # Whether a node stands in an `if` that asks which PowerShell it is.
    param($Node)
    for ($above = $Node.Parent; $above; $above = $above.Parent) {
        if ($above -is [Management.Automation.Language.IfStatementAst]) {
            if (@($above.Clauses | Where-Object { $_.Item1.Extent.Text -match 'PSVersion|PSEdition' }).Count) { return $true }
        }
    }
    $false
}

function Find-InToken {
    # Yield what a token tells: (line, text).
    param($Token, $Before)
    $line, $text = $Token.Extent.StartLineNumber, $Token.Text
    $kind = "$($Token.Kind)"
    if ($kind -in $newTokens) { , ($line, "the operator $text") }
    if ($kind -eq 'Pipe' -and "$($Before.Kind)" -eq 'NewLine') { , ($line, 'a line that begins with |') }
    if ($kind -eq 'Number' -and $text -match '^0b|[uyns]') {  # no digit, no unit of 5.1 has these letters
        , ($line, "the number $text") }
    if ($kind -in 'StringExpandable', 'HereStringExpandable' -and $text -cmatch '(?<!`)(``)*`(u\{|e)') {
        , ($line, 'the escape `e or `u{...}')
    }
}

function Find-InCommand {
    # Yield what a command tells: its name, its parameters, its count of positional arguments.
    param($Node)
    $line, $name = $Node.Extent.StartLineNumber, $Node.GetCommandName()
    if (-not $name) { return }
    if ($aliases.ContainsKey($name)) { $name = $aliases[$name] }
    if ($name -in $newCommands) { , ($line, "the command $name") }
    if ($name -in $goneCommands) { , ($line, "the command $name, which PowerShell 7 lacks") }
    $words = @($Node.CommandElements | Select-Object -Skip 1)
    $named = @($words | Where-Object { $_ -is [Management.Automation.Language.CommandParameterAst] })
    foreach ($parameter in $named) {
        $given = $parameter.ParameterName
        # A parameter may be shortened as long as it is clear; three letters are as short as anybody writes.
        $hit = @($newParameters[$name] | Where-Object { $_ -eq $given -or ($given.Length -ge 3 -and $_ -like "$given*") })
        if ($hit.Count) { , ($line, "$name -$($hit[0])") }
        if ($given -eq 'Encoding' -and $Node.Extent.Text -match '-Encoding\s+.?(utf8NoBOM|utf8BOM|ansi)\b') {
            , ($line, "$name -Encoding $($Matches[1])")
        }
    }
    if ($name -eq 'Join-Path' -and -not $named.Count -and $words.Count -gt 2) {
        , ($line, 'Join-Path with more than two parts')
    }
}

function Find-InMember {
    # Yield what a member of a .NET type tells.
    param($Node)
    $name = "$($Node.Member.Value)"
    if (-not $newMembers.ContainsKey($name)) { return }
    $wanted = $newMembers[$name]
    $called = $Node -is [Management.Automation.Language.InvokeMemberExpressionAst]
    $count = if ($called) { @($Node.Arguments | Where-Object { $_ }).Count } else { 0 }
    if ($wanted -eq -1 -or $wanted -eq $count) { , ($Node.Extent.StartLineNumber, ".$name, which .NET Framework lacks") }
}

function Find-InNode {
    # Yield what a node of the syntax tree tells.
    param($Node)
    $line, $kind = $Node.Extent.StartLineNumber, $Node.GetType().Name
    if ($newSyntax.ContainsKey($kind)) { , ($line, $newSyntax[$kind]) }
    if ($kind -eq 'PipelineAst' -and $Node.Background) { , ($line, 'a pipeline in the background (&)') }
    if ($kind -eq 'ScriptBlockAst' -and $Node.CleanBlock) { , ($line, 'a clean block') }
    if ($kind -eq 'VariableExpressionAst' -and $Node.VariablePath.UserPath -in $newVariables) {
        , ($line, "the variable `$$($Node.VariablePath.UserPath)")
    }
    if ($kind -eq 'CommandAst') { Find-InCommand $Node }
    if ($Node -is [Management.Automation.Language.MemberExpressionAst]) { Find-InMember $Node }
}

function Find-Newer {
    # Yield what is newer than 5.1 in one script: (line, text).
    param([string]$Path)
    $tokens = $errors = $null
    $whole = Convert-Path -LiteralPath $Path
    $tree = [Management.Automation.Language.Parser]::ParseFile($whole, [ref]$tokens, [ref]$errors)
    foreach ($one in $errors) { , ($one.Extent.StartLineNumber, "a mistake: $($one.Message)") }
    $before = $null
    foreach ($token in $tokens) { Find-InToken $token $before; $before = $token }
    foreach ($node in $tree.FindAll({ $true }, $true)) { if (-not (Test-Guarded $node)) { Find-InNode $node } }
}

$found = @(
    foreach ($one in $File) {
        foreach ($newer in Find-Newer $one) {
            "${one}:$($newer[0]): not in both Windows PowerShell 5.1 and PowerShell 7: $($newer[1])"
        }
    }
)
$found | Select-Object -Unique
exit [int]($found.Count -gt 0)
