# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the next boot starts, by the graph of systemd and by what stands for it elsewhere."""

from __future__ import annotations

import plistlib

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.rules_starts import at_boot, judge_enabled
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.run import run

from .builders import findings_of, make_case, make_observed, make_service, make_unit, recorded_units
from .parameters import check_params
from .platforms import AUTH, mac_host, windows_answers, windows_host

TARGETS = {name: unit for name, unit in recorded_units().items() if name.endswith(".target")}


def _unit(name, started_by=(), triggered_by=(), **fields):
    given = {"id": name, "names": (name,), "started_by": started_by, "triggered_by": triggered_by}
    return make_unit(**{**given, "file_state": "enabled", **fields})


# The state of its unit file, what starts the unit, what else there is; whether the next boot starts it, and by what.
MULTI = "multi-user.target"
GRAPH = [
    ("wanted by a target of every boot", "enabled", (MULTI,), (), [], True, f"{MULTI} starts it"),
    ("without an [Install] section (input 07)", "static", (), (), [], False, "nothing starts it"),
    ("only an alias", "enabled", (), (), [], False, "nothing starts it"),
    (
        "by a ghost",
        "enabled",
        ("ghost.target",),
        (),
        [_unit("ghost.target", load="not-found")],
        False,
        "ghost.target would start it",
    ),
    ("by a target that nothing reaches", "enabled", ("x.target",), (), [_unit("x.target")], False, "no boot reaches"),
    (
        "by one that another reaches",
        "enabled",
        ("x.target",),
        (),
        [_unit("x.target", (MULTI,))],
        True,
        "x.t",
    ),
    (
        "by targets that want each other",
        "enabled",
        ("a.target",),
        (),
        [_unit("a.target", ("b.target",)), _unit("b.target", ("a.target",))],
        False,
        "no boot reaches",
    ),
    (
        "disabled, but needed",
        "disabled",
        ("trade.service",),
        (),
        [_unit("trade.service", (MULTI,))],
        True,
        "trade",
    ),
    (
        "by a socket that is reached",
        "static",
        (),
        ("a.socket",),
        [_unit("a.socket", ("sockets.target",)), _unit("sockets.target", ("basic.target",))],
        True,
        "a.socket starts it",
    ),
    ("by a socket that is not", "static", (), ("a.socket",), [_unit("a.socket")], False, "no boot reaches"),
    (
        "by a masked target",
        "enabled",
        ("x.target",),
        (),
        [_unit("x.target", (MULTI,), load="masked")],
        False,
        "x.target",
    ),
    ("enabled for this boot", "enabled-runtime", (MULTI,), (), [], False, "this boot only"),
    ("disabled", "disabled", (), (), [], False, "nothing starts it"),
]


@pytest.mark.case("SV11")
@pytest.mark.parametrize(
    ("state", "started_by", "triggered_by", "others", "starts", "why"),
    [r[1:] for r in GRAPH],
    ids=[r[0] for r in GRAPH],
)
@pytest.mark.parametrize("wanted", [True, False])
def test_what_a_boot_reaches_is_started(state, started_by, triggered_by, others, starts, why, wanted):
    unit = _unit("cryptobot-auth.service", started_by, triggered_by, file_state=state)
    units = {**TARGETS, **{other.id: other for other in others}}
    assert at_boot(unit, units).starts is starts
    service = make_service(unit="cryptobot-auth", enabled=wanted)
    (finding,) = findings_of(judge_enabled, make_case(make_observed(service, unit=unit), units=units))
    assert (finding.status, why in finding.message) == ("ok" if starts == wanted else "warning", True)


@pytest.mark.case("SV11")
@pytest.mark.parametrize(("units", "unclimbed"), [({}, ""), (TARGETS, "systemd cannot be asked about x.target")])
def test_a_graph_that_cannot_be_followed_is_unknown(units, unclimbed):
    unit = _unit("cryptobot-auth.service", ("x.target",))
    case = make_case(make_observed(unit=unit), units=units, unclimbed=unclimbed)
    (finding,) = findings_of(judge_enabled, case)
    assert (finding.status, "nothing tells" in finding.message) == ("unknown", True)
    assert finding.message.endswith(f": {unclimbed or 'default.target is not known'}")


PLISTS = [
    ({"Label": "x", "RunAtLoad": True}, "ok"),
    ({"Label": "x", "KeepAlive": {"SuccessfulExit": False}}, "ok"),
    ({"Label": "x"}, "warning"),
    ({"Label": "x", "RunAtLoad": False, "StartInterval": 300}, "warning"),
    (None, "unknown"),
]


@pytest.mark.case("SV11")
@pytest.mark.parametrize(("plist", "status"), PLISTS)
def test_a_plist_that_is_not_loaded_is_read_for_what_it_starts(plist, status, tmp_path):
    path = "/Library/LaunchDaemons/com.cryptobot.other.plist"
    host = mac_host(files={path: plistlib.dumps(plist) if plist else b"garbage"})
    result = run(check_params(tmp_path, [{"name": "other", "label": "com.cryptobot.other"}]), host)
    assert [f.status for f in result.findings if f.check == "services.enabled"] == [status]


@pytest.mark.case("SV11")
@pytest.mark.parametrize(("mode", "status"), [("Auto", "ok"), ("Manual", "ok"), ("Disabled", "warning")])
def test_a_windows_service_that_needs_a_disabled_one_is_not_started(mode, status, tmp_path):
    rows = windows_answers()["services"]["value"]
    need = {"Name": "Need", "DisplayName": "Need", "State": "Stopped", "StartMode": mode, "ExitCode": 0}
    ties = [{"Name": "Need", "Dependents": ["cryptobotauth"]}]
    host = windows_host(answers={"services": {"value": [*rows, need]}, "dependents": {"value": ties}})
    result = run(check_params(tmp_path, [AUTH]), host)
    assert [f.status for f in result.findings if f.check == "services.enabled"] == [status]
