#!powershell
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

#AnsibleRequires -CSharpUtil Ansible.Basic

# The Windows half of the carrier: keep what is asked for of the core in a folder of the administrators', and have
# Cryptobot's own Python run it. It uses what Windows PowerShell 5.1 and PowerShell 7 have in common; `make lint` looks.

$spec = @{
    options = @{
        detached = @{ type = 'bool'; default = $false }
        dir = @{ type = 'path'; default = '%ProgramData%\cryptobot-maintenance\bridge' }
        payload = @{ type = 'str'; no_log = $true }
        payload_sha256 = @{ type = 'str'; required = $true }
        python = @{ type = 'str'; default = 'python.exe' }
        request = @{ type = 'str'; no_log = $true }
        secrets = @{ type = 'list'; elements = 'str'; no_log = $true }
        state_dir = @{ type = 'path' }
        timeout = @{ type = 'int'; default = 600 }
    }
    supports_check_mode = $true
}

# SYSTEM and the Administrators, as a security descriptor writes them: nobody else may own the folder or be granted
# anything in it. Folders above it may also be the TrustedInstaller's, whose C:\ and C:\Windows are.
$trusted = 'SY', 'BA', 'S-1-5-18', 'S-1-5-32-544'
$system = $trusted + 'S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464'
$protection = 'O:BAG:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)'
# Rights as a descriptor writes them (winnt.h, "ACE Strings" of Microsoft's documentation), and two sets of them. With
# one of the first a folder, or what lies in it, can be replaced: delete child, delete, write DAC and owner, all. With
# one of the second something can be put into it, or into what is made in it: add file and folder, attributes, write.
$rights = @{
    GA = 0x10000000; GX = 0x20000000; GW = 0x40000000; GR = 0x80000000L; RC = 0x20000; SD = 0x10000; WD = 0x40000
    WO = 0x80000; CC = 0x1; DC = 0x2; LC = 0x4; SW = 0x8; RP = 0x10; WP = 0x20; DT = 0x40; LO = 0x80; CR = 0x100
    FA = 0x1f01ff; FR = 0x120089; FW = 0x120116; FX = 0x1200a0; KA = 0xf003f; KR = 0x20019; KW = 0x20006; KX = 0x20019
}
$replacing = 0x40 -bor 0x10000 -bor 0x40000 -bor 0x80000 -bor 0x10000000
$putting = $replacing -bor 0x2 -bor 0x4 -bor 0x10 -bor 0x100 -bor 0x40000000
$sweepAfter = @{ '.zip' = [TimeSpan]::FromDays(7); '.partial' = [TimeSpan]::FromDays(1) }
$maxPayload = 64MB
$maxAnswer = 128MB
$maxStderr = 8MB  # more than that on stderr is no Python that says why it fails
$keptStderr = 64KB  # of it, while it is read
$shownStderr = 16KB  # of that, in the result
$shownLine = 200  # characters of others' words in a message
$maxTimeout = 2000000  # seconds; in milliseconds it must fit into 32 bits
$lastWords = 5000  # milliseconds that a process that has ended may take to close its pipes
$patience = 5000  # milliseconds for which a file that a virus scanner holds is tried again
$held = 5, 32, 33  # access denied, sharing violation, lock violation
$tooOld = 78  # what Python is told to end with where it is too old
$howTo = 'set the host variable cryptobot_python to the python.exe (3.9 or newer) that runs Cryptobot, ' +
    'for example C:\Python39\python.exe'
# What Python is started with. It must parse on any Python, also a very old one, to be able to say so. It reads one line
# of JSON that says how long the payload is, then the payload, and runs what it read; the request follows. Before that
# it answers the question in that line, which a program that only prints what it reads cannot.
$starter = "import sys;sys.version_info[:2]>=(3,9) or (" +
    "sys.stderr.write('.'.join(map(str,sys.version_info[:3]))+'\n'),sys.exit($tooOld));" +
    "import hashlib,io,json,zipfile;p=sys.stdin.buffer;h=json.loads(p.readline().decode('utf-8-sig'));" +
    "w=p.read(h['payload']);sys.stdout.write(hashlib.sha256((h['question']+' answered').encode()).hexdigest()+'\n');" +
    "sys.stdout.flush();z=zipfile.ZipFile(io.BytesIO(w));" +
    "exec(compile(z.read('__main__.py'),'__main__.py','exec'),{'__name__':'__main__','ARCHIVE':z,'HEAD':h})"

# --- the folder, which only administrators may change ---

function Get-Mask {
    # Given the rights of an entry, return them as a number; what is not known is all of them.
    param([string]$Text)
    if ($Text -match '^0x[0-9a-fA-F]+$') { return [Convert]::ToInt64($Text, 16) }
    if ($Text -notmatch '^([A-Z]{2})*$') { return -1L }
    $mask = 0L
    foreach ($pair in [regex]::Matches($Text, '..')) {
        if (-not $rights.ContainsKey($pair.Value)) { return -1L }
        $mask = $mask -bor $rights[$pair.Value]
    }
    $mask
}

function Get-Foreign {
    # Given a security descriptor, return what in it lets anybody but those who may do one of some things. Entries that
    # only what is made in the folder inherits count where the folder is our own.
    param([string]$Sddl, [string[]]$Who, [long]$Mask, [switch]$Inherited)
    $owner = [regex]::Match($Sddl, '^O:(S-[0-9-]+|[A-Z]{2})').Groups[1].Value
    if ($owner -notin $Who) { "the owner '$owner'" }
    $list = [regex]::Match($Sddl, 'D:[A-Z_]*((?:\([^()]*\))+)(?:S:|$)')
    if (-not $list.Success) { 'a list of grants that cannot be read' }
    foreach ($entry in [regex]::Matches($list.Groups[1].Value, '\(([^()]*)\)')) {
        $words = $entry.Groups[1].Value -split ';'  # type, flags, rights, two GUIDs, account
        $applies = $Inherited -or $words[1] -notmatch '^(..)*IO'
        $harmless = $words[0] -eq 'D' -or ($words[0] -eq 'A' -and $words[5] -in $Who) -or
            ($words[0] -eq 'A' -and -not ((Get-Mask $words[2]) -band $Mask))
        if ($applies -and -not $harmless) { "the grant $($entry.Value)" }
    }
}

function Get-Fault {
    # Given a folder, return why it is not what it must be, or nothing: a link, or another's.
    param([string]$Folder, [string[]]$Who, [long]$Mask, [switch]$Inherited)
    if ([IO.File]::GetAttributes($Folder) -band [IO.FileAttributes]::ReparsePoint) { return 'is a link' }
    $foreign = @(Get-Foreign (Get-Acl -LiteralPath $Folder).Sddl -Who $Who -Mask $Mask -Inherited:$Inherited)
    if ($foreign.Count) { "has $($foreign -join ', '), expected SYSTEM and the Administrators alone" }
}

function Get-FaultAbove {
    # Given a folder, return why one of those above it, from the drive down, could be exchanged, or nothing. Whoever can
    # exchange one of them can put another folder in the place of ours. Where all may make folders, as in ProgramData,
    # nobody can take away one that is there; what is not there yet is made by us.
    param([string]$Folder, [string[]]$Who)
    $above = @()
    for ($at = [IO.Path]::GetDirectoryName($Folder); $at; $at = [IO.Path]::GetDirectoryName($at)) {
        $above = @($at) + $above
    }
    foreach ($one in $above) {
        if (-not [IO.Directory]::Exists($one)) { return }
        # The root of a drive cannot be deleted itself, whatever its list says.
        $mask = if ($one -eq $above[0]) { $replacing -band (-bnot 0x10000) } else { $replacing }
        $fault = Get-Fault $one -Who $Who -Mask $mask
        if ($fault) { return "the folder '$one' above it $fault" }
    }
}

function Confirm-Protection {
    # Throw unless a folder is a real one and the administrators' alone, and nobody can exchange it.
    param([string]$Folder)
    $fault = Get-FaultAbove $Folder -Who $system
    if (-not $fault -and [IO.Directory]::Exists($Folder)) {
        $fault = Get-Fault $Folder -Who $trusted -Mask -1 -Inherited
        if ($fault) { $fault = "it $fault" }
    }
    if ($fault) {
        throw "the cache folder '$Folder' cannot be trusted: $fault; nothing was run. Look who made it, remove it, " +
            'or name another with the host variable cryptobot_bridge_dir'
    }
}

function Get-OwnAccount {
    # Return the SID of the account that this runs as, or nothing where the system has none.
    try { [Security.Principal.WindowsIdentity]::GetCurrent().User.Value } catch { return }
}

function Get-StateFault {
    # Given the folder in which the core keeps what it remembers, make it where it is missing and return why the core
    # cannot believe what lies in it, or an empty text. It may be this account's own; others may look, but not write.
    param([string]$Folder, [switch]$Make)
    $who = $system + @(Get-OwnAccount)
    try {
        $fault = Get-FaultAbove $Folder -Who $who
        if (-not $fault -and $Make -and -not [IO.Directory]::Exists($Folder)) { New-ProtectedFolder $Folder }
        if (-not $fault -and [IO.Directory]::Exists($Folder)) {
            $fault = Get-Fault $Folder -Who $who -Mask $putting -Inherited
            if ($fault) { $fault = "it $fault" }
        }
        "$fault"
    }
    catch { "it cannot be looked at: $($_.Exception.GetBaseException().Message)" }
}

function Set-Protection {
    # Hand a folder to the administrators, and throw where that did not succeed or something already lies in it.
    param([string]$Folder)
    $acl = Get-Acl -LiteralPath $Folder
    $acl.SetSecurityDescriptorSddlForm($protection)
    Set-Acl -LiteralPath $Folder -AclObject $acl
    $fault = Get-Fault $Folder -Who $trusted -Mask -1 -Inherited
    if ($fault) { throw "the folder '$Folder' $fault" }
    if ([IO.Directory]::GetFileSystemEntries($Folder).Length) {
        throw "the folder '$Folder' was not empty when it was made"
    }
}

function Move-Folder {
    # Give a folder its name.
    param([string]$From, [string]$To)
    [IO.Directory]::Move($From, $To)
}

function Move-File {
    # Give a file its name.
    param([string]$From, [string]$To)
    [IO.File]::Move($From, $To)
}

function Invoke-Patiently {
    # Do something to a name that others may hold for a moment, as virus scanners hold what is new, again and again for
    # a while. Throw what the last attempt threw; any other error is thrown at once.
    param([scriptblock]$Action)
    $clock = [Diagnostics.Stopwatch]::StartNew()
    while ($true) {
        try { return & $Action }
        catch {
            $code = $_.Exception.GetBaseException().HResult -band 0xffff  # a Windows error as an HRESULT
            if ($code -notin $held -or $clock.ElapsedMilliseconds -gt $patience) { throw }
        }
        Start-Sleep -Milliseconds 100
    }
}

function New-ProtectedFolder {
    # Make a folder and those above it that are missing. They get their name when they are protected, not before, so
    # that a run at the same time never sees them half made.
    param([string]$Folder)
    $top, $above = $Folder, [IO.Path]::GetDirectoryName($Folder)
    while (-not [IO.Directory]::Exists($above)) {
        if (-not $above) { throw "the folder '$Folder' cannot be made: its drive does not exist" }
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
        try { Invoke-Patiently { Move-Folder $stage $top } }
        catch { if (-not [IO.Directory]::Exists($Folder)) { throw } }
    }
    catch { throw "the folder '$Folder' cannot be made and protected: " + $_.Exception.GetBaseException().Message }
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
        Invoke-Patiently { Move-File $partial $Path }
    }
    catch {
        # A run at the same time may have been faster; what it left is checked like any other.
        $why = $_.Exception.GetBaseException().Message
        if (-not [IO.File]::Exists($Path)) { throw "the payload cannot be written to '$Path': $why" }
    }
    finally {
        try { [IO.File]::Delete($partial) } catch { Write-Debug -Message "'$partial' stays until it is swept" }
    }
}

function Clear-OldPayload {
    # Remove the payloads that nobody used for a week, and what was broken off a day ago. One that is in use at the
    # moment is open, and stays.
    param([string]$Folder, [string]$Keep)
    foreach ($file in [IO.Directory]::GetFiles($Folder)) {
        $after = $sweepAfter[[IO.Path]::GetExtension($file)]
        $old = $after -and [IO.File]::GetLastWriteTimeUtc($file) -lt [DateTime]::UtcNow - $after
        if ($old -and $file -ne $Keep) {
            try { [IO.File]::Delete($file) } catch { Write-Debug -Message "'$file' is in use" }
        }
    }
}

function Read-Payload {
    # Return the bytes of a payload, verified; remove a wrong one. They are what is run: nobody can exchange them.
    param([string]$Path, [string]$Hash)
    $stream = [IO.File]::Open($Path, [IO.FileMode]::Open, [IO.FileAccess]::Read, [IO.FileShare]::Read)
    try {
        $bytes = New-Object -TypeName byte[] -ArgumentList ([Math]::Min($stream.Length, $maxPayload))
        $read = 0
        while ($read -lt $bytes.Length) {
            $count = $stream.Read($bytes, $read, $bytes.Length - $read)
            if (-not $count) { break }
            $read += $count
        }
        $whole = $read -eq $bytes.Length -and $stream.ReadByte() -eq -1
    }
    finally { $stream.Dispose() }
    $seen = Get-Sha256 $bytes
    if ($whole -and $seen -eq $Hash) {
        try { [IO.File]::SetLastWriteTimeUtc($Path, [DateTime]::UtcNow) }  # in use: it is not swept
        catch { Write-Debug -Message "'$Path' is in use" }
        return , $bytes
    }
    [IO.File]::Delete($Path)
    throw "the payload '$Path' had the SHA-256 $seen, expected ${Hash}: it was changed on this host. It was not run " +
        'but removed; the next run brings it again. Look who can write to that folder'
}

# --- Python, which gets all by stdin, because anybody may read the words of a command line ---

function Find-Python {
    # Given a path, or a name to look for on PATH, return the path of an executable file. A name is no pattern.
    param([string]$Name)
    if ($Name -match '[\\/]') { if ([IO.File]::Exists($Name)) { return $Name } }
    elseif ([Management.Automation.WildcardPattern]::ContainsWildcardCharacters($Name)) {
        throw "cryptobot_python is '$Name', a pattern; expected a path or the name of one program: $howTo"
    }
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
    # Start a Python that waits for a payload, its standard streams in our hands.
    param([string]$Python)
    $start = New-Object -TypeName Diagnostics.ProcessStartInfo
    $start.FileName = $Python
    $start.Arguments = "-I -B -c $(ConvertTo-Argument $starter)"
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

function Get-Pipe {
    # Return how a stream is read: what was read last, what is kept of all, and how much came.
    param([IO.Stream]$Stream, [int]$Keep, [long]$Most, [string]$Name)
    $buffer = New-Object -TypeName byte[] -ArgumentList 65536
    @{
        stream = $Stream; buffer = $buffer; reading = $Stream.ReadAsync($buffer, 0, $buffer.Length)
        kept = New-Object -TypeName IO.MemoryStream; keep = $Keep; most = $Most; name = $Name; came = 0L; ended = $false
    }
}

function Step-Pipe {
    # Take what a stream has brought, and read on. At most twice of what is to be kept is held at any moment.
    param([hashtable]$Pipe)
    $count = try { $Pipe.reading.Result } catch { 0 }
    if (-not $count) { $Pipe.ended = $true; return }
    $Pipe.came += $count
    $Pipe.kept.Write($Pipe.buffer, 0, $count)
    if ($Pipe.kept.Length -gt 2L * $Pipe.keep) {
        $all = $Pipe.kept.ToArray()
        $Pipe.kept.SetLength(0)
        $Pipe.kept.Write($all, $all.Length - $Pipe.keep, $Pipe.keep)
    }
    $Pipe.reading = $Pipe.stream.ReadAsync($Pipe.buffer, 0, $Pipe.buffer.Length)
}

function Read-Pipes {
    # Read from all pipes until a moment has come, all have ended, or one brought too much: then return why.
    param([hashtable[]]$Pipes, [Diagnostics.Stopwatch]$Clock, [long]$Until)
    while ($Clock.ElapsedMilliseconds -lt $Until) {
        $open = @($Pipes | Where-Object { -not $_.ended })
        if (-not $open.Count) { return }
        $left = [int][Math]::Max(1, [Math]::Min(200, $Until - $Clock.ElapsedMilliseconds))
        $readings = [Threading.Tasks.Task[]]@($open | ForEach-Object { $_.reading })
        $ready = [Threading.Tasks.Task]::WaitAny($readings, $left)
        if ($ready -ge 0) {
            Step-Pipe $open[$ready]
            if ($open[$ready].came -gt $open[$ready].most) {
                return "printed more than $($open[$ready].most) bytes to its $($open[$ready].name)"
            }
        }
    }
}

function Join-Conversation {
    # Give a started process what it is to read and collect its output. Return why it must be ended, or nothing.
    param([Diagnostics.Process]$Process, [byte[]]$Given, [int]$Seconds, [hashtable[]]$Pipes)
    $clock = [Diagnostics.Stopwatch]::StartNew()
    $sending = $Process.StandardInput.BaseStream.WriteAsync($Given, 0, $Given.Length)
    $closed = $false
    while ($true) {
        if (-not $closed -and $sending.IsCompleted) {
            try { $Process.StandardInput.Close() } catch { Write-Debug -Message 'it has ended' }
            $closed = $true
        }
        $fault = Read-Pipes $Pipes $clock ($clock.ElapsedMilliseconds + 100)
        if ($fault) { return $fault }
        if (-not @($Pipes | Where-Object { -not $_.ended }).Count) { [void]$Process.WaitForExit(100) }
        if ($Process.HasExited) { break }
        if ($clock.Elapsed.TotalSeconds -ge $Seconds) {
            if (-not $closed) { return "did not read its request within $Seconds s" }
            return "did not end within the $Seconds s that it may take"
        }
    }
    # What it started may still hold the pipes; what it said itself is there by then.
    Read-Pipes $Pipes $clock ($clock.ElapsedMilliseconds + $lastWords)
}

function Get-Given {
    # Return what Python is to read: a line that says how much follows, the payload, the request.
    param([byte[]]$Payload, [string]$Request, [string]$Question, [hashtable]$Folders)
    $told = @{ payload = $Payload.Length; question = $Question; folders = $Folders }
    $head = ConvertTo-Json -Compress -InputObject $told
    $head = [regex]::Replace($head, '[^\x20-\x7e]', { param($match) '\u{0:x4}' -f [int][char]$match.Value })
    $given = New-Object -TypeName IO.MemoryStream
    $ascii = [Text.Encoding]::ASCII
    foreach ($part in $ascii.GetBytes("$head`n"), $Payload, $ascii.GetBytes("$Request`n")) {
        $given.Write($part, 0, $part.Length)
    }
    , $given.ToArray()
}

function Invoke-Payload {
    # Run a payload to its end and return its exit code, what it printed, and why it was ended if it had to be.
    param([string]$Python, [byte[]]$Payload, [string]$Request, [int]$Seconds, [hashtable]$Folders)
    $question = [guid]::NewGuid().ToString('N') + [guid]::NewGuid().ToString('N')
    $process = Start-Python $Python
    $pipes = @(
        Get-Pipe $process.StandardOutput.BaseStream $maxAnswer $maxAnswer 'standard output'
        Get-Pipe $process.StandardError.BaseStream $keptStderr $maxStderr 'standard error'
    )
    try { $fault = Join-Conversation $process (Get-Given $Payload $Request $question $Folders) $Seconds $pipes }
    finally { if (-not $process.HasExited) { Stop-Tree $process } }
    @{
        fault = $fault
        rc = $process.ExitCode
        stdout = [Text.Encoding]::UTF8.GetString($pipes[0].kept.ToArray()).TrimEnd()
        stderr = [Text.Encoding]::UTF8.GetString($pipes[1].kept.ToArray()).TrimEnd()
        cut = $pipes[1].came -gt $pipes[1].kept.Length
        answer = Get-Sha256 ([Text.Encoding]::ASCII.GetBytes("$question answered"))
    }
}

function Get-Line {
    # Given a run, return the line of JSON that it ended with after it had proved that it ran our payload, or nothing. A
    # program that prints what it reads proves nothing, so what it was given never passes for an answer.
    param([hashtable]$Run)
    if ($Run.fault -or $Run.rc -ne 0) { return }
    $at = $Run.stdout.IndexOf($Run.answer)
    if ($at -lt 0) { return }
    $said = $Run.stdout.Substring($at + $Run.answer.Length).Trim()
    if ($said.Length -lt 2 -or $said.IndexOf([char]10) -ge 0) { return }
    if ($said[0] -eq '{' -and $said[$said.Length - 1] -eq '}') { $said }
}

# --- words of others, in which nothing of what was sent may be shown ---

function Get-Form {
    # Given a secret, return the ways in which a program may print it: as it is, as JSON, as Python's repr.
    param([string]$Secret)
    $backslashes = $Secret.Replace('\', '\\').Replace("`n", '\n').Replace("`r", '\r').Replace("`t", '\t')
    foreach ($form in $Secret, $backslashes, $backslashes.Replace('"', '\"'), $backslashes.Replace("'", "\'")) {
        $form
        $ascii = [regex]::Replace($form, '[^\x20-\x7e]', { param($match) '\u{0:x4}' -f [int][char]$match.Value })
        $ascii
        $ascii.Replace('\', '\\').Replace('"', '\"')  # JSON within JSON
    }
}

function Get-AllForm {
    # Given secrets, return all their forms, the longest first: one may be a part of another.
    param([string[]]$Secrets)
    $forms = @($Secrets | Where-Object { $_ } | ForEach-Object { Get-Form $_ } | Select-Object -Unique)
    @($forms | Sort-Object -Property Length -Descending)
}

function Get-Plain {
    # Given text, return it without what quoting adds: spaces, quotes, backslashes.
    param([string]$Text)
    [regex]::Replace($Text, '[\s"''\\]+', '')
}

function Test-Echo {
    # Whether text repeats what was sent: 48 characters in a row, however they are quoted, or the names of its parts.
    param([string]$Text, [string]$Request)
    $said, $sent = (Get-Plain $Text), (Get-Plain $Request)
    # Of the payload, which is sent too, the names in it are text; text itself never has a NUL in it.
    if ($said.IndexOf([char]0) -ge 0 -or $said -match 'PK[\x01-\x06]') { return $true }
    if ($said -match 'area:.*params:|params:.*area:|secrets:\[|question:[0-9a-f]{32}') { return $true }
    for ($at = 0; $at + 32 -le $said.Length; $at += 16) {
        if ($sent.IndexOf($said.Substring($at, 32), [StringComparison]::Ordinal) -ge 0) { return $true }
    }
    $false
}

function Get-Shown {
    # Given others' words, return what of them may be shown: nothing of what was sent, no secret, a bounded end. Where
    # the beginning is missing, a secret may have lost its own: so much as the longest could be is left out too. What
    # proved that it runs our payload hides the secrets itself, and may name a path that it was given.
    param([string]$Text, [Collections.IDictionary]$Options, [bool]$Cut, [bool]$Proven)
    if (-not $Proven -and (Test-Echo $Text $Options.request)) {
        return '(it repeats what it was given, which is not shown)'
    }
    $forms = @(Get-AllForm $Options.secrets)
    foreach ($form in $forms) { $Text = $Text.Replace($form, '********') }
    if ($Cut -and $forms.Count) { $Text = $Text.Substring([Math]::Min($Text.Length, $forms[0].Length)) }
    $Text.Substring([Math]::Max(0, $Text.Length - $shownStderr))
}

function Get-Short {
    # Given a line, return its beginning, printable.
    param([string]$Text)
    $line = [regex]::Replace($Text.Trim(), '[\x00-\x1f\x7f]+', ' ')
    if ($line.Length -gt $shownLine) { $line.Substring(0, $shownLine) + '...' } else { $line }
}

function Get-Reason {
    # Given a run that gave no answer and what may be shown of its words, return why, in one sentence.
    param([string]$Python, [hashtable]$Run, [string]$Stdout, [string]$Stderr)
    $last = Get-Short @($Stderr -split "`r?`n")[-1]
    $unfit = "expected 3.9 or newer: $howTo"
    if ($Run.fault) { return "'$Python' $($Run.fault); it was ended, and all that it had started" }
    if ($Run.rc -eq $tooOld) { return "'$Python' is Python $last, $unfit" }
    if ($Stderr -match 'Unknown option: -I') { return "'$Python' is a Python older than 3.4, $unfit" }
    if ($Stderr -match '(?m)^Traceback ') { return "the core stopped at a defect, please report it: $last" }
    if ($Run.rc -eq 9009 -or $Python -match '[\\/]WindowsApps[\\/]') {
        return "'$Python' is not a Python but the alias that leads to the Microsoft Store: $howTo"
    }
    if ($Stdout) {
        return "'$Python' printed something else than the answer, which begins with '$(Get-Short $Stdout)' " +
            "(exit code $($Run.rc)); a Python that greets, or a wrapper script, cannot be used: $howTo"
    }
    "'$Python' ended with exit code $($Run.rc) and no answer ($last); where that is no Python: $howTo"
}

# --- the whole of it ---

function Get-Payload {
    # Return the bytes of the payload, verified, or nothing where it is not on this host and was not sent.
    param([Collections.IDictionary]$Options)
    $path = [IO.Path]::Combine($Options.dir, "$($Options.payload_sha256).zip")
    Confirm-Protection $Options.dir
    if (-not [IO.Directory]::Exists($Options.dir)) { New-ProtectedFolder $Options.dir }
    Confirm-Protection $Options.dir
    if (-not [IO.File]::Exists($path)) {
        if (-not $Options.payload) { return }
        Save-Payload $path $Options.payload_sha256 $Options.payload
        Clear-OldPayload $Options.dir $path
    }
    , (Read-Payload $path $Options.payload_sha256)
}

function Get-Answer {
    # Run a request and return the answer, one line of JSON. Throw where there is none.
    param([Collections.IDictionary]$Options, [byte[]]$Payload, [hashtable]$Folders, [Collections.IDictionary]$Result)
    $python = Find-Python $Options.python
    $run = Invoke-Payload $python $Payload $Options.request $Options.timeout $Folders
    $line = Get-Line $run
    if ($line) { return $line }
    $proven = $run.stdout.Contains($run.answer)
    $said = $run.stdout.Substring(0, [Math]::Min($run.stdout.Length, $shownStderr)).Replace($run.answer, '').Trim()
    $stdout = Get-Shown $said $Options $false $proven
    $Result.rc = $run.rc
    $Result.stderr = Get-Shown $run.stderr $Options $run.cut $proven
    throw (Get-Reason $python $run $stdout $Result.stderr)
}

function Get-WholePath {
    # Given a path as an operator writes it, return it from the drive down, without dots and the last separator.
    param([string]$Path, [string]$Name)
    if ($Path -match '^~(?=$|[\\/])') { $Path = "$env:USERPROFILE" + $Path.Substring(1) }
    if (-not [IO.Path]::IsPathRooted($Path)) { throw "$Name is '$Path', expected a path that begins with a drive" }
    $whole = [IO.Path]::GetFullPath($Path)
    if ([IO.Path]::GetPathRoot($whole) -eq $whole) { throw "$Name is '$Path', expected a folder, not a whole drive" }
    $whole.TrimEnd([IO.Path]::DirectorySeparatorChar, [IO.Path]::AltDirectorySeparatorChar)
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
$answer = $null
try {
    Confirm-Options $module.Params
    $module.Params.dir = Get-WholePath $module.Params.dir 'cryptobot_bridge_dir'
    $payload = Get-Payload $module.Params
    $module.Result.payload_present = $null -ne $payload
    if (-not $payload -and $module.Params.detached) {
        throw 'nothing was run: the core was removed from this host since it was asked for; run the task again'
    }
    if ($payload -and $module.Params.request) {
        $folders = @{}
        if ($module.Params.state_dir) {
            $state = Get-WholePath $module.Params.state_dir 'state_dir'
            $folders[$state] = Get-StateFault $state -Make:(-not $module.CheckMode)
        }
        $answer = Get-Answer $module.Params $payload $folders $module.Result
    }
}
catch { $module.FailJson($_.Exception.GetBaseException().Message, $_) }

# The core's answer is the result of a module already: it goes on as it is, whatever its size.
if ($answer) { $answer } else { $module.ExitJson() }
