# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The orders to Windows, carried out by the real engine of PowerShell over a manager that is a few functions."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils import powershell
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ActionFailed
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host
from ansible_collections.cryptobot.maintenance.plugins.module_utils.powershell import ask
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.windows import parse_ties, stop_service
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.windows_queries import (
    create,
    start,
    stop,
    ties,
)

NAME = 'it\'s "quoted" $(x) [1]*'
# Get-Service answers one state after another; what the cmdlets of Windows do not have fails here as it would there.
MANAGER = r"""
$script:states = [Collections.Queue]@({states})
$script:log = @()
function Get-Service {{
    [CmdletBinding()] param([string]$Name)
    if ($Name -cnotlike '*`*' -and '{name}' -notlike $Name) {{ throw "no service by the pattern $Name" }}
    $state = if ($script:states.Count -gt 1) {{ $script:states.Dequeue() }} else {{ $script:states.Peek() }}
    [pscustomobject]@{{ Name = '{name}'; Status = $state; StartType = 'Automatic'; CanStop = $true
        DependentServices = @([pscustomobject]@{{ Name = 'B'; Status = 'Running' }},
            [pscustomobject]@{{ Name = 'C'; Status = 'Stopped' }}) }}
}}
function Stop-Service {{ [CmdletBinding()] param([string]$Name, [switch]$NoWait) $script:log += "stop $NoWait" }}
function Start-Service {{ [CmdletBinding()] param([string]$Name) $script:log += 'start' }}
function Invoke-CimMethod {{
    param($ClassName, $MethodName, $Arguments)
    [pscustomobject]@{{ ReturnValue = [uint32]0; ProcessId = [uint32]77
        Said = "$($Arguments.CommandLine) in $($Arguments.CurrentDirectory)" }}
}}
"""


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("pwsh") is None:
        reason = "PowerShell is needed: no `pwsh` on PATH"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    monkeypatch.setattr(powershell, "ARGV", ("pwsh", *powershell.ARGV[1:]))


def _asked(monkeypatch: pytest.MonkeyPatch, query: str, *states: str) -> tuple[list[Any], list[str]]:
    """Return what a query answers where a service goes through these states, and what was ordered."""
    listed = ", ".join(f"'{state}'" for state in states)
    manager = MANAGER.format(states=listed, name=NAME.replace("'", "''"))
    monkeypatch.setattr(powershell, "_BEGIN", powershell._BEGIN + manager)
    answers = ask(choose_host(60.0), {"asked": query, "log": "$script:log"})
    return answers["asked"], answers["log"]


STOPS = [
    (("Running", "Running", "Stopped"), "Stopped", ["stop True"]),
    (("Stopped",), "Stopped", []),
    (("StopPending", "StopPending", "Stopped"), "Stopped", []),  # no order while it is pending
    (("StartPending", "Running", "Stopped"), "Stopped", ["stop True"]),
    (("Paused", "Stopped"), "Stopped", ["stop True"]),
    (("Running",), "Running", ["stop True"]),  # it never stops: the time limit ends the wait
]


@pytest.mark.parametrize(("states", "end", "ordered"), STOPS)
def test_a_service_is_told_to_stop_once_and_waited_for(
    states: tuple[str, ...], end: str, ordered: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = 30.0 if end == "Stopped" else 1.0
    assert _asked(monkeypatch, stop(NAME, limit), *states) == ([{"Status": end}], ordered)


STARTS = [
    (("Stopped", "StartPending", "Running"), "Running", ["start"]),
    (("Running",), "Running", []),
    (("StopPending", "Stopped", "Running"), "Running", ["start"]),
    (("Stopped", "Stopped"), "Stopped", ["start"]),  # it ended at once: nothing to wait for
    (("StartPending",), "StartPending", []),
]


@pytest.mark.parametrize(("states", "end", "ordered"), STARTS)
def test_a_service_is_told_to_start_once_and_waited_for(
    states: tuple[str, ...], end: str, ordered: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = 1.0 if end == "StartPending" else 30.0
    assert _asked(monkeypatch, start(NAME, limit), *states) == ([{"Status": end}], ordered)


def test_the_ties_of_a_service_are_what_the_parser_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    (row,), _ordered = _asked(monkeypatch, ties([NAME]), "Running")
    known = parse_ties(row)
    assert (known.name, known.start_type, known.can_stop, known.dependents) == (NAME, "Automatic", True, ("B",))


def test_a_process_is_made_with_its_words_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["C:\\Program Files\\py.exe", "it's", "$(x)"]
    made, _ordered = _asked(monkeypatch, create(words, "C:\\it's") + "\n$made.Said", "Running")
    assert made == [{"ReturnValue": 0, "ProcessId": 77}, "\"C:\\Program Files\\py.exe\" it's $(x) in C:\\it's"]


def test_a_refusal_is_told_in_the_words_of_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    refusing = "function Get-Service { throw 'Der Dienst hat abhängige Dienste.' }\n"
    monkeypatch.setattr(powershell, "_BEGIN", powershell._BEGIN + refusing)
    with pytest.raises(ActionFailed, match="does not stop: Der Dienst hat abhängige Dienste"):
        stop_service(choose_host(60.0), "x", 1.0)


def test_the_queries_are_text_that_windows_powershell_knows(tmp_path: Path) -> None:
    check = Path(__file__).parents[5] / "scripts" / "lint" / "powershell51.ps1"
    for number, query in enumerate([stop(NAME, 1.0), start(NAME, 1.0), ties([NAME]), create(["a b"], "C:\\x")]):
        (tmp_path / f"{number}.ps1").write_text(query)
    argv = ["pwsh", "-NoProfile", "-File", str(check), *map(str, sorted(tmp_path.glob("*.ps1")))]
    done = choose_host(60.0).run(argv, expect=None)
    assert (done.rc, done.stdout) == (0, "")
