# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asking systemd for many units at once: one odd unit costs one unknown."""

from __future__ import annotations

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ToolFailed
from ansible_collections.cryptobot.maintenance.plugins.module_utils.process import Completed
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.linux import parse_show
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.run import run

from .builders import FIXTURES, recorded_uptime
from .parameters import check_params

POISON = (FIXTURES / "cases" / "08-empty-line-in-execstart.show").read_text()
BLOCKS = (FIXTURES / "systemctl" / "debian-12" / "show.txt").read_text().rstrip("\n").split("\n\n")
ODD = "cryptobot-a.service"
TEMPLATE = "cryptobot-trade@.service"
NO_INSTANCE = f"Failed to get properties: Unit name {TEMPLATE} is neither a valid invocation ID nor unit name.\n"


class SystemctlHost(FakeHost):
    """systemctl show as it is: the units in the order of their names on the command line; one bad name ends it all."""

    def run(self, argv, *, timeout=60.0, stdin=None, env=None, expect=(0,)):
        if argv[:2] != ["systemctl", "show"]:
            return super().run(argv, timeout=timeout, stdin=stdin, env=env, expect=expect)
        self.ran.append(" ".join(argv))
        names = argv[argv.index("--") + 1 :]
        if any("@." in name for name in names):
            raise ToolFailed(argv, 1, NO_INSTANCE)
        return Completed(tuple(argv), 0, "\n\n".join(self._block(name) for name in names) + "\n", "")

    def _block(self, name):
        if name == ODD:
            return self.poison.rstrip("\n")
        if name in self.triggers:
            return _missing(name).replace("not-found", "loaded").replace("inactive", "active")
        found = [block for block in BLOCKS if name in _value(block, "Names").split()]
        return found[0] if found else _missing(name)

    poison = POISON
    triggers = ()


def _missing(name):
    return f"Id={name}\nNames={name}\nLoadState=not-found\nActiveState=inactive\nSubState=dead"


def _value(block, name):
    return next(line.partition("=")[2] for line in block.splitlines() if line.startswith(f"{name}="))


def _host():
    return SystemctlHost(now=1795366440.0, since_boot=recorded_uptime(), commands={"journalctl": ""})


def _states(tmp_path, host, units):
    services = [{"name": name, "unit": unit} for name, unit in units.items()]
    result = run(check_params(tmp_path, services), host)
    return {f.subject: f for f in result.findings if f.check == "services.state"}


@pytest.mark.case("SV12")
def test_an_empty_line_in_a_command_is_part_of_it(tmp_path):
    found = _states(tmp_path, _host(), {"auth": "cryptobot-auth", "odd": ODD, "worker": "cryptobot-worker@1"})
    assert {name: finding.status for name, finding in found.items()} == {"auth": "ok", "odd": "ok", "worker": "ok"}
    (unit,) = parse_show(POISON)
    assert unit.exec_start == "/usr/bin/python3 -c import time\ntime.sleep(9)"


POISONS = [
    ("a command that looks like another unit", "\n\nId=cryptobot-auth.service\nNames=x\n\nMainPID=4711\n"),
    ("a command that looks like properties", "\n\nActiveState=failed\nMainPID=many\n"),
    ("a command of empty lines", "\n\n\n\n\n"),
]


@pytest.mark.case("SV12")
@pytest.mark.parametrize("inside", [row[1] for row in POISONS], ids=[row[0] for row in POISONS])
@pytest.mark.parametrize("odd", ["a-odd", "cryptobot-b", "z-odd"])
def test_a_command_that_poisons_the_answer_costs_nobody_else_anything(inside, odd, tmp_path):
    host = _host()
    host.poison = POISON.replace("\n\n", inside)
    found = _states(tmp_path, host, {"auth": "cryptobot-auth", odd: ODD, "worker": "cryptobot-worker@1"})
    assert {name: f.status for name, f in found.items() if name != odd} == {"auth": "ok", "worker": "ok"}
    assert found[odd].status in ("ok", "unknown")
    assert "pid 4711" not in found["auth"].message


@pytest.mark.case("SV12")
@pytest.mark.parametrize("odd", ["a-odd", "b-odd", "z-odd"])
def test_a_template_without_instance_is_one_unknown(odd, tmp_path):
    found = _states(
        tmp_path, _host(), {"auth": "cryptobot-auth", odd: "cryptobot-trade@", "worker": "cryptobot-worker@1"}
    )
    assert {name: f.status for name, f in found.items()} == {"auth": "ok", odd: "unknown", "worker": "ok"}
    assert "neither a valid invocation ID nor unit name" in found[odd].message


@pytest.mark.case("SV12")
def test_where_systemd_answers_nothing_it_is_said_once(tmp_path):
    refused = (1, "", "System has not been booted with systemd as init system (PID 1). Can't operate.\n")
    host = FakeHost(commands={"systemctl show": refused})
    found = _states(tmp_path, host, {"auth": "cryptobot-auth", "data": "cryptobot-data"})
    assert {f.status for f in found.values()} == {"unknown"}
    assert all("has not been booted with systemd" in f.message for f in found.values())


TRIGGERS = [
    ("a socket", "simple", ("x.socket",), "ok", "waits for a first connection: x.socket"),
    ("a timer", "simple", ("x.timer",), "warning", "x.timer only starts it at times"),
    ("a path", "simple", ("x.path",), "warning", "x.path only starts it at times"),
    ("a timer and a socket", "simple", ("x.timer", "x.socket"), "ok", "waits for a first connection: x.socket"),
    ("a timer that runs a job", "oneshot", ("x.timer",), "ok", "its last run ended well"),
]


@pytest.mark.case("SV18")
@pytest.mark.parametrize(
    ("kind", "triggers", "status", "words"), [row[1:] for row in TRIGGERS], ids=[row[0] for row in TRIGGERS]
)
def test_what_waits_to_start_a_stopped_unit_is_told_apart(kind, triggers, status, words, tmp_path):
    host = _host()
    stopped = (
        BLOCKS[0].replace("ActiveState=active", "ActiveState=inactive").replace("SubState=running", "SubState=dead")
    )
    stopped = stopped.replace("cryptobot-auth.service", ODD).replace(" cryptobot-alias.service", "")
    stopped = stopped.replace("Type=simple", f"Type={kind}").replace("MainPID=128", "MainPID=0")
    host.poison = stopped.replace("TriggeredBy=", f"TriggeredBy={' '.join(triggers)}")
    host.triggers = triggers
    finding = _states(tmp_path, host, {"odd": ODD})["odd"]
    assert (finding.status, words in finding.message) == (status, True)
