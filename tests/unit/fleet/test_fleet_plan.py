# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A plan is checked before anything is made, and every error names the thing, its value and what was expected."""

from __future__ import annotations

import json

import pytest
from fleet import host, plan
from fleet.errors import FleetError
from fleet.plan import FleetPlan

WRONG = {
    "a fleet name with a dot": ({"name": "a.b"}, r"fleet name 'a\.b': expected"),
    "a fleet name with capitals": ({"name": "Lab"}, "fleet name 'Lab': expected"),
    "a fleet name that is a path": ({"name": "../lab"}, "fleet name '../lab': expected"),
    "a fleet name too long": ({"name": "l" * 31}, "fleet name 'l+': expected"),
    "a host name with an underscore": ({"hosts": ["app_1"]}, "host name 'app_1': expected"),
    "a host named twice": ({"hosts": ["a", "b", "a"]}, "host 'a' is named more than once"),
    "no host": ({"hosts": []}, "0 hosts: expected 1 to 200"),
    "too many hosts": ({"hosts": [f"h{i}" for i in range(201)]}, "201 hosts: expected 1 to 200"),
    "a release nobody knows": ({"release": "sarge"}, "release 'sarge' is not known; expected one of: .*bookworm"),
    "a layer nobody knows": ({"layers": ["oracle"]}, "layer 'oracle' is not known; expected one of: admin"),
    "a group with a hyphen": ({"groups": {"a-b": ["a"]}}, "group 'a-b': expected"),
    "a group of strangers": ({"groups": {"db": ["x"]}}, "group db: no such host 'x'; expected some of: a"),
}


def make(name="lab", hosts=("a",), release="bookworm", layers=(), groups=None) -> FleetPlan:
    return plan.make(
        name,
        hosts,
        layers_of=dict.fromkeys(hosts, layers),
        release_of=dict.fromkeys(hosts, release),
        groups=groups or {},
    )


@pytest.mark.parametrize(("requests", "message"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_named(requests, message):
    with pytest.raises(FleetError, match=message):
        make(**requests)


def test_a_plan_comes_back_from_json_as_it_was(planned):
    assert FleetPlan.from_dict(json.loads(json.dumps(planned.as_dict()))) == planned


def test_every_host_has_addresses_of_its_own_inside_the_network():
    hosts = make(hosts=[f"h{number}" for number in range(plan.MOST_HOSTS)]).hosts
    assert len({one.address for one in hosts} | {one.address6 for one in hosts}) == 2 * plan.MOST_HOSTS
    assert all(int(one.address.rpartition(".")[2]) < 255 for one in hosts)
    assert plan.GATEWAY not in {one.address for one in hosts}


def test_a_host_is_found_by_name_and_a_stranger_is_refused(planned):
    assert planned.host("db1").layers == ("admin", "pg")
    with pytest.raises(FleetError, match="fleet lab has no host 'db2'; it has: app1, db1"):
        planned.host("db2")


def test_the_longest_names_still_make_a_host_name_that_linux_takes():
    longest = "a" * 30
    make(name=longest, hosts=[longest])
    assert len(host.machine(longest, longest)) <= 64
