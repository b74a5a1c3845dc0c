# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command line: what it means, and that what makes no sense is refused by name."""

from __future__ import annotations

import pytest
from fleet import arguments, cli
from fleet.errors import FleetError

HOSTS = ["app1", "app2", "db1"]
UP = ["up", "--name", "lab", "--hosts", "app1,app2,db1"]

PER_HOST = {
    "nothing said": ([], {"app1": "-", "app2": "-", "db1": "-"}),
    "one for all": (["x"], {"app1": "x", "app2": "x", "db1": "x"}),
    "one for a host, the default for the others": (["db1=y"], {"app1": "-", "app2": "-", "db1": "y"}),
    "one for a host, in any order": (["db1=y", "x"], {"app1": "x", "app2": "x", "db1": "y"}),
    "nothing for a host": (["x", "db1="], {"app1": "x", "app2": "x", "db1": ""}),
}

REFUSED = {
    "no command at all": [],
    "an unknown command": ["fly"],
    "run without a command": ["run", "--name", "lab", "app1"],
    "a command where none belongs": ["stop", "--name", "lab", "app1", "--", "true"],
    "down of nothing": ["down"],
    "down of one and of the stale": ["down", "--name", "lab", "--stale"],
    "a base of an unknown release": ["base", "--release", "sarge"],
}


@pytest.mark.parametrize(("values", "expected"), PER_HOST.values(), ids=PER_HOST)
def test_values_for_one_host_and_for_all(values, expected):
    assert arguments.per_host("--layers", values, HOSTS, "-") == expected


def test_a_value_for_a_stranger_is_refused():
    with pytest.raises(FleetError, match=r"--layers db2=pg: no such host; expected one of: app1, app2, db1"):
        arguments.per_host("--layers", ["db2=pg"], HOSTS, "")


@pytest.mark.parametrize("argv", REFUSED.values(), ids=REFUSED)
def test_what_makes_no_sense_ends_with_2(argv):
    with pytest.raises(SystemExit) as ended:
        arguments.parse(argv)
    assert ended.value.code == 2


def test_a_command_keeps_its_own_dashes():
    options = arguments.parse(["run", "--name", "lab", "db1", "--", "runuser", "-u", "postgres", "--", "psql", "-At"])
    assert options.host == "db1"
    assert options.argv == ["runuser", "-u", "postgres", "--", "psql", "-At"]


def test_up_makes_a_plan_per_host():
    options = arguments.parse(
        [*UP, "--layers", "db1=admin,pg", "--layers", "admin", "--release", "app2=trixie", "--group", "g=app1, db1"]
    )
    plan = arguments.planned(options)
    assert [(one.name, one.release, one.layers) for one in plan.hosts] == [
        ("app1", "bookworm", ("admin",)),
        ("app2", "trixie", ("admin",)),
        ("db1", "bookworm", ("admin", "pg")),
    ]
    assert plan.groups == {"g": ("app1", "db1")}


def test_a_group_without_hosts_is_refused():
    with pytest.raises(FleetError, match="--group web: expected GROUP=HOST,HOST"):
        arguments.planned(arguments.parse([*UP, "--group", "web"]))


def test_every_command_of_the_help_is_carried_out():
    assert set(cli.COMMANDS) == set(arguments.HELP)
