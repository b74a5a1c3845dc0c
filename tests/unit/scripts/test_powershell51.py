# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the check for Windows PowerShell 5.1 must see, and what it must leave alone; one line of PowerShell each."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
CHECK = CHECKOUT / "scripts" / "lint" / "powershell51.ps1"

# (a script, a word of the complaint)
NEWER = [
    ("$a = $b ? 1 : 2", "a ? b : c"),
    ("Get-Item x && Get-Item y", "&& and ||"),
    ("Get-Item x || Get-Item y", "&& and ||"),
    ("$a = $b ?? 3", "the operator ??"),
    ("$a ??= 3", "the operator ??="),
    ("${a}?.Length", "the operator ?."),
    ("${a}?[0]", "the operator ?["),
    ("Get-ChildItem x\n| Select-Object -First 1", "begins with |"),
    ('"`u{1F600}"', "the escape"),
    ('"`e[0m"', "the escape"),
    ("$x = 5n", "the number 5n"),
    ("$x = 0b11", "the number 0b11"),
    ("$x = 0xffu", "the number 0xffu"),
    ("Get-Item x &", "in the background"),
    ("function f { clean { 1 } }", "a clean block"),
    ("if ($IsWindows) { 1 }", "the variable $IsWindows"),
    ("Test-Json '{}'", "the command Test-Json"),
    ("Get-WmiObject Win32_Service", "the command Get-WmiObject"),
    ("1..3 | ForEach-Object -Parallel { $_ }", "ForEach-Object -Parallel"),
    ("1..3 | % -Para { $_ }", "ForEach-Object -Parallel"),
    ("ConvertFrom-Json '{}' -AsHashtable", "ConvertFrom-Json -AsHashtable"),
    ("Get-Content x -Encoding utf8NoBOM", "-Encoding utf8NoBOM"),
    ("Join-Path a b c", "more than two parts"),
    ("$process.Kill($true)", ".Kill"),
    ("[Convert]::ToHexString($bytes)", ".ToHexString"),
    ("$start.ArgumentList.Add('x')", ".ArgumentList"),
    ("if ($x) { $process.Kill($true) }", ".Kill"),
    ("if ((", "a mistake"),
]
FINE = [
    "$process.Kill()",
    "if ($PSVersionTable.PSVersion.Major -gt 5) { $process.Kill($true) }",
    "if ($x) { 1 } elseif ($PSVersionTable.PSEdition -eq 'Core') { $process.Kill($true) }",
    "$x = 10KB + 0x1f + 12 + 1.5e3 + 1L + 2d",
    '"a `n b `$c ``e" -match "?.:"',
    "'`e `u{1}'",
    "1..3 | ForEach-Object { $_ } | Where-Object { $_ -and 1 -or 2 } | Sort-Object -Descending",
    "Get-Content x -Encoding UTF8 -Raw",
    "ConvertTo-Json -InputObject $x -Depth 99 -Compress",
    "Join-Path -Path a -ChildPath b",
    "Join-Path a b",
    "[Text.UTF8Encoding]::new($false)",
    "using namespace System.IO\nclass A { [int]$X }",
    "Get-CimInstance -ClassName Win32_Service",
]


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the check says of each script, in one run: PowerShell takes a while to start."""
    if shutil.which("pwsh") is None:
        reason = "PowerShell is needed: no `pwsh` on PATH"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    folder = tmp_path_factory.mktemp("scripts")
    scripts = {f"{number}.ps1": text for number, text in enumerate([*(text for text, _word in NEWER), *FINE])}
    for name, text in scripts.items():
        (folder / name).write_text(text, encoding="utf-8")
    argv = ["pwsh", "-NoProfile", "-File", str(CHECK), *scripts]
    ended = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
    assert ended.returncode == 1, ended.stderr
    said = [line.split(":", 2) for line in ended.stdout.splitlines()]
    return {text: "".join(words[2] for words in said if words[0] == name) for name, text in scripts.items()}


@pytest.mark.parametrize(("script", "word"), NEWER)
def test_what_came_later_is_named(script: str, word: str, complaints: dict[str, str]) -> None:
    assert word in complaints[script]


@pytest.mark.parametrize("script", FINE)
def test_what_both_have_is_left_alone(script: str, complaints: dict[str, str]) -> None:
    assert complaints[script] == ""


def test_the_scripts_of_the_collection_run_in_both() -> None:
    if shutil.which("pwsh") is None:
        pytest.skip("PowerShell is needed: no `pwsh` on PATH")
    ended = subprocess.run(["scripts/lint/powershell.sh"], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "")


def test_the_expressions_that_the_core_sends_are_among_what_is_looked_at(tmp_path: Path) -> None:
    argv = [sys.executable, str(CHECKOUT / "scripts" / "lint" / "queries.py"), str(tmp_path)]
    assert subprocess.run(argv, check=False).returncode == 0
    written = {path.name for path in tmp_path.iterdir()}
    core = CHECKOUT / "plugins" / "module_utils"
    files = {*core.glob("**/windows/queries.py"), *core.glob("**/windows_queries.py")}
    areas = {".".join(path.relative_to(core).with_suffix("").parts) for path in files}
    assert areas
    assert [area for area in areas if not any(name.startswith(f"{area}.") for name in written)] == []


def test_an_expression_that_only_powershell_7_understands_is_named(tmp_path: Path) -> None:
    if shutil.which("pwsh") is None:
        pytest.skip("PowerShell is needed: no `pwsh` on PATH")
    copy = tmp_path / "copy"
    for name in ("plugins/module_utils", "scripts/lint"):
        shutil.copytree(CHECKOUT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "tests").mkdir()
    shutil.copy(CHECKOUT / "tests" / "conftest.py", copy / "tests")
    queries = copy / "plugins" / "module_utils" / "sockets" / "windows_queries.py"
    queries.write_text(queries.read_text("utf-8") + '\nNEWER = "$a ? (Get-Process) : 1"\n', encoding="utf-8")
    subprocess.run(["git", "init", "-q"], cwd=copy, check=True)
    ended = subprocess.run(["scripts/lint/powershell.sh"], cwd=copy, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "sockets.windows_queries.NEWER.ps1:1" in ended.stdout
