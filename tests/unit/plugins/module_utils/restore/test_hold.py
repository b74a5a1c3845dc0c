# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Holding units down: what is written and in which order it goes, a stop that somebody cancels, a proof that fails.

The double answers as systemd does: a start job that is refused by an assertion leaves the unit inactive, a start that
somebody gives meanwhile cancels a stop. On a real systemd it is tried in tests/integration/fleet/test_restore.py.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ActionFailed
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restore import hold
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.declared import Service

UNIT = "auth.service"


class Host(FakeHost):
    """A host with one unit, which is in one state after the other: (ActiveState, whether it has a job)."""

    def __init__(self, *states: tuple[str, bool]) -> None:
        super().__init__()
        self.states = itertools.chain(states, itertools.repeat(states[-1] if states else ("inactive", False)))

    def run(self, argv: Any, **more: Any) -> Any:
        if argv[1] == "show":
            state, job = next(self.states)
            self.commands = {"systemctl show": f"Id={UNIT}\nNames={UNIT}\nActiveState={state}\nJob={int(job)}\n"}
        else:
            self.commands = {"systemctl": ""}
        return super().run(argv, **more)

    @property
    def orders(self) -> list[str]:
        return [line.replace("systemctl --no-ask-password ", "") for line in self.ran if " show " not in line]


@pytest.fixture
def units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(hold, "UNITS", tmp_path / "units")
    return tmp_path / "units"


def held(folder: Path) -> dict[str, Any]:
    return {"lock": str(folder / "50% lock"), "units": [UNIT], "triggers": ["poke.timer"]}


def test_what_holds_is_a_lock_and_drop_ins_of_units_and_of_what_starts_them(units: Path, tmp_path: Path) -> None:
    host, undo = Host(), held(tmp_path)
    hold.lock_down(host, Path(undo["lock"]), [*undo["units"], *undo["triggers"]])
    for unit in (UNIT, "poke.timer"):
        text = (units / f"{unit}.d" / "cryptobot-restore.conf").read_text()
        assert text.splitlines()[1:] == ["[Unit]", f"AssertPathExists=!{tmp_path}/50%% lock"], "% is a specifier"
    assert Path(undo["lock"]).exists()
    assert host.orders == ["daemon-reload"]


def test_the_lock_goes_first_and_the_drop_ins_last_and_it_may_be_done_twice(units: Path, tmp_path: Path) -> None:
    host, undo = Host(), held(tmp_path)
    hold.lock_down(host, Path(undo["lock"]), [UNIT, "poke.timer"])
    (units / f"{UNIT}.d" / "own.conf").write_text("[Unit]\n")
    host.ran.clear()
    hold.release(host, undo)
    assert not Path(undo["lock"]).exists()
    assert [str(path.relative_to(units)) for path in units.rglob("*")] == [f"{UNIT}.d", f"{UNIT}.d/own.conf"]
    assert [order.split()[0] for order in host.orders] == ["daemon-reload", "systemctl"]
    hold.release(host, undo)
    hold.release(host, {})
    assert len(host.orders) == 2


ENDS = [
    ([("inactive", False)], []),
    ([("failed", False)], []),
    ([("active", False), ("deactivating", True), ("inactive", False)], ["stop"]),
    ([("active", False), ("active", False), ("inactive", False)], ["stop", "stop"]),  # somebody started it again
]


@pytest.mark.parametrize(("states", "orders"), ENDS)
def test_a_unit_is_ended_again_where_somebody_starts_it(states: list[tuple[str, bool]], orders: list[str]) -> None:
    host = Host(*states)
    hold._end_unit(host, UNIT, 60.0)
    assert [order.split()[0] for order in host.orders] == orders


def test_a_unit_that_does_not_end_is_named_with_its_state() -> None:
    with pytest.raises(ActionFailed, match=r"auth.service is still deactivating"):
        hold._end_unit(Host(("deactivating", True)), UNIT, 0.0)


PROOFS = [
    ([("inactive", False)], ""),
    ([("inactive", True), ("inactive", False)], ""),
    ([("failed", False)], ""),
    ([("activating", True)], "could be started although it is held down (activating)"),
    ([("active", False)], "could be started although it is held down (active)"),
    ([("inactive", True)], "could not be told in 0 s"),
]


@pytest.mark.parametrize(("states", "words"), PROOFS)
def test_that_it_holds_is_proved_by_trying(
    states: list[tuple[str, bool]], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hold, "PROOF", 30.0 if not words else 0.0)
    host = Host(*states)
    if words:
        with pytest.raises(ActionFailed) as error:
            hold._prove_held(host, UNIT)
        assert words in str(error.value)
    else:
        hold._prove_held(host, UNIT)
    assert host.orders == [f"start --no-block -- {UNIT}"]


@pytest.mark.parametrize("manager", ["launchd", "windows"])
def test_what_this_release_cannot_hold_down_is_refused_with_the_way_on(manager: str) -> None:
    said = hold.obstacle(Host(), [Service("auth", unit="com.x", managed_by=manager)])
    assert said.startswith(f"the service auth is one of {manager}, which this release cannot hold down: stop and")


def test_units_are_held_down_by_root_alone() -> None:
    host = Host()
    host.admin = False
    assert hold.obstacle(host, [Service("auth", unit=UNIT)]) == "units of systemd are held down by root alone"
