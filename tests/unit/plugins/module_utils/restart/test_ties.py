# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is stopped along with whom: what the inventory says united with what systemd knows, of declared units or not."""

from __future__ import annotations

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.linux import (
    Node,
    Systemd,
    last_invocation,
    parse_nodes,
    seconds_of,
    stopped_with,
    strays,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.order import in_order, united
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.declared import Service

from .systemd_host import ORDERS, TIES, SystemdHost, Unit
from .test_run import FLYING, NO_PORTS, SERVICES, _host, _run, _status, _steps

pytestmark = [pytest.mark.case("SV3"), pytest.mark.case("SV4")]
LOOSE = [{k: v for k, v in service.items() if k != "depends_on"} for service in SERVICES]
LOOSE_NO_PORTS = [{k: v for k, v in service.items() if k != "depends_on"} for service in NO_PORTS]
ALL = {"auth", "strategy", "trade", "alone"}


@pytest.mark.parametrize("tie", TIES)
@pytest.mark.parametrize("services", [LOOSE, SERVICES], ids=["undeclared ties", "declared ties"])
def test_the_trading_guard_is_asked_for_whatever_is_stopped_along(tie, services, tmp_path):
    host = _host(
        strategy=Unit(requires=("auth.service",), tie=tie), trade=Unit(requires=("strategy.service",), tie=tie)
    )
    host.replies[ORDERS] = FLYING
    result = _run(host, tmp_path, services=services, trading={"url": None}, when="always", only=["auth"])
    assert (host.log, host.running, result.changed) == ([], ALL, False)
    assert _status(result, "restart.refused", "auth") == "warning"
    assert _status(result, "trading.orders_in_flight", "trade") == "warning"


@pytest.mark.parametrize("tie", TIES)
@pytest.mark.parametrize("services", [LOOSE_NO_PORTS, NO_PORTS], ids=["undeclared ties", "declared ties"])
def test_what_is_stopped_along_is_stopped_first_and_started_last(tie, services, tmp_path):
    host = _host(
        strategy=Unit(requires=("auth.service",), tie=tie), trade=Unit(requires=("strategy.service",), tie=tie)
    )
    planned = _run(host, tmp_path, True, services=services, when="always", only=["auth"])
    result = _run(host, tmp_path, services=services, when="always", only=["auth"])
    assert host.log == ["-trade", "-strategy", "-auth", "+auth", "+strategy", "+trade"]
    assert _steps(planned, "planned") == _steps(result, "done")
    assert (result.failure, host.running) == ("", ALL)


@pytest.mark.parametrize("tie", TIES)
def test_a_unit_that_nothing_declares_runs_again(tie, tmp_path):
    host = _host(dashboard=Unit(requires=("auth.service",), tie=tie))
    result = _run(host, tmp_path, when="always", only=["auth"])
    assert host.running == ALL | {"dashboard"}
    assert "start dashboard.service" in _steps(result, "done")


def test_a_tie_through_a_unit_that_does_not_run_counts(tmp_path):
    helper = Unit(requires=("auth.service",), since=None)
    host = _host(helper=helper, strategy=Unit(), trade=Unit(requires=("helper.service",)))
    host.replies[ORDERS] = FLYING
    result = _run(host, tmp_path, services=LOOSE, trading={"url": None}, when="always", only=["auth"])
    assert (host.log, host.running) == ([], ALL)
    assert "auth" in {f.subject for f in result.findings if f.check == "restart.refused"}


def test_what_systemd_ties_after_the_plan_is_not_stopped_along(tmp_path):
    class Reread(SystemdHost):
        """A host whose unit files, once they are read, make trade require auth."""

        def _daemon_reload(self):
            super()._daemon_reload()
            self.units["late.service"] = Unit(requires=("auth.service",))

    host = _host(auth=Unit(need_reload=True), strategy=Unit(), trade=Unit())
    host.__class__ = Reread
    result = _run(host, tmp_path, services=LOOSE_NO_PORTS, when="always", only=["auth"])
    assert host.log == ["*reload"]
    assert "late.service" in host.units
    (told,) = [f.message for f in result.findings if f.check == "restart.refused"]
    assert "would stop late.service along by now" in told


def test_what_was_active_before_is_active_after_even_where_nothing_foretold_it(tmp_path):
    class Surprising(SystemdHost):
        """A host on which the stop of auth takes a unit along that no property names."""

        def _stop(self, name):
            super()._stop(name)
            self.units["odd.service"].since = None

    host = _host(odd=Unit())
    host.__class__ = Surprising
    result = _run(host, tmp_path, when="always", only=["alone"])
    (told,) = [f for f in result.findings if (f.check, f.subject) == ("restart.left", "odd.service")]
    assert (told.status, "was active before the restart" in told.message) == ("warning", True)


CIRCLE = {"a": ("b",), "b": ("a",)}


def test_a_circle_of_systemd_orders_nothing_that_the_inventory_does_not(tmp_path):
    services = [Service("b", unit="b"), Service("a", unit="a", depends_on=("b",)), Service("c", unit="c")]
    known = in_order(united(services, {**CIRCLE, "c": ("b",)}))
    assert [(s.name, s.depends_on) for s in known] == [("c", ()), ("b", ("c",)), ("a", ("b",))]
    host = SystemdHost(a=Unit(requires=("b.service",)), b=Unit(requires=("a.service",)))
    loose = [{"name": "a", "unit": "a"}, {"name": "b", "unit": "b", "depends_on": ["a"]}]
    result = _run(host, tmp_path, services=loose, when="always", only=["b"])
    assert (host.running, result.failure) == ({"a", "b"}, "")
    assert host.log == ["-b", "-a", "+a", "+b"]


def test_the_graph_of_systemd_goes_on_through_targets():
    nodes = {
        "auth.service": Node("auth.service", ("auth.service",), "active", followers=("bot.target",)),
        "bot.target": Node("bot.target", ("bot.target",), "active", followers=("trade.service", "auth.service")),
        "trade.service": Node("trade.service", ("trade.service",), "active"),
    }
    assert stopped_with(nodes, "auth.service") == {"bot.target", "trade.service"}
    assert stopped_with(nodes, "trade.service") == set()
    assert stopped_with(nodes, "gone.service") == set()


def test_ties_that_cannot_be_read_stop_nothing():
    ties = Systemd().prepare(
        FakeHost(commands={"systemctl": (1, "", "Connection timed out")}), [Service("a", unit="a.service")]
    )
    assert (ties.services, ties.along) == ([Service("a", unit="a.service")], {})


def test_units_of_systemd_that_are_about_to_be_stopped_name_their_strays():
    assert strays(_host(idle=Unit(requires=("auth.service",), since=None)), ["auth.service"]) == [
        "strategy.service",
        "trade.service",
    ]
    assert strays(_host(), ["auth.service", "strategy.service", "trade.service"]) == []


SPANS = [
    ("1min 30s", 90.0),
    ("500ms", 0.5),
    ("1h 5min", 3900.0),
    ("2d", 172800.0),
    ("1w 1us", 604800.000001),
    ("infinity", float("inf")),
    ("0", 0.0),
    ("", 0.0),
]


@pytest.mark.parametrize(("text", "seconds"), SPANS)
def test_a_span_of_systemd_is_read(text, seconds):
    assert seconds_of(text) == pytest.approx(seconds)


def test_a_block_without_a_name_costs_only_itself():
    (node,) = parse_nodes("Id=a.service\nActiveState=active\nJob=12\n\nTimeoutStopUSec=5s\n\n")
    assert (node.id, node.job, node.active, node.names) == ("a.service", True, True, ("a.service",))


JOURNALS = [
    ('{"INVOCATION_ID":"abc","UNIT":"a.service"}\n', "abc"),
    ("", ""),
    ("{broken\n", ""),
    ("[]\n", ""),
    ((1, "", "No journal files were found."), ""),
]


@pytest.mark.parametrize(("said", "last"), JOURNALS)
def test_the_last_start_of_a_forgotten_unit_is_in_the_journal_or_not_known(said, last):
    assert last_invocation(FakeHost(commands={"journalctl": said}), "a.service", 5.0) == last
