# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An inventory that is wrong, by the playbooks that a user runs: what is said, and that nothing was done."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[3]
BIN = Path(sys.executable).parent
RULE = {"name": "logs", "path": "{{ cryptobot_install_dir }}/logs", "patterns": ["*.log.1"], "age": "35d"}
SOURCE = {"name": "database", "type": "sqlite", "path": "{{ cryptobot_install_dir }}/main.db"}
DATABASE = {"name": "main", "engine": "sqlite", "path": "{{ cryptobot_install_dir }}/main.db"}

AUTH, DATA = {"name": "auth", "unit": "auth"}, {"name": "data", "unit": "data"}

# The sound variables of every host.
SOUND: dict[str, Any] = {
    "ansible_connection": "local",
    "ansible_python_interpreter": sys.executable,
    "cryptobot_root": "{{ inventory_dir }}/hosts/{{ inventory_hostname }}",
    "cryptobot_install_dir": "{{ cryptobot_root }}/app",
    "cryptobot_state_dir": "{{ cryptobot_root }}/state",
    "cryptobot_report_dir": "{{ inventory_dir }}/reports",
    "cryptobot_services": [],
    "cryptobot_databases": [DATABASE],
    "cryptobot_backup": {
        "dir": "{{ cryptobot_root }}/backups",
        "sources": [SOURCE],
        "retention": {"daily": 7},
    },
    "cryptobot_cleanup_rules": [RULE],
    "cryptobot_firewall_policy": [],
    "cryptobot_firewall_scope": "policy",
    "cryptobot_firewall_required": False,
}
PORTS = "expected a port from 1 to 65535 or a range such as 8000-8004"

# Twenty mistakes, one a host: the variable, and the line that is said of it after the host.
MISTAKES: list[tuple[dict[str, Any], str]] = [
    (
        {"cryptobot_services": [{**AUTH}, {**DATA}, {"name": "trade", "unti": "x"}]},
        "cryptobot_services[2] (trade).unti: not an option; did you mean unit?",
    ),
    (
        {"cryptobot_services": [{**AUTH}, {**DATA, "name": "auth"}]},
        "cryptobot_services[1] (auth).name is 'auth': expected each name once",
    ),
    (
        {"cryptobot_services": [{"name": "auth", "port": 80000}]},
        "cryptobot_services[0] (auth).port is 80000: expected a port between 1 and 65535",
    ),
    (
        {"cryptobot_services": [{**AUTH}, {**DATA, "depends_on": ["atuh"]}]},
        (
            "cryptobot_services[1] (data).depends_on is ['atuh']: expected names of services: auth, data;"
            " did you mean auth?"
        ),
    ),
    (
        {"cryptobot_services": [{**AUTH, "depends_on": ["data"]}, {**DATA, "depends_on": ["auth"]}]},
        "cryptobot_services[0] (auth).depends_on is 'auth -> data -> auth': expected no cycle",
    ),
    (
        {"cryptobot_services": [{**AUTH, "start_grace": 30}]},
        "cryptobot_services[0] (auth).start_grace is '30': expected a unit: 30 what? write 30d (30h, 30m or 30s)",
    ),
    (
        {"cryptobot_firewall_policy": [{"port": "8000-80", "from": ["any"]}]},
        f"cryptobot_firewall_policy[0] (8000-80).port is '8000-80': {PORTS}",
    ),
    (
        {"cryptobot_firewall_policy": [{"port": 22, "from": ["any"], "expires": "2027-02-30"}]},
        "cryptobot_firewall_policy[0] (22).expires is '2027-02-30': expected a date such as 2027-01-31",
    ),
    (
        {"cryptobot_firewall_policy": [{"port": 22, "from": ["10.0.0.0/33"]}]},
        (
            "cryptobot_firewall_policy[0] (22).from is '10.0.0.0/33': expected any, loopback, or a network such as"
            " 10.0.0.0/8 ('10.0.0.0/33' does not appear to be an IPv4 or IPv6 network)"
        ),
    ),
    (
        {"cryptobot_firewall_scope": "everything"},
        "cryptobot_firewall_scope is 'everything': expected one of all, policy",
    ),
    (
        {"cryptobot_thresholds": {"disk_free_warning": 5, "disk_free_critical": 20}},
        (
            "cryptobot_thresholds.disk_free_critical is 20.0: expected at most that of disk_free_warning,"
            " which is reached first"
        ),
    ),
    (
        {"cryptobot_thresholds": {"disk_fre_warning": 5}},
        "cryptobot_thresholds.disk_fre_warning: not an option; did you mean disk_free_warning?",
    ),
    (
        {"cryptobot_install_dir": "app", "cryptobot_databases": [], "cryptobot_cleanup_rules": []},
        "cryptobot_install_dir is 'app': expected an absolute path, such as /opt/cryptobot",
    ),
    (
        {"cryptobot_cleanup_rules": [{**RULE, "age": 35}]},
        "cryptobot_cleanup_rules[0] (logs).age is '35': expected a unit: 35 what? write 35d (35h, 35m or 35s)",
    ),
    (
        {"cryptobot_cleanup_rules": [{**RULE, "path": "/etc/cryptobot"}]},
        (
            "cryptobot_cleanup_rules[0] (logs).path is '/etc/cryptobot':"
            " expected a folder that is not at, in or above /etc, which is protected"
        ),
    ),
    (
        {"cryptobot_databases": [{"name": "main", "engine": "sqlite"}]},
        "cryptobot_databases[0] (main).path: is missing, because engine is sqlite",
    ),
    (
        {"cryptobot_backup": {"dir": "{{ cryptobot_root }}/backups", "sources": [SOURCE], "retention": {"daily": -1}}},
        "cryptobot_backup.retention.daily is -1: expected 0 or more",
    ),
    (
        {"cryptobot_trading": {"when_orders": "wiat"}},
        "cryptobot_trading.when_orders is 'wiat': expected one of refuse, proceed, wait; did you mean wait?",
    ),
    ({"cryptobot_servics": []}, "cryptobot_servics: no variable of this collection; did you mean cryptobot_services?"),
    (
        {"cryptobot_report_dir": "{{ cryptobot_nowhere }}/reports"},
        "cryptobot_report_dir: its template fails: 'cryptobot_nowhere' is undefined",
    ),
]
HOSTS = [f"trader{number:02}" for number in range(1, len(MISTAKES) + 1)]


class Site:
    """An inventory of hosts that are this machine, each with folders and a database of its own."""

    def __init__(self, root: Path, variables: dict[str, dict[str, Any]], group: str = "cryptobot") -> None:
        self.root = root
        hosts = {group: {"vars": SOUND, "hosts": variables}}
        (root / "inventory.yml").write_text(yaml.safe_dump(hosts), encoding="utf-8")
        for host in variables:
            app = root / "hosts" / host / "app"
            (app / "logs").mkdir(parents=True)
            (app / "logs" / "old.log.1").write_text("old\n", encoding="utf-8")
            os.utime(app / "logs" / "old.log.1", (1e9, 1e9))
            with sqlite3.connect(app / "main.db") as database:
                database.execute("create table trades (id integer primary key, pair text)")
                database.executemany("insert into trades (pair) values (?)", [("BTC/USDT",)] * 100)

    def play(self, name: str, *words: str, **more: Any) -> subprocess.CompletedProcess[str]:
        """Run a playbook of the collection."""
        argv = [str(BIN / "ansible-playbook"), "-i", str(self.root / "inventory.yml"), f"playbooks/{name}.yml", *words]
        environment = {**os.environ, "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
        return subprocess.run(
            argv, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=300, check=False, **more
        )

    def hashes(self) -> dict[str, str]:
        """Return the SHA-256 of every file below the hosts' folders, and every folder."""
        return {
            str(path.relative_to(self.root)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
            for path in sorted((self.root / "hosts").rglob("*"))
        }

    def report(self) -> dict[str, Any]:
        """Return the newest report, wherever it counts as the latest or not."""
        newest = max((self.root / "reports").rglob("report.json"), key=lambda path: path.stat().st_mtime_ns)
        loaded: dict[str, Any] = json.loads(newest.read_text("utf-8"))
        return loaded


def statuses(report: dict[str, Any]) -> dict[str, str]:
    return {host["name"]: host["status"] for host in report["hosts"]}


def said(ended: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the lines that name a variable of a host."""
    return [line for line in ended.stdout.splitlines() if re.match(r"trader\d\d.*: cryptobot_", line)]


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> Site:
    variables = {host: given for host, (given, _line) in zip(HOSTS, MISTAKES)}
    return Site(tmp_path_factory.mktemp("wrong"), variables)


EXPECTED = [f"{host}: {line}" for host, (_given, line) in zip(HOSTS, MISTAKES)]


@pytest.mark.case("RP2", "RP3")
def test_twenty_mistakes_on_twenty_hosts_are_twenty_lines_and_nothing_is_done(wrong: Site) -> None:
    before = wrong.hashes()
    ended = wrong.play("weekly")
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert sorted(said(ended)) == sorted(EXPECTED)
    assert wrong.hashes() == before
    assert statuses(wrong.report()) == dict.fromkeys(HOSTS, "unknown")


@pytest.mark.case("RP3")
def test_validate_says_the_same_opens_no_connection_and_ends_with_2(wrong: Site) -> None:
    ended = wrong.play("validate", "-e", "ansible_connection=ssh", "-e", "ansible_host=192.0.2.1")
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert sorted(said(ended)) == sorted(EXPECTED)
    assert "20 mistakes in the variables of 20 of 20 hosts" in ended.stdout
    assert max(map(len, ended.stdout.splitlines())) < 300


@pytest.fixture
def pair(tmp_path: Path) -> Site:
    return Site(tmp_path, {"trader01": {"cryptobot_services": [{"name": "auth", "unti": "x"}]}, "trader02": {}})


@pytest.mark.case("RP4")
def test_a_host_with_a_mistake_is_left_out_and_reported_and_the_others_go_on(pair: Site) -> None:
    ended = pair.play("backup")
    assert ended.returncode == 0, ended.stdout + ended.stderr  # the backup does not use the services
    assert "trader01: cryptobot_services[0] (auth).unti: not an option; did you mean unit? (not used by" in ended.stdout
    ended = pair.play("weekly", "--tags", "backup,services")
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert statuses(pair.report())["trader01"] == "unknown"
    assert list((pair.root / "hosts/trader02/backups").glob("*/manifest.json"))
    named = [(f["host"], f["message"]) for f in pair.report()["findings"] if f["check"] == "run.inventory"]
    assert named == [("trader01", "cryptobot_services[0] (auth).unti: not an option; did you mean unit?")]


@pytest.mark.case("RP4")
def test_all_stop_where_that_is_declared_and_the_report_is_still_written(pair: Site) -> None:
    before = pair.hashes()
    ended = pair.play("weekly", "-e", "cryptobot_on_mistake=stop")
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert pair.hashes() == before
    assert statuses(pair.report()) == {"trader01": "unknown", "trader02": "unknown"}


@pytest.mark.case("BK17", "RP3")
def test_the_key_that_signs_backups_is_a_sound_variable_and_reaches_the_look_of_the_weekly_run(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(os.urandom(32))
    key.chmod(0o600)
    site = Site(tmp_path, {"trader01": {"cryptobot_backup": {**SOUND["cryptobot_backup"], "sign_key_file": str(key)}}})
    assert site.play("backup").returncode == 0
    (manifest,) = (tmp_path / "hosts/trader01/backups").glob("2*/manifest.json")
    ended = site.play("weekly", "--tags", "D1.4")
    signed = [f["status"] for f in site.report()["findings"] if f["check"] == "backup.signature"]
    assert (ended.returncode, signed) == (0, ["ok"]), ended.stdout + ended.stderr
    manifest.with_name("manifest.hmac").unlink()
    assert site.play("weekly", "--tags", "D1.4").returncode == 2
    status = {f["check"]: f["status"] for f in site.report()["findings"]}
    assert (status["backup.signature"], status["backup.present"]) == ("unknown", "critical")


@pytest.mark.case("RP4", "RP6")
@pytest.mark.parametrize("playbook", ["weekly", "backup", "verify_backup", "validate"])
@pytest.mark.parametrize("tags", ["always", "always,cleanup"])
def test_a_run_that_would_leave_out_its_validation_and_report_ends_before_it_begins(
    pair: Site, playbook: str, tags: str
) -> None:
    before = pair.hashes()
    ended = pair.play(playbook, "--skip-tags", tags)
    assert ended.returncode not in (0, 2), ended.stdout + ended.stderr
    assert "--skip-tags always would leave out the validation and the report" in ended.stderr
    assert pair.hashes() == before


@pytest.mark.case("RP3")
def test_sound_variables_are_one_line_and_0(pair: Site) -> None:
    ended = pair.play("validate", "--limit", "trader02")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "the variables of 1 host are right" in ended.stdout


# (name of the group, words of the command line)
NOWHERE = [("others", ()), ("cryptobot", ("--limit", "localhost")), ("cryptobot", ("-i", "missing.yml"))]


@pytest.mark.case("RP6")
@pytest.mark.parametrize("playbook", ["weekly", "validate"])
@pytest.mark.parametrize("group", ["others", "empty"])
def test_no_host_to_work_on_is_2_and_one_line_and_a_report(tmp_path: Path, group: str, playbook: str) -> None:
    site = Site(tmp_path, {} if group == "empty" else {"trader01": {}}, "cryptobot" if group == "empty" else group)
    ended = site.play(playbook, "-e", f"cryptobot_report_dir={tmp_path}/reports")
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert ended.stdout.splitlines().count("no host to work on: 'cryptobot' fits none of the hosts of this run") == 1
    if playbook == "weekly":
        assert statuses(site.report()) == {"cryptobot": "unknown"}


@pytest.mark.case("RP6")
def test_an_inventory_that_is_not_there_is_2_and_a_limit_that_fits_nothing_is_not_0(tmp_path: Path) -> None:
    site = Site(tmp_path, {"trader01": {}, "trader02": {}})
    (tmp_path / "inventory.yml").rename(tmp_path / "elsewhere.yml")
    ended = site.play("weekly", "-e", f"cryptobot_report_dir={tmp_path}/reports")
    assert (ended.returncode, statuses(site.report())) == (2, {"cryptobot": "unknown"})
    (tmp_path / "elsewhere.yml").rename(tmp_path / "inventory.yml")
    assert site.play("weekly", "--limit", "nobody").returncode == 1  # Ansible's own, before it reads a playbook


@pytest.mark.case("RP6")
def test_the_line_for_cron_works_as_cron_runs_it(tmp_path: Path) -> None:
    site = Site(tmp_path, {"trader01": {}})
    readme = (CHECKOUT / "README.md").read_text("utf-8")
    line = re.search(r"^ +15 2 \* \* 0 (.*)$", readme, re.MULTILINE)
    assert line is not None
    command = line[1].replace("/opt/maintenance", str(CHECKOUT)).replace("/opt/ansible/bin", str(BIN))
    command = command.replace(
        "inventory cryptobot.maintenance.weekly", f"{tmp_path}/inventory.yml playbooks/validate.yml"
    )
    as_cron = {"HOME": str(tmp_path), "LOGNAME": "root", "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin"}
    ended = subprocess.run(
        ["/bin/sh", "-c", command], cwd=tmp_path, env=as_cron, capture_output=True, text=True, check=False, timeout=120
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert site is not None


@pytest.mark.case("RP11")
def test_a_python_that_does_not_start_is_quoted_in_the_report(tmp_path: Path) -> None:
    broken = tmp_path / "python3"
    broken.write_text(
        "#!/bin/sh\necho 'ld: warning' >&2\necho 'libpython3.so: cannot open' >&2\nexit 127\n", encoding="utf-8"
    )
    broken.chmod(0o755)
    site = Site(tmp_path, {"trader01": {"ansible_python_interpreter": str(broken)}})
    site.play("weekly", "--tags", "resources")
    messages = [f["message"] for f in site.report()["findings"] if f["check"] == "run.procedure"]
    assert messages == ["the Python of this host gave no answer (exit code 127): libpython3.so: cannot open"]
