# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Playbook pitr on a systemd host with Debian's PostgreSQL: set up, backed up, the same again, and back in time."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
FETCH = CHECKOUT / "scripts" / "collections" / "fetch.py"
HOST = "db1"
DATA = "/var/lib/postgresql/15/main"
ENTRY = {"name": "main", "service": "postgresql@15-main"}
PLAIN = {**ENTRY, "engine": "basebackup", "archive_dir": "/srv/archive", "base_dir": "/srv/bases"}


class Site:
    """The host, and what an inventory says of it."""

    def __init__(self, fleet: Any, folder: Path) -> None:
        self.fleet, self.folder = fleet, folder
        fetched = subprocess.run([sys.executable, FETCH], capture_output=True, check=True, text=True)
        places = (CHECKOUT / ".collections", fetched.stdout.split()[-1])
        self.environment = {"ANSIBLE_COLLECTIONS_PATH": ":".join(map(str, places)), "ANSIBLE_NOCOLOR": "1"}

    def play(self, *words: str, entry: Any = None, **more: Any) -> Any:
        """Run the playbook."""
        given = {"cryptobot_hosts": HOST, "cryptobot_pitr": [entry or ENTRY], "cryptobot_services": [], **more}
        given.update(cryptobot_report_dir=str(self.folder / "reports"), cryptobot_fail_on="never")
        (self.folder / "vars.json").write_text(json.dumps(given))
        done = self.fleet.playbook(
            "playbooks/pitr.yml", "-e", f"@{self.folder / 'vars.json'}", *words, environment=self.environment
        )
        found = re.search(rf"^{HOST} +: ok=\d+ +changed=(\d+) .* failed=(\d+)", done.stdout, re.M)
        assert found, done.stdout + done.stderr
        return int(found[1]), int(found[2]), done.stdout + done.stderr

    def module(self, name: str, *words: str, **options: Any) -> dict[str, Any]:
        """Run a module."""
        argv = ("-m", f"cryptobot.maintenance.{name}", "-a", json.dumps(options), *words)
        done = self.fleet.ansible("ansible", HOST, *argv, environment={"ANSIBLE_CALLBACK_RESULT_FORMAT": "json"})
        assert "{\n" in done.stdout, done.stdout + done.stderr
        return dict(json.loads(done.stdout[done.stdout.index("{\n") :]))

    def sql(self, statement: str) -> str:
        """Ask the server, by psql on the host."""
        return str(self.fleet.run(HOST, "runuser", "-u", "postgres", "--", "psql", "-XAtqc", statement)).strip()


@pytest.fixture(scope="module")
def site(fleet: Any, tmp_path_factory: pytest.TempPathFactory) -> Site:
    made = Site(fleet([HOST], layers=["admin", "pg", "pgbackrest"]), tmp_path_factory.mktemp("pitr"))
    # a folder of a lower layer cannot be renamed (EXDEV), so it becomes one of the host's own
    made.fleet.run(HOST, "systemctl", "stop", "postgresql@15-main")
    made.fleet.run(HOST, "sh", "-c", f"cp -a {DATA} {DATA}.own && rm -rf {DATA} && mv {DATA}.own {DATA}")
    made.fleet.run(HOST, "systemctl", "start", "postgresql@15-main")
    made.sql("CREATE TABLE markers (id int, at timestamptz DEFAULT clock_timestamp())")
    return made


def test_check_mode_says_what_would_be_and_changes_nothing(site: Site) -> None:
    before = site.fleet.run(HOST, "cat", "/etc/pgbackrest.conf")
    changed, failed, text = site.play("--check")
    assert failed == 0, text
    assert changed > 0
    assert site.fleet.run(HOST, "cat", "/etc/pgbackrest.conf") == before
    assert site.sql("SHOW archive_mode") == "off"


def test_a_server_is_not_restarted_unless_told_to(site: Site) -> None:
    _changed, _failed, text = site.play()
    assert "pitr_restart=true" in text
    assert site.sql("SHOW archive_mode") == "off"


def test_it_is_set_up_and_backed_up_and_the_second_run_changes_nothing(site: Site) -> None:
    changed, failed, text = site.play(pitr_restart=True)
    assert (changed > 0, failed) == (True, 0), text
    assert site.sql("SHOW archive_mode") == "on"
    assert site.fleet.run(HOST, "stat", "-c", "%U %a", "/etc/pgbackrest.conf").strip() == "postgres 640"
    assert site.fleet.run(HOST, "find", "/var/lib/pgbackrest", "!", "-user", "postgres").strip() == ""
    changed, failed, text = site.play()
    assert (changed, failed) == (0, 0), text
    found = site.module("pitr_check", clusters=[ENTRY])
    assert {each["check"] for each in found["findings"] if each["status"] in ("critical", "unknown")} == set(), found


def test_back_in_time_with_the_configuration_in_etc(site: Site) -> None:
    site.sql("INSERT INTO markers VALUES (1)")
    site.sql("SELECT pg_create_restore_point('before the mistake')")
    site.sql("INSERT INTO markers VALUES (2)")
    site.sql("SELECT pg_switch_wal()")
    site.fleet.run(HOST, "runuser", "-u", "postgres", "--", "pgbackrest", "--stanza=main", "check")
    result = site.module(
        "pitr_restore",
        cluster=ENTRY,
        dir="/var/lib/postgresql/pitr",
        target="name",
        value="before the mistake",
        swap=True,
    )
    assert [(each["action"], each["reason"]) for each in result["actions"] if each["state"] != "done"] == []
    assert site.sql("SELECT string_agg(id::text, ',') FROM markers") == "1"
    assert site.fleet.run(HOST, "systemctl", "is-active", "postgresql@15-main").strip() == "active"
    assert site.fleet.status(HOST, "test", "-e", f"{result['restored']['aside']}/PG_VERSION") == 0
    assert site.module("pitr_restore", cluster=ENTRY, dir="/var/lib/postgresql/pitr", state="absent")["changed"] is True
    changed, failed, text = site.play(pitr_backup="full")
    assert (changed, failed) == (1, 0), text


def test_the_same_without_pgbackrest(site: Site) -> None:
    changed, failed, text = site.play(entry=PLAIN)
    assert (changed > 0, failed) == (True, 0), text
    changed, failed, text = site.play(entry=PLAIN)
    assert (changed, failed) == (0, 0), text
    found = site.module("pitr_check", clusters=[PLAIN], verify=True)
    assert {each["check"] for each in found["findings"] if each["status"] in ("critical", "unknown")} == set(), found
