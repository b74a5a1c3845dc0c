# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the inventory declares, checked at the edge."""

from __future__ import annotations

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import InputError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services import HEALTH
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.declared import (
    Port,
    Probe,
    Service,
    declare,
    declare_whole,
)

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


# An option that is a port, and how a service has it.
PORTS = [
    ("services[a].port", lambda port: {"port": port}),
    ("services[a].ports[0].port", lambda port: {"ports": [{"port": port}]}),
    ("services[a].health.port", lambda port: {"port": 8000, "health": {"port": port}}),
]


@pytest.mark.parametrize(("name", "fields"), PORTS, ids=[row[0] for row in PORTS])
@pytest.mark.parametrize("port", [1, 65535])
def test_the_first_and_the_last_port_are_ports(name, fields, port):
    assert declare([{"name": "a", **fields(port)}])


@pytest.mark.parametrize(("name", "fields"), PORTS, ids=[row[0] for row in PORTS])
@pytest.mark.parametrize("port", [-1, 0, 65536])
def test_what_lies_beyond_them_is_none(name, fields, port):
    with pytest.raises(InputError) as refused:
        declare([{"name": "a", **fields(port)}])
    assert (refused.value.name, refused.value.value) == (name, port)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"port": 1, "bind": "here"}, "services[a].bind"),
        ({"port": 1, "ports": [{"port": 2}, {"port": 3, "bind": "here"}]}, "services[a].ports[1].bind"),
    ],
)
def test_a_wrong_address_is_named_where_it_stands(fields, name):
    with pytest.raises(InputError) as refused:
        declare([{"name": "a", **fields}])
    assert refused.value.name == name


def test_a_pattern_needs_a_group_only_where_a_port_is_taken_from_it():
    service = make_service(process="uvicorn auth", port=8000, health={"body_regex": "up"})
    assert (service.process, service.probe.body_regex) == ("uvicorn auth", "up")


def test_of_several_ports_the_first_says_where_a_service_is_asked():
    service = make_service(port=8000, bind="10.1.2.3", ports=[{"port": 8001, "bind": "10.9.9.9"}], health={})
    assert service.probe.url == "http://10.1.2.3:8000/health"


def test_a_probe_without_options_has_the_documented_defaults():
    """The record's own, which it has where nothing is said, are those that the options are documented with."""
    probe = make_service(port=8000, health={}).probe
    assert (probe.status, probe.timeout, probe.samples, probe.latency_warn) == ((200,), 5.0, 3, 1.0)
    assert (probe.tls_min_days, probe.tls_verify) == (21, True)
    assert Probe("http://127.0.0.1:1/", "127.0.0.1", 1).status == (200,)
    documented = {name: HEALTH[name]["default"] for name in ("timeout", "samples", "latency_warn", "tls_min_days")}
    assert documented == {"timeout": 5.0, "samples": 3, "latency_warn": 1.0, "tls_min_days": 21}


def test_a_service_without_options_is_started_enabled_and_has_30_seconds():
    bare, declared = Service("auth"), make_service(port=None)
    assert (bare.state, bare.enabled, bare.start_grace, bare.memory_max) == ("started", True, 30.0, 0)
    assert (declared.state, declared.enabled, declared.start_grace, declared.memory_max) == ("started", True, 30.0, 0)


# What a service is found by, and which option it then lacks.
WHOLE = [
    ({"unit": "auth"}, None),
    ({"pid_file": "/run/a.pid", "process": "uvicorn"}, None),
    ({"pid_file": "/run/a.pid", "command": ["/opt/a"]}, None),
    ({"pid_file": "/run/a.pid", "command": ["/opt/a"], "process": "uvicorn"}, None),
    ({"pid_file": "/run/a.pid"}, "services[a].process"),
    ({"port": 8000}, None),
    ({}, "services[a].unit"),
]


@pytest.mark.parametrize(("fields", "lacks"), WHOLE)
def test_a_service_is_known_by_its_manager_or_by_more_than_a_pid_file(fields, lacks):
    if lacks is None:
        assert declare_whole([{"name": "a", **fields}], "linux")
        return
    with pytest.raises(InputError) as refused:
        declare_whole([{"name": "a", **fields}], "linux")
    assert refused.value.name == lacks


def test_port_and_ports_are_one_list():
    service = make_service(port=8000, bind="127.0.0.1", ports=[{"port": 8125, "proto": "udp", "bind": None}])
    assert service.ports == (Port(8000, "tcp", "127.0.0.1"), Port(8125, "udp", ""))


def test_services_come_in_start_order():
    declared = declare([{"name": "trade", "depends_on": ["auth"]}, {"name": "auth"}])
    assert [service.name for service in declared] == ["auth", "trade"]


def test_the_environment_of_a_service_is_not_shown():
    assert "hunter2" not in repr(make_service(environment={"PASSWORD": "hunter2"}))
