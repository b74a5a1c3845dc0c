# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One mistake is one line, which names what the inventory has, and nothing buries it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from .test_inventory import SOURCE, Site

UNREAD = "Ansible cannot read it: YAML parsing failed: day is out of range for month"
ENDLESS = "contains itself: an anchor (&) is used (*) within its own value"
ROOT = "expected a folder of its own, not the root of a file system, and no line break in it"

# (the variables of a host, the line that is said of it)
ONE: list[tuple[dict[str, Any], str]] = [
    (
        {"cryptobot_install_dir": "{{ nowhere }}/app"},
        "cryptobot_install_dir: its template fails: 'nowhere' is undefined",
    ),
    ({"cryptobot_root": "{{ nowhere }}"}, "cryptobot_root: its template fails: 'nowhere' is undefined"),
    (
        {"base": "{{ gone }}", "cryptobot_install_dir": "{{ base }}/app", "cryptobot_state_dir": "{{ base }}/state"},
        "cryptobot_install_dir: its template fails: 'gone' is undefined (so does that of cryptobot_state_dir)",
    ),
    (
        {"cryptobot_backup": {"dir": "backups", "sources": [SOURCE]}},
        "cryptobot_backup.dir is 'backups': expected an absolute path, such as /opt/cryptobot",
    ),
    ({"cryptobot_state_dir": ""}, "cryptobot_state_dir is '': expected an absolute path"),
    ({"cryptobot_state_dir": None}, "cryptobot_state_dir: has no value: remove the line, and its default holds"),
    (
        {"cryptobot_services": None},
        "cryptobot_services: has no value: remove the line, and its default holds, or write [] where there is none",
    ),
    ({"cryptobot_install_dir": "/"}, f"cryptobot_install_dir is '/': {ROOT}"),
    (
        {"cryptobot_install_dir": "/opt/a\nb"},
        "cryptobot_install_dir is '/opt/a\\nb': expected a path without control characters",
    ),
    ({"cryptobot_report_dir": "/x/../y"}, "cryptobot_report_dir is '/x/../y': expected an absolute path without '..'"),
    (
        {"cryptobot_hosts": "others"},
        "cryptobot_hosts: is of no effect in an inventory, which is read when the hosts are chosen: give it with -e",
    ),
    (
        {"cryptobot_services": [{"name": "a\u202e", "unit": "a", "depends_on": ["\u2066b"]}]},
        "cryptobot_services[0] (a\\u202e).depends_on is ['\\u2066b']: expected names of services: a\\u202e",
    ),
]

_LINE = re.compile(r"trader\d\d(?:, trader\d\d)*(?: and \d+ more hosts)?: ")


def said(text: str) -> list[str]:
    """Return the lines that are said of hosts."""
    return sorted(line for line in text.splitlines() if _LINE.match(line))


# A kernel whose log was overwritten since the boot (other tests load thousands of rules) cannot tell what it killed.
OF_THE_MACHINE = {"resources.oom_kills"}


def unknown_of(site: Site, host: str) -> set[str]:
    """Return the checks that are unknown of a host; one that was left out has them of the run."""
    found = [finding for finding in site.report()["findings"] if finding["host"] == host]
    assert found
    return {finding["check"] for finding in found if finding["status"] == "unknown"}


@pytest.mark.case("RP3")
def test_one_mistake_is_one_line_and_no_dump_comes_after_it(tmp_path: Path) -> None:
    hosts = {f"trader{number:02}": given for number, (given, _line) in enumerate(ONE)}
    ended = Site(tmp_path, hosts).play("validate")
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert said(ended.stdout) == [f"{host}: {line}" for host, (_given, line) in zip(hosts, ONE)]
    assert ended.stdout.isprintable() or not set("\u202e\u2066") & set(ended.stdout)
    assert len(ended.stdout.partition("fatal:")[2].splitlines()) < 8, ended.stdout


@pytest.mark.case("RP3")
def test_four_hosts_are_named_and_of_five_three(tmp_path: Path) -> None:
    wrong = [{"cryptobot_fail_on": "x"}] * 4 + [{"cryptobot_on_mistake": "x"}] * 5
    text = Site(tmp_path, {f"trader{number:02}": given for number, given in enumerate(wrong)}).play("validate").stdout
    assert [line.partition(": ")[0] for line in said(text)] == [
        "trader00, trader01, trader02, trader03",
        "trader04, trader05, trader06 and 2 more hosts",
    ]


@pytest.mark.case("RP4", "L3b")
def test_a_value_that_contains_itself_leaves_its_host_out(tmp_path: Path) -> None:
    site = Site(tmp_path, {"trader01": {}, "trader02": {}})
    (tmp_path / "host_vars").mkdir()
    text = "cryptobot_services: &s [{name: a, unit: a, depends_on: *s}]\n"
    (tmp_path / "host_vars/trader01.yml").write_text(text, encoding="utf-8")
    ended = site.play("weekly", "--tags", "resources")
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert said(ended.stdout) == [f"trader01: cryptobot_services: {ENDLESS}"]
    found = {f["host"]: (f["message"], f["actual"]) for f in site.report()["findings"] if f["check"] == "run.inventory"}
    assert found == {"trader01": (f"cryptobot_services: {ENDLESS}", None)}
    assert unknown_of(site, "trader02") <= OF_THE_MACHINE


@pytest.mark.case("RP3", "RP4")
def test_a_command_of_nothing_leaves_its_host_out_and_no_other(tmp_path: Path) -> None:
    script = {"name": "a", "pid_file": "/run/a.pid", "command": ["{{ program | default('') }}"]}
    site = Site(tmp_path, {"trader01": {"cryptobot_services": [script]}, "trader02": {}})
    ended = site.play("weekly", "--tags", "resources,services")
    assert ended.returncode == 2, ended.stdout + ended.stderr
    (line,) = said(ended.stdout)
    assert line.startswith("trader01: cryptobot_services[0] (a).command is ['']: expected a list of words whose first")
    state = [(f["host"], f["status"]) for f in site.report()["findings"] if f["check"] == "services.state"]
    assert state == [("trader02", "skipped")]  # which declares none
    assert unknown_of(site, "trader02") <= OF_THE_MACHINE


@pytest.mark.case("RP3")
@pytest.mark.parametrize("playbook", ["weekly", "validate"])
def test_a_file_that_ansible_cannot_read_is_named_with_its_hosts_and_stops_all(tmp_path: Path, playbook: str) -> None:
    site = Site(tmp_path, {"trader01": {}, "trader02": {"cryptobot_fail_on": "x"}})
    (tmp_path / "host_vars").mkdir()
    text = "cryptobot_firewall_policy: [{port: 22, from: [any], expires: 2027-02-30}]\n"
    (tmp_path / "host_vars/trader01.yml").write_text(text, encoding="utf-8")
    before = site.hashes()
    ended = site.play(playbook)
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert said(ended.stdout) == [
        f"trader01: {tmp_path}/host_vars/trader01.yml: {UNREAD}",
        "trader02: cryptobot_fail_on is 'x': expected one of warning, unknown, critical, never",
    ]
    assert site.hashes() == before


@pytest.mark.case("RP6")
@pytest.mark.parametrize("playbook", ["weekly", "backup", "verify_backup"])
def test_a_serial_that_ansible_would_stumble_over_is_a_line_and_a_report(tmp_path: Path, playbook: str) -> None:
    site = Site(tmp_path, {"trader01": {}})
    ended = site.play(playbook, "-e", "cryptobot_serial=many")
    assert ended.returncode == 2, ended.stdout + ended.stderr
    line = "cryptobot_serial is 'many': expected a number of hosts such as 2, a share of them such as 20%"
    assert said(ended.stdout)[0] == f"trader01: {line}"
    found = [f for f in site.report()["findings"] if f["check"] == "run.inventory"]
    assert [(f["message"], f["actual"]) for f in found] == [(line, "'many'")]


@pytest.mark.parametrize("serial", ["1", "50%", '{"cryptobot_serial": [1, "30%", 5]}'])
def test_a_serial_that_is_right_is_none(tmp_path: Path, serial: str) -> None:
    words = serial if serial.startswith("{") else f"cryptobot_serial={serial}"
    ended = Site(tmp_path, {"trader01": {}, "trader02": {}}).play("validate", "-e", words)
    assert ended.returncode == 0, ended.stdout + ended.stderr
