# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A service whose stop was begun and failed: whether it is said to run on as before, and how long that is awaited."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Optional

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ActionFailed, CoreError, ToolTimeout
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart import put_back
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.ending import (
    CommandFailed,
    Refused,
    Survived,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.model import Before, Progress, Situation
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.declared import Service

from ..services.builders import make_observed, make_process, make_snapshot
from .test_signals import _files

SCRIPT, JOB = Service("a", pid_file="/run/a.pid"), Service("a", unit="org.a", managed_by="launchd")
MAIN = make_process(began=10.0)
LATER = make_process(began=11.0)


class Host(FakeHost):
    """A host on which process 41 runs, until it has ended after ``ends`` seconds (None: it does not)."""

    def __init__(self, process: Any, ends: Optional[float]) -> None:
        super().__init__()
        self.ends = ends
        self.files.update(_files(process))

    def pause(self, seconds: float) -> None:
        super().pause(seconds)
        if self.ends is not None and sum(self.paused) >= self.ends:
            self.files.clear()


def _runs_on(
    monkeypatch: pytest.MonkeyPatch,
    failed: Optional[CoreError] = None,
    again: Optional[CoreError] = None,
    *,
    service: Service = SCRIPT,
    process: Any = MAIN,
    ends: Optional[float] = None,
) -> tuple[bool, str, float, int]:
    """Return the answer, what is said, for how many seconds was waited, and how often it was ended again."""
    tried = []

    def end(_stage: Any, _name: str, timeout: float) -> None:
        tried.append(timeout)
        if again:
            raise again

    monkeypatch.setattr(put_back, "end_service", end)
    host = Host(process, ends)
    seen = make_observed(service, unit=None, main=MAIN)
    stage: Any = SimpleNamespace(
        host=host,
        options=SimpleNamespace(stop_timeout=5.0, rollback_timeout=3.0),
        situation=Situation((service,)),
        before=Before(make_snapshot(seen), {}, {}),
        failed={"a": failed} if failed else {},
        progress=Progress(),
    )
    answer = put_back._runs_on(stage, "a")
    return answer, stage.progress.refused.get("a", ""), round(sum(host.paused)), len(tried)


SAID = "it was not stopped, and runs on as before: "
# What the stop failed with, and the next (None: it did not), the rest; answer, what is said, seconds waited, stops.
ENDS = [
    ("refused", Refused("x"), None, {}, (True, SAID + "x", 0, 0)),
    ("refused, and it is another by now", Refused("x"), None, {"process": LATER}, (False, "", 0, 0)),
    ("its command failed", CommandFailed("x"), None, {}, (True, SAID + "x", 3, 0)),
    ("its command failed, and it ends", CommandFailed("x"), None, {"ends": 2.0}, (False, "", 2, 0)),
    ("interrupted", None, None, {}, (False, "", 0, 1)),
    ("interrupted, then refused", None, Refused("y"), {}, (True, SAID + "y", 3, 1)),
    ("interrupted, then refused, and it ends", None, Refused("y"), {"ends": 1.0}, (False, "", 1, 1)),
    ("the time was over", ToolTimeout("it", 1.0), None, {}, (False, "", 0, 1)),
    ("may not be signalled", ActionFailed("x"), ActionFailed("y"), {}, (True, SAID + "y", 3, 1)),
]


@pytest.mark.parametrize(("failed", "again", "given", "wanted"), [r[1:] for r in ENDS], ids=[r[0] for r in ENDS])
def test_what_was_not_touched_runs_on_and_what_may_end_is_waited_for(
    failed: Optional[CoreError],
    again: Optional[CoreError],
    given: dict[str, Any],
    wanted: tuple[bool, str, float, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert _runs_on(monkeypatch, failed, again, **given) == wanted


TOUCHED = [
    ("killed and still there", Survived("x"), SCRIPT),
    ("the time is over", ToolTimeout("it", 1.0), SCRIPT),
    ("a job of launchd", ActionFailed("x"), JOB),
]


@pytest.mark.parametrize(("again", "service"), [r[1:] for r in TOUCHED], ids=[r[0] for r in TOUCHED])
def test_what_was_touched_and_does_not_end_is_not_said_to_run_on(
    again: CoreError, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(type(again)):
        _runs_on(monkeypatch, ActionFailed("first"), again, service=service)


@pytest.mark.parametrize(("platform", "poll"), [("linux", 0.05), ("darwin", 0.05), ("windows", 1.0)])
def test_each_look_on_windows_is_a_powershell(platform: str, poll: float, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[Any] = []
    monkeypatch.setattr(put_back, "await_end", lambda _host, handles, timeout, every: looks.append((timeout, every)))
    before = Before(make_snapshot(make_observed(SCRIPT, unit=None, main=MAIN)), {}, {})
    stage: Any = SimpleNamespace(host=FakeHost(platform), before=before)
    put_back._is_untouched(stage, "a", 7.0)
    assert looks == [(7.0, poll)]
