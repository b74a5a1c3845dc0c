# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a bare host to ready to trade: packages, accounts, servers, all data and services, by one command.

Bare hosts get nothing of the first one but the copied set. The numbers that accounts had are strangers' there. One has
no package yet, they come by apt from a folder of .deb files, and is recovered in one go. The other has the packages;
the restore is killed between two renames there, the power goes, and then the same command.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from fleet import access, base
from fleet.handle import CHECKOUT

from .test_restore import DEMO, DIGEST, INSTALL, SERVICES, SOURCES, STATE, UNITS

SETS = "/var/backups/cryptobot"
LAYERS = {"db1": ["admin", "pg", "redis"], "new1": ["admin"], "new2": ["admin", "pg", "redis"]}
ALL = [
    {"name": "code", "type": "files", "path": DEMO},
    *SOURCES,
    {"name": "host", "type": "system", "services": ["cryptobot-*"], "accounts": ["cryptobot"]},
]
INDEX = """set -e
cd /srv/debs
for deb in *.deb; do dpkg-deb -f "$deb"; printf 'Filename: ./%s\\nSize: %s\\nSHA256: %s\\n\\n' \
"$deb" "$(stat -c %s "$deb")" "$(sha256sum "$deb" | cut -d' ' -f1)"; done > Packages
rm -f /etc/apt/sources.list.d/*
echo 'deb [trusted=yes] file:/srv/debs ./' > /etc/apt/sources.list
rm -rf /var/lib/apt/lists/*
"""
OWNERS = """cd /opt; find cryptobot cryptobot-demo \\( -path '*/logs' -o -path '*/run' -o -name __pycache__ \\) -prune \
-o -name '*.db-*' -o -printf '%u:%g\\n' | sort | uniq -c"""
CHANGED = """find / -xdev -newer /root/before \\( -path /proc -o -path /sys -o -path /run -o -path /dev -o -path /tmp \
-o -path /var/log -o -path /var/tmp -o -path /root/.ansible -o -path /var/cache/cryptobot-maintenance \
-o -path /var/lib/systemd \\) -prune -o -newer /root/before \\( -type f -o -type l \\) -print"""
# Ends whoever holds the maintenance lock while the restore swaps, told by the journal that it has just written.
KILLER = """
import glob, json, os, signal, time
while True:
    for path in glob.glob("/var/lib/cryptobot-maintenance/restores/*.json"):
        left = json.load(open(path))
        if left["now"].startswith("swap /opt/cryptobot"):
            os.kill(json.load(open("/var/lib/cryptobot-maintenance/maintenance.lock"))["pid"], signal.SIGKILL)
            raise SystemExit(open("/root/killed", "w").write(left["now"]))
    time.sleep(0.0005)
"""


class Hosts:
    """The three hosts, and what a user runs on them."""

    def __init__(self, lab: Any, reports: Path) -> None:
        self.lab, self.reports = lab, reports

    def sh(self, name: str, script: str) -> str:
        return str(self.lab.run(name, "sh", "-c", script)).strip()

    def play(self, playbook: str, name: str, *words: str, **extra: Any) -> Any:
        given = {
            "cryptobot_hosts": "all",
            "cryptobot_backup": {"dir": SETS, "sources": ALL},
            "cryptobot_services": SERVICES,
            "cryptobot_databases": [{"name": "main", "engine": "sqlite", "path": SOURCES[2]["path"]}],
            "cryptobot_firewall_required": False,
            "cryptobot_report_dir": str(self.reports),
            **extra,
        }
        book = CHECKOUT / "playbooks" / f"{playbook}.yml"
        return self.lab.playbook(book, "-e", json.dumps(given), "--limit", name, *words)

    def recover(self, name: str, *words: str, **extra: Any) -> Any:
        return self.play("recover", name, *words, **{"recover_host": name, "recover_from_host": "db1", **extra})

    def findings(self, check: str) -> list[tuple[str, str]]:
        newest = max(self.reports.glob("**/report.json"), key=lambda path: path.parent.name)
        found = json.loads(newest.read_text("utf-8"))["findings"]
        return [(each["status"], each["message"]) for each in found if each["check"] == check]

    def state(self, name: str) -> dict[str, str]:
        """Return what the data is, and whose, each asked by its own program."""
        count, database = "SELECT count(*) FROM audit_logs", SOURCES[2]["path"]
        return {
            "files": self.sh(name, DIGEST),
            "owners": self.sh(name, OWNERS),
            "sqlite": self.sh(name, f"stat -c %U {database}; sqlite3 {database} '{count}'"),
            "server": self.sh(name, f"cd /; runuser -u postgres -- psql -qAtX -d cryptobot -c '{count}'"),
            "owner": self.sh(name, "cd /; runuser -u postgres -- psql -qAtX -c '\\du cryptobot'"),
            "keys": self.sh(name, "redis-cli mget api:1 api:2 | tr '\\n' ' '"),
            "redis": self.sh(name, "stat -c %U:%G /var/lib/redis/dump.rdb"),
            "enabled": self.sh(name, f"systemctl is-enabled {' '.join(UNITS)} postgresql redis-server"),
            "active": self.sh(name, f"systemctl is-active {' '.join(UNITS)} postgresql redis-server"),
        }


def copied(hosts: Hosts, source: str, folder: Path) -> Path:
    """Return a folder of this machine that has what a folder of db1 has, with owners and rights."""
    packed = subprocess.run(
        access.run_argv(hosts.lab.name, "db1", ["tar", "-C", source, "-cf", "-", "."]), capture_output=True, check=True
    )
    folder.mkdir()
    subprocess.run(["tar", "-C", str(folder), "-xpf", "-"], input=packed.stdout, check=True)
    return folder


def packages(hosts: Hosts, folder: Path) -> Path:
    """Return a folder of what db1 has installed and a bare host has not."""
    listed = "dpkg-query -W -f '$${Package} $${Version} $${Architecture}\\n'"  # systemd-run takes one $ away
    has, lacks = (set(hosts.sh(name, listed).splitlines()) for name in ("db1", "new1"))
    folder.mkdir()
    for name, version, architecture in (line.split() for line in has - lacks):
        deb = f"{name}_{version}_{architecture}.deb"
        written = base.packages_cache(base.DEFAULT_RELEASE) / deb.replace(":", "%3a")
        assert written.is_file(), f"{written} is not in the cache of packages: build the layers anew"
        shutil.copyfile(written, folder / deb.replace(":", "_"))
    return folder


@pytest.fixture(scope="module")
def hosts(fleet: Any, tmp_path_factory: pytest.TempPathFactory) -> Hosts:
    scratch = tmp_path_factory.mktemp("recover")
    lab = fleet(["db1", "new1", "new2"], layers=LAYERS)
    hosts = Hosts(lab, scratch / "reports")
    lab.push("db1", CHECKOUT / "tests" / "demo", DEMO)
    hosts.sh("db1", INSTALL.replace("sed -i 's/^appendonly no/appendonly yes/'", "sed -i 's/^#none//'"))
    hosts.sh("db1", "usermod -aG adm cryptobot; cp -a /usr/bin/true /opt/cryptobot/; touch /opt/cryptobot/made.at.db1")
    taken = {name: hosts.sh("db1", f"id -u {name}") for name in ("cryptobot", "redis")}  # new2 has its redis already
    ended = hosts.play("backup", "db1")
    assert ended.returncode == 0, ended.stdout
    hosts.saved = hosts.state("db1")
    sets, debs = copied(hosts, SETS, scratch / "sets"), packages(hosts, scratch / "debs")
    lab.push("new1", debs, "/srv/debs")
    hosts.sh("new1", INDEX)
    for name in ("new1", "new2"):
        lab.push(name, sets, SETS)
        for account, uid in taken.items():
            hosts.sh(name, f"useradd -r -u {uid} not{account} || true")
    return hosts


def test_a_plan_names_every_step_and_changes_nothing(hosts: Hosts) -> None:
    hosts.sh("new1", "sleep 1; touch /root/before; sleep 1; getent passwd > /root/accounts")
    ended = hosts.recover("new1", "--check")
    assert ended.returncode == 0, ended.stdout
    for words in ("postgresql", "redis-server", "cryptobot (any number, in adm)", "in about", "trade.service"):
        assert words in ended.stdout, ended.stdout
    assert hosts.sh("new1", f"getent passwd | cmp - /root/accounts && {CHANGED}").splitlines() in (
        [],
        ["/root/accounts"],
    )
    assert hosts.lab.status("new1", "test", "-e", STATE) != 0


def test_nothing_is_done_unless_the_host_is_named_or_where_an_installation_lives(hosts: Hosts) -> None:
    assert hosts.recover("new1", recover_host="new2").returncode == 2
    assert hosts.lab.status("new1", "test", "-e", STATE) != 0
    before = hosts.state("db1")
    ended = hosts.recover("db1")
    assert ended.returncode == 2
    assert "an installation lives on this host (/opt/cryptobot-demo is there" in ended.stdout, ended.stdout
    assert hosts.state("db1") == before


def test_a_bare_host_is_ready_to_trade_by_one_command(hosts: Hosts) -> None:
    begun = time.monotonic()
    ended = hosts.recover("new1")
    seconds = time.monotonic() - begun
    assert ended.returncode == 0, ended.stdout
    assert hosts.state("new1") == hosts.saved
    assert "adm" in hosts.sh("new1", "id -nG cryptobot")
    assert [status for status, _message in hosts.findings("recover.ready")] == ["ok"]
    ((status, said),) = hosts.findings("recover.dry_run")
    assert (status, "pretends to trade" in said) == ("ok", True), said
    print(f"\nRTO of a bare host, from the command to ready to trade: {seconds:.1f} s")


def test_killed_between_two_renames_and_without_power_the_same_command_goes_on(hosts: Hosts) -> None:
    hosts.lab.run("new2", "systemd-run", "--unit=killer", "--collect", "python3", "-c", KILLER)
    ended = hosts.recover("new2")
    assert ended.returncode != 0
    assert hosts.sh("new2", "cat /root/killed").startswith("swap /opt/cryptobot"), ended.stdout
    assert [status for status, _message in hosts.findings("recover.ready")] == ["critical"]
    hosts.lab.stop("new2")
    hosts.lab.start("new2")
    hosts.sh("new2", "until systemctl is-system-running 2>/dev/null | grep -qE 'running|degraded'; do sleep .5; done")
    assert "active" not in hosts.sh("new2", f"systemctl is-active {' '.join(UNITS)} || true").split()
    ended = hosts.recover("new2")
    assert ended.returncode == 0, ended.stdout
    assert hosts.state("new2") == hosts.saved
    assert [status for status, _message in hosts.findings("recover.ready")] == ["ok"]
