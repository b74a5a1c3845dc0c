# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An event log that is refused, gone, down, cleared, full or switched off is not one without events."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils import powershell
from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import CoreError, ParseError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.event_log import found, parse_reach, reach
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import choose_host
from ansible_collections.cryptobot.maintenance.plugins.module_utils.powershell import Answers, ask

pytestmark = pytest.mark.case("WN1")

# The double of Get-WinEvent, which errs as its source does; it asks Read-Log, below, for the logs.
WINEVENT = Path(__file__).resolve().parents[3] / "integration/windows/host/modules/Recorded/Get-WinEvent.ps1"
READ_LOG = """
function Read-Log([string]$name) {
    if ($name -ne 'System') { return }
    $now = [datetime]::UtcNow
    $events = foreach ($minutes in __MINUTES__) {
        [pscustomobject]@{ Id = 7034; ProviderName = 'Service Control Manager'
            TimeCreated = $now.AddMinutes(-$minutes) }
    }
    @{ Events = @($events); Enabled = $true; Mode = 'Circular'; Full = $false; Fails = '__FAILS__' }
}
"""
Asked = Callable[..., Answers]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """PowerShell's own engine, asked for what ended in the last hour; the events are so many minutes old."""
    if shutil.which("pwsh") is None:
        reason = "PowerShell is needed: no `pwsh` on PATH"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    monkeypatch.setattr(powershell, "ARGV", ("pwsh", *powershell.ARGV[1:]))
    begin = powershell._BEGIN

    def ask_it(minutes: list[int], fails: str = "", log: str = "System") -> Answers:
        logs = READ_LOG.replace("__MINUTES__", f"@({','.join(map(str, minutes))})").replace("__FAILS__", fails)
        monkeypatch.setattr(powershell, "_BEGIN", begin + logs + WINEVENT.read_text("utf-8"))
        ended = found(log, "Service Control Manager", (7031, 7034), 3600, 50, "[pscustomobject]@{ Id = $_.Id }")
        return ask(choose_host(60.0), {"ended": ended, "reach": reach((log,))})

    return ask_it


@pytest.mark.parametrize(("minutes", "count"), [([], 0), ([90], 0), ([5, 59], 2), ([5, 61], 1)])
def test_no_events_in_the_window_are_an_answer(asked: Asked, minutes: list[int], count: int) -> None:
    assert len(asked(minutes)["ended"]) == count


@pytest.mark.parametrize(("fails", "log", "reason"), [
    ("refused", "System", "unauthorized operation"),
    ("down", "System", "RPC server is unavailable"),
    ("", "Gone", "There is not an event log on the localhost computer that matches"),
])  # fmt: skip
def test_a_log_that_cannot_be_looked_at_is_an_error_that_says_why(
    asked: Asked, fails: str, log: str, reason: str
) -> None:
    answers = asked([5], fails, log)
    for query in ("ended", "reach"):
        with pytest.raises(CoreError, match=reason):
            answers[query]


@pytest.mark.case("L1a")
def test_a_cleared_log_is_there_and_reaches_nowhere(asked: Asked) -> None:
    answers = asked([])
    since, doubts = parse_reach("reach", answers["reach"], ("System",))
    assert (since, "empty" in doubts[0]) == (None, True)


def test_a_log_reaches_back_to_its_oldest_event(asked: Asked) -> None:
    (row,) = asked([5, 120, 61])["reach"]
    assert {name: row[name] for name in ("Log", "Enabled", "Mode", "Full")} == {
        "Log": "System", "Enabled": True, "Mode": "Circular", "Full": False,
    }  # fmt: skip
    since, doubts = parse_reach("reach", [row], ("System",))
    now = choose_host(1.0).now()
    assert since is not None
    assert (round((now - since) / 60), doubts) == (120, ())


WHOLE = {"Log": "System", "Enabled": True, "Mode": "Circular", "Full": False, "Oldest": "2026-11-01T00:00:10.000Z"}
OTHER = {**WHOLE, "Log": "Application", "Oldest": "2026-11-01T00:00:20.000Z"}
BEGIN = 1793491210.0
REACHES: list[tuple[str, list[dict[str, Any]], Optional[float], tuple[str, ...]]] = [
    ("both whole: the later one counts", [WHOLE, OTHER], BEGIN + 10, ()),
    ("one is not told", [WHOLE], None, ("how far back the Application log",)),
    ("none is told", [], None, ("how far back the System log", "how far back the Application log")),
    ("one is empty", [WHOLE, {**OTHER, "Oldest": None}], None, ("the Application log is empty",)),
    ("one is off", [WHOLE, {**OTHER, "Enabled": False}], BEGIN + 10, ("the Application log is switched off",)),
    ("it is not told whether it is on", [WHOLE, {**OTHER, "Enabled": None}], BEGIN + 10, ("the Application log is",)),
    ("full, and takes no more", [{**WHOLE, "Mode": "Retain", "Full": True}, OTHER], BEGIN + 10, ("newer ones were",)),
    ("would take no more, but is not full", [{**WHOLE, "Mode": "Retain"}, OTHER], BEGIN + 10, ()),
    ("full, and gives up its oldest", [{**WHOLE, "Full": True}, OTHER], BEGIN + 10, ()),
]


@pytest.mark.parametrize(("rows", "since", "doubts"), [row[1:] for row in REACHES], ids=[row[0] for row in REACHES])
def test_logs_tell_as_much_as_the_one_that_tells_least(
    rows: list[dict[str, Any]], since: Optional[float], doubts: tuple[str, ...]
) -> None:
    told, why = parse_reach("reach", rows, ("System", "Application"))
    assert told == since
    assert len(why) == len(doubts)
    assert all(doubt in one for doubt, one in zip(doubts, why))


def test_an_answer_of_another_form_is_an_error() -> None:
    for odd in (["text"], [{**WHOLE, "Oldest": "yesterday"}]):
        with pytest.raises(ParseError):
            parse_reach("reach", odd, ("System",))
