# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The contract of the two ways: what a module returns by the runner is what it returns by AnsiballZ, for every area."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from .lab import HOSTS, SECRET, Lab, Task

STATE = "/tmp/state-same"
SETUP = r"""
set -eu
rm -rf /tmp/state-same /srv/same; mkdir -p /srv/same/logs /srv/same/config
echo 'key: value' > /srv/same/config/settings.yml
for age in 10 40 90; do echo x > /srv/same/logs/old.log.$age; touch -d "$age days ago" /srv/same/logs/old.log.$age; done
python3 - <<'END'
import sqlite3
with sqlite3.connect("/srv/same/app.db") as database:
    database.execute("create table a (b text)")
    database.executemany("insert into a values (?)", [("x" * 1000,)] * 2000)
    database.execute("delete from a where rowid % 2")
END
"""
SERVICES: list[dict[str, Any]] = [  # one of them does not listen, and had time to
    {
        "name": "auth",
        "unit": "cron.service",
        "port": 8000,
        "start_grace": "1s",
        "environment": {"API_PASSWORD": SECRET},
    },
    {"name": "data", "unit": "ssh.service", "port": 22, "bind": "0.0.0.0"},
]
RESOURCES: dict[str, Any] = {"thresholds": {}}
SERVICE = {"services": SERVICES, "retries": 0}
BACKUP: dict[str, Any] = {
    "dir": "/srv/same/backups",
    "sources": [{"name": "config", "type": "files", "path": "~/../srv/same/config"}],
}
CLEANUP = {"rules": [{"name": "logs", "path": "/srv/same/logs", "patterns": ["*.log.*"], "age": "35d"}]}
DATABASE = {"databases": [{"name": "app", "engine": "sqlite", "path": "$HOME/../srv/same/app.db"}], "mode": "plan"}
FIREWALL = {"policy": [{"port": 22, "from": ["any"], "why": "ssh"}]}
RESTART: dict[str, Any] = {"services": SERVICES}
CHECKS = {"resources": RESOURCES, "services": SERVICE, "firewall": FIREWALL, "cleanup": CLEANUP, "database": DATABASE}
# (name, module, options, keywords of the task)
CALLS: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    ("resources", "resource_check", RESOURCES, {}),
    ("services", "service_check", SERVICE, {}),
    ("backup_planned", "backup_archive", BACKUP, {"check_mode": True}),
    ("backup", "backup_archive", BACKUP, {}),
    ("backup_verified", "backup_archive", {**BACKUP, "state": "verified"}, {}),
    ("backup_failed", "backup_archive", {**BACKUP, "sources": [{**BACKUP["sources"][0], "path": "/srv/none"}]}, {}),
    ("cleanup_planned", "disk_cleanup", CLEANUP, {"check_mode": True, "diff": True}),
    ("cleanup", "disk_cleanup", CLEANUP, {"diff": True}),
    ("database", "db_vacuum", DATABASE, {}),
    ("firewall", "firewall_audit", FIREWALL, {}),
    ("restart", "service_restart", RESTART, {"check_mode": True}),
    ("checkup", "checkup", {"checks": CHECKS}, {}),
    ("refused", "service_check", {"services": [{"name": "auth", "prot": 1}]}, {}),
]


@pytest.fixture(scope="module")
def told(lab: Lab) -> dict[str, dict[str, Any]]:
    """What each call told on the first host, by way."""
    found = {}
    for way in ("runner", "ansiballz"):
        lab.sh(HOSTS[0], SETUP)
        lab.sh(HOSTS[1], SETUP)
        become = {"become": True, "become_user": "root"}
        tasks = [
            Task(name, {**become, **words}, module, {**options, "state_dir": STATE})
            for name, module, options, words in CALLS
        ]
        found[way] = lab.play(tasks, cryptobot_carrier=way, ansible_pipelining=True).results
    return found


LOAD = re.compile(r"resources\.(cpu|load|memory|swap|pressure\w*|io\w*|inodes|disk\w*)")


def plain(value: Any) -> Any:
    """Return a result without what differs between two runs: measured numbers, times, ids, the names of sets, and what
    is said of how busy the machine is.
    """
    if isinstance(value, dict) and LOAD.fullmatch(str(value.get("check"))):
        return {name: value[name] for name in ("check", "procedure", "subject")}
    if isinstance(value, dict):
        left_out = {"seconds", "warnings", *(["status"] if "resources." in str(value.get("findings")) else [])}
        return {plain(key): plain(each) for key, each in value.items() if key not in left_out}
    if isinstance(value, list):
        parts = [plain(each) for each in value]
        return sorted(parts, key=str) if value and isinstance(value[0], dict) and "check" in value[0] else parts
    if isinstance(value, str):
        return re.sub(r"[0-9a-f]{6,}|\d+(\.\d+)?( [kMGT]i?B| s\b| min\b)?", "N", value)
    return 0 if isinstance(value, (int, float)) and not isinstance(value, bool) else value


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("name", [call[0] for call in CALLS])
def test_a_module_returns_the_same_by_either_way(told: dict[str, dict[str, Any]], name: str, host: str) -> None:
    ours, theirs = told["runner"][host][name], told["ansiballz"][host][name]
    assert json.dumps(plain(ours), indent=1, sort_keys=True) == json.dumps(plain(theirs), indent=1, sort_keys=True)
    assert SECRET not in str(ours)


@pytest.mark.parametrize("host", HOSTS)
def test_the_calls_reach_what_they_are_about(told: dict[str, dict[str, Any]], host: str) -> None:
    answers = told["runner"][host]
    failed = {name for name, answer in answers.items() if answer.get("failed")}
    assert failed == {"backup_failed", "refused"}, {name: answers[name].get("msg") for name in failed}
    assert set(answers["checkup"]["areas"]) == set(CHECKS)
    assert [action["state"] for action in answers["backup"]["actions"]].count("done") >= 1
    assert answers["cleanup_planned"]["diff"]
