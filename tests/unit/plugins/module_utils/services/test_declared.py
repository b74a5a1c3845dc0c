# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the inventory declares, checked at the edge."""

from __future__ import annotations

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import InputError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.declared import Port, declare

from .builders import make_service

UNITS = [
    ("cryptobot-auth", "cryptobot-auth.service"),
    ("cryptobot-auth.service", "cryptobot-auth.service"),
    ("cryptobot.auth", "cryptobot.auth.service"),
    ("worker@1", "worker@1.service"),
    ("backup.timer", "backup.timer"),
]

URLS = [
    ({"port": 8000, "health": {}}, "http://127.0.0.1:8000/health"),
    ({"port": 8000, "bind": "0.0.0.0", "health": {"path": "/"}}, "http://127.0.0.1:8000/"),
    ({"port": 8000, "bind": "10.1.2.3", "health": {"path": "/"}}, "http://10.1.2.3:8000/"),
    ({"port": 8000, "bind": "::", "health": {"path": "/"}}, "http://[::1]:8000/"),
    ({"port": 8000, "health": {"path": "/", "scheme": "https", "port": 8443}}, "https://127.0.0.1:8443/"),
    ({"health": {"path": "/", "host": "localhost", "port": 9}}, "http://localhost:9/"),
]

WRONG = [
    ([{"name": "a"}, {"name": "a"}], "each name once"),
    ([{"name": "a", "depends_on": ["b"]}], r"services\[a\].depends_on is \['b'\]"),
    ([{"name": "a", "depends_on": ["b"]}, {"name": "b", "depends_on": ["a"]}], "a -> b -> a"),
    ([{"name": "a", "port": 70000}], r"services\[a\].port is 70000"),
    ([{"name": "a", "unit": "no such name"}], r"services\[a\].unit"),
    ([{"name": "a", "process": "("}], r"services\[a\].process"),
    ([{"name": "a", "health": {"path": "/"}}], r"services\[a\].health.port"),
    ([{"name": "a", "port": 1, "health": {"path": "health"}}], r"services\[a\].health.path"),
    ([{"name": "a", "port": 1, "health": {"body_regex": "["}}], r"services\[a\].health.body_regex"),
    ([{"name": "a", "port": 1, "health": {"samples": -1}}], r"services\[a\].health.samples"),
    ([{"name": "a", "declared_in": [{"path": "/x", "pattern": "port"}]}], "with a group around the port"),
    ([{"name": "a", "start_grace": "soon"}], r"services\[a\].start_grace is 'soon'"),
    ([{"name": "a", "memory_max": "much"}], r"services\[a\].memory_max is 'much'"),
]


@pytest.mark.parametrize(("given", "unit"), UNITS)
def test_a_unit_name_gets_its_type(given, unit):
    assert make_service(unit=given).unit == unit


@pytest.mark.parametrize(("fields", "url"), URLS)
def test_a_service_is_asked_where_it_listens(fields, url):
    assert make_service(**fields).probe.url == url


@pytest.mark.parametrize(("services", "message"), WRONG, ids=[row[1] for row in WRONG])
def test_a_wrong_declaration_is_an_error_that_names_service_option_and_rule(services, message):
    with pytest.raises(InputError, match=message):
        declare(services)


def test_port_and_ports_are_one_list():
    service = make_service(port=8000, bind="127.0.0.1", ports=[{"port": 8125, "proto": "udp", "bind": None}])
    assert service.ports == (Port(8000, "tcp", "127.0.0.1"), Port(8125, "udp", ""))


def test_services_come_in_start_order():
    declared = declare([{"name": "trade", "depends_on": ["auth"]}, {"name": "auth"}])
    assert [service.name for service in declared] == ["auth", "trade"]


def test_the_environment_of_a_service_is_not_shown():
    assert "hunter2" not in repr(make_service(environment={"PASSWORD": "hunter2"}))
