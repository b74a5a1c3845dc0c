#!powershell
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

#AnsibleRequires -CSharpUtil Ansible.Basic

# The Windows half of the bridge: keep the collection's core in a folder of the administrators', and have Cryptobot's
# own Python run it. It uses what Windows PowerShell 5.1 and PowerShell 7 have in common; `make lint` looks.

$spec = @{
    options = @{
        dir = @{ type = 'path'; default = '%ProgramData%\cryptobot-maintenance\bridge' }
        payload = @{ type = 'str'; no_log = $true }
        payload_sha256 = @{ type = 'str'; required = $true }
        python = @{ type = 'str'; default = 'python.exe' }
        request = @{ type = 'str'; no_log = $true }
        timeout = @{ type = 'int'; default = 600 }
    }
    supports_check_mode = $true
}

# SYSTEM and the Administrators, as a security descriptor writes them: nobody else may own the folder or be granted
# anything in it, because whoever can write there could have a core of his own run by an administrator.
$trusted = 'SY', 'BA', 'S-1-5-18', 'S-1-5-32-544'
$protection = 'O:BAG:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)'
$sweepAfter = [TimeSpan]::FromDays(1)
$maxAnswer = 128MB
$maxStderr = 64KB
$maxTimeout = 2000000  # seconds; in milliseconds it must fit into 32 bits
$lastWords = 5000  # milliseconds that a process that has ended may take to close its pipes
$tooOld = 78  # what the payload's __main__.py ends with on a Python that is too old
$howTo = 'set the host variable cryptobot_python to the python.exe (3.9 or newer) that runs Cryptobot, ' +
    'for example C:\Python39\python.exe'

# --- the folder, which only administrators may change ---

function Get-Foreign {
    # Given a security descriptor, return what in it belongs to anybody but SYSTEM and the Administrators.
    param([string]$Sddl)
    $owner = [regex]::Match($Sddl, '^O:(S-[0-9-]+|[A-Z]{2})').Groups[1].Value
    if ($owner -notin $trusted) { "the owner '$owner'" }
    $list = [regex]::Match($Sddl, 'D:[A-Z_]*((?:\([^()]*\))+)(?:S:|$)')
    if (-not $list.Success) { 'a list of grants that cannot be read' }
    foreach ($entry in [regex]::Matches($list.Groups[1].Value, '\(([^()]*)\)')) {
        $words = $entry.Groups[1].Value -split ';'  # type, flags, rights, two GUIDs, account
        if ($words[0] -ne 'D' -and ($words[0] -ne 'A' -or $words[5] -notin $trusted)) { "the grant $($entry.Value)" }
    }
}

function Confirm-Protection {
    # Throw unless a folder is a real one and the administrators' alone.
    param([string]$Folder)
    $attributes = [IO.File]::GetAttributes($Folder)
    if ($attributes -band [IO.FileAttributes]::ReparsePoint) { throw "the cache folder '$Folder' is a link" }
    $foreign = @(Get-Foreign (Get-Acl -LiteralPath $Folder).Sddl)
    if ($foreign.Count) {
        throw "the cache folder '$Folder' has $($foreign -join ', '), expected SYSTEM and the Administrators alone; " +
            'nothing was run. Look who made it, remove it, or name another with the host variable cryptobot_bridge_dir'
    }
}

function Set-Protection {
    # Hand a folder to the administrators, and throw where that did not succeed or something already lies in it.
    param([string]$Folder)
    $acl = Get-Acl -LiteralPath $Folder
    $acl.SetSecurityDescriptorSddlForm($protection)
    Set-Acl -LiteralPath $Folder -AclObject $acl
    Confirm-Protection $Folder
    if ([IO.Directory]::GetFileSystemEntries($Folder).Length) {
        throw "the cache folder '$Folder' was not empty when it was made"
    }
}

function New-ProtectedFolder {
    # Make a folder and those above it that are missing. They get their name when they are protected, not before, so
    # that a run at the same time never sees them half made.
    param([string]$Folder)
    $top, $above = $Folder, [IO.Path]::GetDirectoryName($Folder)
    while (-not [IO.Directory]::Exists($above)) {
        if (-not $above) { throw "the cache folder '$Folder' cannot be made: its drive does not exist" }
        $top, $above = $above, [IO.Path]::GetDirectoryName($above)
    }
    $stage = "$top.$([guid]::NewGuid().ToString('N')).partial"
    try {
        [void][IO.Directory]::CreateDirectory($stage)
        Set-Protection $stage
        $inner = $stage + $Folder.Substring($top.Length)
        if ($inner -ne $stage) {
            [void][IO.Directory]::CreateDirectory($inner)
            Set-Protection $inner
        }
        try { [IO.Directory]::Move($stage, $top) } catch { if (-not [IO.Directory]::Exists($Folder)) { throw } }
    }
    catch { throw "the cache folder '$Folder' cannot be made and protected: " + $_.Exception.GetBaseException().Message }
    finally { if ([IO.Directory]::Exists($stage)) { [IO.Directory]::Delete($stage, $true) } }
}

# --- the payload, which is run only if it is what the controller says ---

function Get-Sha256 {
    # Given bytes or a stream, return the SHA-256 in hexadecimal digits.
    param($Content)
    $algorithm = [Security.Cryptography.SHA256]::Create()
    try { [BitConverter]::ToString($algorithm.ComputeHash($Content)).Replace('-', '').ToLowerInvariant() }
    finally { $algorithm.Dispose() }
}

function Expand-Payload {
    # Given a payload as it travels, gzip in base64, return its bytes.
    param([string]$Packed)
    $source = New-Object -TypeName IO.MemoryStream -ArgumentList (, [Convert]::FromBase64String($Packed))
    $target = New-Object -TypeName IO.MemoryStream
    $mode = [IO.Compression.CompressionMode]::Decompress
    $gzip = New-Object -TypeName IO.Compression.GZipStream -ArgumentList $source, $mode
    try { $gzip.CopyTo($target) } finally { $gzip.Dispose() }
    , $target.ToArray()
}

function Save-Payload {
    # Put a payload into its folder: under another name first, so that a payload is there as a whole or not at all.
    param([string]$Path, [string]$Hash, [string]$Packed)
    $bytes = Expand-Payload $Packed
    $seen = Get-Sha256 $bytes
    if ($seen -ne $Hash) { throw "the payload arrived with the SHA-256 $seen, expected $Hash" }
    $partial = "$Path.$([guid]::NewGuid().ToString('N')).partial"
    try {
        $stream = [IO.File]::Open($partial, [IO.FileMode]::CreateNew, [IO.FileAccess]::Write, [IO.FileShare]::None)
        try { $stream.Write($bytes, 0, $bytes.Length); $stream.Flush($true) } finally { $stream.Dispose() }
        [IO.File]::Move($partial, $Path)
    }
    catch {
        # A run at the same time may have been faster; what it left is checked like any other.
        $why = $_.Exception.GetBaseException().Message
        if (-not [IO.File]::Exists($Path)) { throw "the payload cannot be written to '$Path': $why" }
    }
    finally { [IO.File]::Delete($partial) }
}

function Clear-OldPayload {
    # Remove the payloads of earlier releases. One that is in use at the moment is open, and stays until next time.
    param([string]$Folder, [string]$Keep)
    $limit = [DateTime]::UtcNow - $sweepAfter
    foreach ($file in [IO.Directory]::GetFiles($Folder)) {
        $ours = $file -ne $Keep -and $file -match '\.(zip|partial)$'
        if ($ours -and [IO.File]::GetLastWriteTimeUtc($file) -lt $limit) {
            try { [IO.File]::Delete($file) } catch { Write-Debug -Message "'$file' is in use" }
        }
    }
}

function Open-Payload {
    # Return a payload opened so that nobody can write, rename or remove it until it is closed; remove a wrong one.
    param([string]$Path, [string]$Hash)
    $stream = [IO.File]::Open($Path, [IO.FileMode]::Open, [IO.FileAccess]::Read, [IO.FileShare]::Read)
    $seen = Get-Sha256 $stream
    if ($seen -eq $Hash) { return $stream }
    $stream.Dispose()
    [IO.File]::Delete($Path)
    throw "the payload '$Path' had the SHA-256 $seen, expected ${Hash}: it was changed on this host. It was not run " +
        'but removed; the next run brings it again. Look who can write to that folder'
}

# --- Python, which gets the request by stdin, because anybody may read the words of a command line ---

function Find-Python {
    # Given a path, or a name to look for on PATH, return the path of an executable file.
    param([string]$Name)
    if ($Name -match '[\\/]') { if ([IO.File]::Exists($Name)) { return $Name } }
    else {
        $found = @(Get-Command -Name $Name -CommandType Application -ErrorAction SilentlyContinue)
        if ($found.Count) { return $found[0].Path }
    }
    throw "Python was not found on this host as '$Name': $howTo"
}

function ConvertTo-Argument {
    # Quote one word for a command line as the C runtime of Windows takes it apart.
    param([string]$Word)
    '"' + ($Word -replace '(\\*)"', '$1$1\"' -replace '(\\+)$', '$1$1') + '"'
}

function Start-Python {
    # Start a Python on a payload, its standard streams in our hands.
    param([string]$Python, [string]$Payload)
    $start = New-Object -TypeName Diagnostics.ProcessStartInfo
    $start.FileName = $Python
    $start.Arguments = "-I -B $(ConvertTo-Argument $Payload)"
    $start.UseShellExecute = $false
    $start.CreateNoWindow = $true
    $start.RedirectStandardInput = $start.RedirectStandardOutput = $start.RedirectStandardError = $true
    try { [Diagnostics.Process]::Start($start) }
    catch { throw "'$Python' cannot be started ($($_.Exception.GetBaseException().Message)): $howTo" }
}

function Stop-Tree {
    # End a process and all that it started. .NET Framework cannot do that itself, taskkill can.
    param([Diagnostics.Process]$Process)
    $ErrorActionPreference = 'Continue'  # 5.1 takes a word on stderr for an error that stops the script
    $taskkill = @(Get-Command -Name taskkill.exe -CommandType Application -ErrorAction SilentlyContinue)
    if ($taskkill.Count) { & $taskkill[0].Path /T /F /PID $Process.Id *> $null }
    elseif ($PSVersionTable.PSVersion.Major -gt 5) { $Process.Kill($true) }
    if (-not $Process.WaitForExit($lastWords)) { $Process.Kill(); $Process.WaitForExit() }
}

function Send-Request {
    # Write the request, and return whether it was taken in time. One who has ended takes no more: his exit code tells.
    param([Diagnostics.Process]$Process, [string]$Request, [int]$Seconds)
    $bytes = [Text.Encoding]::ASCII.GetBytes("$Request`n")
    try {
        $taken = $Process.StandardInput.BaseStream.WriteAsync($bytes, 0, $bytes.Length).Wait($Seconds * 1000)
        if ($taken) { $Process.StandardInput.Close() }
        $taken
    }
    catch { $true }
}

function Wait-End {
    # Wait until a process ends. Return why it must be ended, or nothing where it did so itself.
    param([Diagnostics.Process]$Process, [Diagnostics.Stopwatch]$Clock, [int]$Seconds, [IO.Stream]$Output)
    while (-not $Process.WaitForExit(200)) {
        if ($Clock.Elapsed.TotalSeconds -ge $Seconds) { return "did not end within the $Seconds s that it may take" }
        if ($Output.Length -gt $maxAnswer) { return "printed more than $maxAnswer bytes" }
    }
}

function Join-Conversation {
    # Give a started process its request and collect its output. Return why it must be ended, or nothing.
    param([Diagnostics.Process]$Process, [string]$Request, [int]$Seconds, [IO.Stream]$Output, [IO.Stream]$Errors)
    $clock = [Diagnostics.Stopwatch]::StartNew()
    $copies = [Threading.Tasks.Task[]]@(
        $Process.StandardOutput.BaseStream.CopyToAsync($Output)
        $Process.StandardError.BaseStream.CopyToAsync($Errors)
    )
    if (-not (Send-Request $Process $Request $Seconds)) { return "did not read its request within $Seconds s" }
    $fault = Wait-End $Process $clock $Seconds $Output
    # What it started may still hold the pipes; what it said itself is there by now.
    if (-not $fault) { [void][Threading.Tasks.Task]::WaitAll($copies, $lastWords) }
    $fault
}

function Invoke-Payload {
    # Run a payload to its end and return its exit code, what it printed, and why it was ended if it had to be.
    param([string]$Python, [string]$Payload, [string]$Request, [int]$Seconds)
    $output = New-Object -TypeName IO.MemoryStream
    $errors = New-Object -TypeName IO.MemoryStream
    $process = Start-Python $Python $Payload
    try { $fault = Join-Conversation $process $Request $Seconds $output $errors }
    finally { if (-not $process.HasExited) { Stop-Tree $process } }
    @{
        fault = $fault
        rc = $process.ExitCode
        stdout = [Text.Encoding]::UTF8.GetString($output.ToArray()).TrimEnd()
        stderr = [Text.Encoding]::UTF8.GetString($errors.ToArray()).TrimEnd()
    }
}

function Test-Answer {
    # Whether a run ended well and printed one line of JSON and nothing else.
    param([hashtable]$Run)
    $said = $Run.stdout
    if ($Run.fault -or $Run.rc -ne 0 -or $said.Length -lt 2) { return $false }
    $said[0] -eq '{' -and $said[$said.Length - 1] -eq '}' -and $said.IndexOf([char]10) -lt 0
}

function Get-Fault {
    # Given a run that gave no answer, return why, in one sentence.
    param([string]$Python, [hashtable]$Run)
    $last = @($Run.stderr -split "`r?`n")[-1]
    $unfit = "expected 3.9 or newer: $howTo"
    if ($Run.fault) { return "'$Python' $($Run.fault); it was ended, and all that it had started" }
    if ($Run.rc -eq $tooOld) { return "'$Python' is Python $last, $unfit" }
    if ($Run.stderr -match 'Unknown option: -I') { return "'$Python' is a Python older than 3.4, $unfit" }
    if ($Run.stderr -match '(?m)^Traceback ') { return "the core stopped at a defect, please report it: $last" }
    if ($Run.rc -eq 9009 -or $Python -match '[\\/]WindowsApps[\\/]') {
        return "'$Python' is not a Python but the alias that leads to the Microsoft Store: $howTo"
    }
    if ($Run.stdout) {
        $shown = $Run.stdout.Substring(0, [Math]::Min(200, $Run.stdout.Length))
        return "'$Python' printed something else than the answer, which begins with '$shown' (exit code $($Run.rc)); " +
            "a Python that greets, or a wrapper script, cannot be used: $howTo"
    }
    "'$Python' ended with exit code $($Run.rc) and no answer ($last); where that is no Python: $howTo"
}

# --- the whole of it ---

function Get-Payload {
    # Return the payload, verified and held open, or nothing where it is not on this host and was not sent.
    param([Collections.IDictionary]$Options)
    $path = [IO.Path]::Combine($Options.dir, "$($Options.payload_sha256).zip")
    if (-not [IO.Directory]::Exists($Options.dir)) { New-ProtectedFolder $Options.dir }
    Confirm-Protection $Options.dir
    if (-not [IO.File]::Exists($path)) {
        if (-not $Options.payload) { return }
        Save-Payload $path $Options.payload_sha256 $Options.payload
        Clear-OldPayload $Options.dir $path
    }
    Open-Payload $path $Options.payload_sha256
}

function Get-Answer {
    # Run a request and return the answer, one line of JSON. Throw where there is none.
    param([Collections.IDictionary]$Options, [string]$Payload, [Collections.IDictionary]$Result)
    $python = Find-Python $Options.python
    $run = Invoke-Payload $python $Payload $Options.request $Options.timeout
    if (Test-Answer $run) { return $run.stdout }
    $Result.rc = $run.rc
    $Result.stderr = $run.stderr.Substring([Math]::Max(0, $run.stderr.Length - $maxStderr))
    throw (Get-Fault $python $run)
}

function Confirm-Options {
    # Throw where an option has a value that its type alone does not forbid. The hash becomes part of a path.
    param([Collections.IDictionary]$Options)
    if ($Options.payload_sha256 -cnotmatch '\A[0-9a-f]{64}\z') {
        throw "payload_sha256 is '$($Options.payload_sha256)', expected 64 hexadecimal digits in lower case"
    }
    if ($Options.timeout -lt 1 -or $Options.timeout -gt $maxTimeout) {
        throw "timeout is $($Options.timeout), expected 1 to $maxTimeout seconds"
    }
}

$module = [Ansible.Basic.AnsibleModule]::Create($args, $spec)
$module.Result.payload_present = $false
$held = $answer = $null
try {
    Confirm-Options $module.Params
    $held = Get-Payload $module.Params
    $module.Result.payload_present = $null -ne $held
    if ($held -and $module.Params.request) { $answer = Get-Answer $module.Params $held.Name $module.Result }
}
catch { $module.FailJson($_.Exception.GetBaseException().Message, $_) }
finally { if ($held) { $held.Dispose() } }

# The core's answer is the result of a module already: it goes on as it is, whatever its size.
if ($answer) { $answer } else { $module.ExitJson() }
