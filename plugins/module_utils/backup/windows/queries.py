# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Windows is asked, in words that Windows PowerShell 5.1 and 7 understand. No answer depends on its language."""

from __future__ import annotations

from collections.abc import Sequence

from ...powershell import literal

# The alternate data streams of $path, which is number $number. What a file is refused is an error that does not stop
# Get-Item by itself; of folders 5.1 knows no streams and says so by such an error.
STREAMS = """
if ($sddl -ne 'denied') {
    $folder = [IO.Directory]::Exists($path)
    try {
        foreach ($one in @(Get-Item -LiteralPath $path -Stream * -Force -ErrorAction Stop)) {
            if ($one.Stream -and $one.Stream -ne ':$DATA') {
                [pscustomobject]@{ stream = [string]$one.Stream; size = [long]$one.Length; of = [string]$number }
            }
        }
    } catch { if (-not $folder) { $refused = $_.Exception.Message; $unlisted++ } }
}
"""


def descriptors(paths: Sequence[str], seconds: int, *, streams: bool) -> str:
    """Given paths, return the query for the security descriptor of each, and where wanted its alternate data streams.

    Line breaks cannot be in a path of Windows, so many paths travel as one text. What many paths share is answered
    once, with the numbers of the paths that have it. Those that it does not come to within ``seconds`` are answered as
    ``late``, those that it may not look at as ``denied``; ``refused`` says why the streams of ``count`` paths could not
    be listed.
    """
    joined, looking = literal("\n".join(paths)), STREAMS if streams else ""
    return f"""
$until = [datetime]::UtcNow.AddSeconds({int(seconds)})
$numbers = @{{}}
$refused = ''
$unlisted = 0
$number = -1
foreach ($path in ({joined}).Split([char]10)) {{
    $number++
    $sddl = 'late'
    if ([datetime]::UtcNow -lt $until) {{
        try {{ $sddl = [string](Get-Acl -LiteralPath $path).Sddl }} catch {{ $sddl = 'denied' }}
        {looking}
    }}
    if (-not $numbers.ContainsKey($sddl)) {{ $numbers[$sddl] = New-Object 'System.Collections.Generic.List[int]' }}
    $numbers[$sddl].Add($number)
}}
foreach ($sddl in @($numbers.Keys)) {{ [pscustomobject]@{{ sddl = $sddl; of = $numbers[$sddl] -join ',' }} }}
if ($refused) {{ [pscustomobject]@{{ refused = $refused; count = $unlisted }} }}
"""


def protect(paths: Sequence[str], descriptor: str) -> str:
    """Given folders and the security descriptor that they are to have, return the query that gives it to them."""
    return f"""
foreach ($path in {literal(list(paths))}) {{
    $acl = Get-Acl -LiteralPath $path
    $acl.SetSecurityDescriptorSddlForm({literal(descriptor)})
    Set-Acl -LiteralPath $path -AclObject $acl
}}
"""
