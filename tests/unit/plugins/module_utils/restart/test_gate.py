# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The health gate: what is demanded of a service that was started, how long it is waited for, and what is not."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import Finding
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart import SPEC, gate
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.declared import read_options
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.gate import failing, fault_of, pass_gate
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.declared import declare
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.model import Answer

from ..services.builders import make_observed, make_service, make_snapshot, make_socket, make_unit
from .systemd_host import ProcessHost

DEFAULTS = {name: option["default"] for name, option in SPEC.items() if "default" in option}
STATE, PORT, HTTP = "services.state", "services.port_owner", "services.http"

# A finding of a service before its restart, and whether it is one that is not demanded afterwards.
FINDINGS = [
    (STATE, "warning", True),
    (PORT, "critical", True),
    (HTTP, "unknown", True),
    (HTTP, "ok", False),
    (PORT, "skipped", False),  # what did not apply did not fail
    ("services.memory", "warning", False),  # nothing that a restart must bring back
    ("services.enabled", "critical", False),
]


@pytest.mark.parametrize(("check", "status", "fails"), FINDINGS)
def test_what_was_not_well_before_is_not_demanded(check, status, fails):
    found = failing([Finding(check, "auth", status, "so it is", expected="tcp 8000")])
    assert found == ({(check, "tcp 8000")} if fails else set())


SERVICE = make_service(unit="cryptobot-auth", port=8000, health={})
DOWN = {"unit": make_unit(active="failed", sub="failed"), "main": None}
ILL = Answer(fault="it answers 500", status=500)
KNOWN_PORT, KNOWN_STATE = (PORT, "tcp 8000"), (STATE, "started")
KNOWN_HTTP = (HTTP, "[200]")
ONE_TIME = {"unit": make_unit(active="active", sub="exited", remain=True, main_pid=0), "main": None}
ASLEEP = {
    "unit": make_unit(active="inactive", sub="dead", triggered_by=("auth.socket",), main_pid=0),
    "main": None,
    "idle_socket": "auth.socket",
}
WELL = {"answer": Answer((0.1,), 200)}
# What is seen of the service, who listens, what was failing before; the words of the problem (empty: it passes).
PROBLEMS = [
    ("well", WELL, [make_socket()], (), ""),
    ("it does not answer well", {"answer": ILL}, [make_socket()], (), "it answers 500"),
    ("nor did it before", {"answer": ILL}, [make_socket()], (KNOWN_HTTP,), ""),
    ("nobody listens", WELL, [], (), "runs, but does not listen on tcp port 8000"),
    ("nor did before, and it answers ill as never", {"answer": ILL}, [], (KNOWN_PORT,), "it answers 500"),
    ("it is odd", ONE_TIME, [make_socket()], (), "only RemainAfterExit keeps it so"),
    ("it was as odd before", {**ONE_TIME, **WELL}, [make_socket()], (KNOWN_STATE, KNOWN_PORT), ""),
    ("it does not run", DOWN, [], (), "is failed"),
    ("it did not run well before either", DOWN, [], (KNOWN_STATE, KNOWN_PORT, KNOWN_HTTP), "is failed"),
    ("it waits behind its socket, so nobody asks it", ASLEEP, [make_socket(pids=(1,))], (), ""),
]


@pytest.mark.parametrize(
    ("fields", "sockets", "known", "words"), [row[1:] for row in PROBLEMS], ids=[row[0] for row in PROBLEMS]
)
def test_it_must_run_and_be_as_well_as_before(fields, sockets, known, words):
    problem = fault_of(make_snapshot(make_observed(SERVICE, **fields), sockets=sockets), frozenset(known))
    assert words in problem if words else problem == ""


class Scripted(ProcessHost):
    """Its unit becomes something else after the n-th pause (``_n``): up, down, failed, or up ``anew``."""

    def __init__(self, *, state="up", **changes):
        super().__init__()
        self.changes = {int(when.lstrip("_")): what for when, what in changes.items()}
        self.asked: list[str] = []
        self._become(state)

    def _become(self, state):
        self.state = "up" if state == "anew" else state
        self.units["alone.service"].since = 10.0 if self.state == "up" else None
        self.began += 5.0 if state == "anew" else 0.0
        self.write(1 << 10)

    def _block(self, name):
        text = super()._block(name)
        if self.state != "failed":
            return text
        return text.replace("ActiveState=inactive", "ActiveState=failed").replace("=success", "=exit-code")

    def run(self, argv, **how):
        self.asked.append(argv[0])
        return super().run(argv, **how)

    def pause(self, seconds):
        super().pause(seconds)
        if len(self.paused) in self.changes:
            self._become(self.changes[len(self.paused)])


(ALONE,) = declare([{"name": "alone", "unit": "alone", "start_grace": "0"}])
DIES = "alone.service is stopped"
# The host; for how long it is waited for (a pause of 5 s between looks, 2 s to settle), the problem in the end, and
# the pauses. At most 10 s are waited for.
WAITS = [
    ("well", {}, "", [2]),
    ("it needs a while", {"state": "down", "_1": "up"}, "", [5, 2]),
    ("it never comes", {"state": "down"}, DIES, [5, 5]),
    ("it is given up", {"state": "failed"}, "alone.service is failed (dead): exit-code", []),
    (
        "it is given up after a while",
        {"state": "down", "_1": "failed"},
        "alone.service is failed (dead): exit-code",
        [5],
    ),
    ("it dies after its first answer", {"_1": "down"}, DIES, [2, 5, 5]),
    ("it dies and comes again", {"_1": "down", "_2": "up"}, "", [2, 5, 2]),
    ("it is started anew right away", {"_1": "anew"}, "", [2, 5, 2]),
    (
        "it is started anew again and again",
        {"_1": "anew", "_3": "anew", "_5": "anew"},
        "alone ended right after its start and was started again",
        [2, 5, 2, 5, 2],
    ),
]


@pytest.mark.parametrize(("script", "problem", "pauses"), [row[1:] for row in WAITS], ids=[row[0] for row in WAITS])
def test_a_started_service_is_waited_for_until_it_stays_well(script, problem, pauses, monkeypatch):
    host = Scripted(**script)
    begun = host.clock
    monkeypatch.setattr(gate, "time", SimpleNamespace(monotonic=lambda: host.clock))
    options = read_options({**DEFAULTS, "gate_timeout": 10.0, "gate_delay": 5.0, "gate_settle": 2.0}, ())
    passage = pass_gate(host, ALONE, frozenset(), options)
    assert (passage.fault, host.paused) == (problem, pauses)
    assert (passage.seconds, passage.at) == (sum(pauses), begun + sum(pauses))
    assert problem or passage.began == host.began


def test_a_look_reads_no_log():
    host = Scripted()
    gate.observe(host, ALONE)
    assert set(host.asked) == {"systemctl"}
