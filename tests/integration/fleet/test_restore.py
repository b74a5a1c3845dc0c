# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way back of a real systemd host: its installation destroyed and its database dropped, back by one command.

What must be held off is there: an operator who starts a unit in a loop, a timer that does, and a client that writes to
the database in a loop. Then a restore that is killed, and a host that loses its power half way.
"""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from fleet.handle import CHECKOUT

DEMO = "/opt/cryptobot-demo"
STATE = "/var/lib/cryptobot-maintenance"
CORE = "/opt/core/ansible_collections/cryptobot/maintenance/plugins"
UNITS = [f"cryptobot-{name}.service" for name in ("auth", "data", "strategy", "backtest", "trade")]
LOCK, DROP_IN = f"{STATE}/restore.lock", "/etc/systemd/system/cryptobot-auth.service.d/cryptobot-restore.conf"
SOURCES = [
    {"name": "install", "type": "files", "path": "/opt/cryptobot", "exclude": ["logs/*", "run/*"]},
    {"name": "units", "type": "files", "paths": [f"/etc/systemd/system/{unit}" for unit in UNITS]},
    {"name": "database", "type": "sqlite", "path": "/opt/cryptobot/database/cryptobot.db"},
    {"name": "server", "type": "postgresql", "database": "cryptobot", "system_user": "postgres"},
    {"name": "keys", "type": "redis"},
]
SERVICES = [
    {"name": name, "unit": f"cryptobot-{name}", "port": 8000 + place, "health": {"path": path}, "depends_on": needs}
    for place, (name, path, needs) in enumerate(
        [
            ("auth", "/health", []),
            ("data", "/", ["auth"]),
            ("strategy", "/health", ["auth", "data"]),
            ("backtest", "/", ["auth", "data", "strategy"]),
            ("trade", "/metrics", ["auth", "strategy"]),
        ]
    )
]
INSTALL = f"""set -e
useradd --system --no-create-home --home-dir /opt/cryptobot --shell /usr/sbin/nologin cryptobot
python3 {DEMO}/manage.py install --install-dir /opt/cryptobot --rows small
chown -R cryptobot:cryptobot /opt/cryptobot
python3 {DEMO}/manage.py systemd-units --dest /etc/systemd/system --host 127.0.0.1
systemctl daemon-reload
systemctl enable --quiet --now {" ".join(UNITS)} postgresql
until runuser -u postgres -- pg_isready -q; do sleep .2; done
cd /
runuser -u postgres -- createuser cryptobot
runuser -u postgres -- createdb --owner cryptobot cryptobot
python3 {DEMO}/manage.py sql --bloat-rounds 0 > /tmp/demo.sql
runuser -u postgres -- psql -qX -d cryptobot -f /tmp/demo.sql
sed -i 's/^appendonly no/appendonly yes/' /etc/redis/redis.conf
systemctl enable --quiet redis-server && systemctl restart redis-server
until redis-cli ping 2>/dev/null | grep -q PONG; do sleep .2; done
redis-cli mset api:1 secret api:2 secret >/dev/null
printf '[Service]\\nType=oneshot\\nExecStart=/usr/bin/true\\n' > /etc/systemd/system/poke.service
printf '[Timer]\\nOnActiveSec=1\\nOnUnitActiveSec=1\\nAccuracySec=100ms\\nUnit=cryptobot-trade.service\\n' \
    > /etc/systemd/system/poke.timer
for port in 8000 8001 8002 8003 8004; do until nc -z 127.0.0.1 $port; do sleep .2; done; done
"""
OPERATOR = """down=; while :; do systemctl start cryptobot-data >/dev/null 2>&1
if ! test -e {lock}; then down=; elif ! systemctl is-active -q cryptobot-data; then down=1
elif test -n "$down" && test -e {lock}; then date +%s.%N >> /root/started; fi; sleep .2; done"""
WRITER = """cd /; while :; do
runuser -u postgres -- psql -qX -d cryptobot -c "INSERT INTO audit_logs (action) VALUES ('w')" >/dev/null 2>&1 ||
date >> /root/refused; sleep .1; done"""
DIGEST = """cd /opt/cryptobot && find . -path ./logs -prune -o -path ./run -prune -o -path './database/*' -prune -o \
-type f -printf '%p %m %u ' -exec sha256sum {} \\; | sort | sha256sum"""
KILLED = """
import json, os, signal, sys
sys.path.insert(0, "/opt/core")
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import LinuxHost
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restore import journal
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restore.run import run
write = journal.write
def deadly(state_dir, left):
    write(state_dir, left)
    if left.now == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)
journal.write = deadly
result = run(json.loads(sys.argv[1]), LinuxHost(600), False)
print(json.dumps({"failure": result.failure}))
"""


class Host:
    """The one host of these tests, and what a user runs on it."""

    def __init__(self, lab: Any, reports: Path) -> None:
        self.lab, self.reports = lab, reports

    def sh(self, script: str) -> str:
        return str(self.lab.run("db1", "sh", "-c", script)).strip()

    def background(self, name: str, script: str) -> None:
        self.lab.run("db1", "systemd-run", f"--unit={name}", "--collect", "sh", "-c", script)

    def play(self, playbook: str, *words: str, **extra: Any) -> Any:
        given = {
            "cryptobot_hosts": "all",
            "cryptobot_backup": {"dir": "/var/backups/cryptobot", "sources": SOURCES},
            "cryptobot_services": SERVICES,
            "cryptobot_databases": [],
            "cryptobot_report_dir": str(self.reports),
            **extra,
        }
        return self.lab.playbook(CHECKOUT / "playbooks" / f"{playbook}.yml", "-e", json.dumps(given), *words)

    def state(self) -> dict[str, str]:
        """Return what the data is, each asked by its own program: files, SQLite, PostgreSQL, Redis."""
        count = "SELECT count(*) FROM audit_logs"
        return {
            "files": self.sh(f"{DIGEST} 2>/dev/null || echo none"),
            "sqlite": self.sh(f"sqlite3 /opt/cryptobot/database/cryptobot.db '{count}' 2>/dev/null || echo none"),
            "server": self.sh(
                f"cd /; runuser -u postgres -- psql -qAtX -d cryptobot -c '{count}' 2>/dev/null || echo none"
            ),
            "keys": self.sh("redis-cli mget api:1 api:2 | tr '\\n' ' '; redis-cli config get appendonly | tail -1"),
        }

    def active(self) -> list[str]:
        return self.sh(f"systemctl is-active {' '.join(UNITS)} || true").split()


@pytest.fixture(scope="module")
def host(fleet: Any, tmp_path_factory: pytest.TempPathFactory) -> Host:
    lab = fleet(["db1"], layers=["admin", "pg", "redis"])
    lab.push("db1", CHECKOUT / "tests" / "demo", DEMO)
    lab.push("db1", CHECKOUT / "plugins", CORE)
    found = Host(lab, tmp_path_factory.mktemp("reports"))
    found.sh(INSTALL)
    ended = found.play("backup")
    assert "published" in ended.stdout or ended.returncode == 0, ended.stdout
    found.saved = found.state()
    assert "none" not in found.saved.values()
    assert found.saved["keys"].split() == ["secret", "secret", "yes"]
    return found


def destroy(host: Host) -> None:
    host.sh(
        "cd /; rm -rf /opt/cryptobot; runuser -u postgres -- dropdb --force --if-exists cryptobot; redis-cli flushall"
    )
    assert host.state()["server"] == "none"


def test_all_of_it_comes_back_healthy_by_one_command(host: Host) -> None:
    destroy(host)
    begun = time.monotonic()
    ended = host.play("restore", restore_set="newest")
    seconds = time.monotonic() - begun
    assert ended.returncode == 0, ended.stdout
    assert host.state() == host.saved
    assert host.active() == ["active"] * 5
    assert host.sh(f"ls {LOCK} {DROP_IN} 2>/dev/null || true") == ""
    for port in range(8000, 8005):
        host.sh(f"nc -z 127.0.0.1 {port}")
    print(f"\nRTO of a destroyed host, from the command to healthy services: {seconds:.1f} s")


def test_a_host_that_lost_its_backup_folder_too_comes_back_from_a_repository_by_one_command(host: Host) -> None:
    """The repository and its password are all that is left: no set of it is known to this host, and none to be good."""
    program = shutil.which("restic")
    if not program:
        pytest.skip("needs restic on this machine, whose program is lent to the host")
    host.lab.push("db1", Path(program), "/usr/local/bin")
    host.sh("chmod 755 /usr/local/bin/restic; umask 077; echo only-for-tests > /etc/restic-password")
    stored = {"dir": "/var/backups/restic", "sources": SOURCES, "store": "restic", "repository": "/srv/restic"}
    stored["repository_password_file"] = "/etc/restic-password"
    before = host.state()
    ended = host.play("backup", cryptobot_backup=stored)
    assert ended.returncode == 0, ended.stdout
    destroy(host)
    host.sh(f"rm -r {stored['dir']} {STATE}")
    begun = time.monotonic()
    ended = host.play("restore", restore_set="newest", cryptobot_backup=stored)
    seconds = time.monotonic() - begun
    assert ended.returncode == 0, ended.stdout
    assert host.state() == before
    assert host.active() == ["active"] * 5
    print(f"\nRTO of a destroyed host from a restic repository alone: {seconds:.1f} s")


def test_who_starts_a_unit_or_writes_to_the_database_is_held_off(host: Host) -> None:
    host.sh("rm -f /root/started /root/refused; systemctl start poke.timer")
    host.background("operator", OPERATOR.format(lock=LOCK))
    host.background("writer", WRITER)
    try:
        ended = host.play("restore", restore_set="newest")
    finally:
        host.sh("systemctl stop operator writer poke.timer; true")
    assert ended.returncode == 0, ended.stdout
    state = host.state()
    assert (state["files"], state["sqlite"]) == (host.saved["files"], host.saved["sqlite"])
    assert int(state["server"]) >= int(host.saved["server"])
    assert host.sh("cat /root/started 2>/dev/null || true") == "", "a unit ran although it was held down"
    assert host.sh("wc -l < /root/refused") != "0", "the writer was never refused"
    assert host.active() == ["active"] * 5


def options() -> dict[str, Any]:
    """Return the options of the module as its validation fills them in."""
    from ansible_collections.cryptobot.maintenance.plugins.module_utils.restore import SPEC
    from ansible_collections.cryptobot.maintenance.plugins.module_utils.typed import fill

    given = {"dir": "/var/backups/cryptobot", "sources": SOURCES, "services": SERVICES, "state_dir": STATE}
    filled, faults = fill(SPEC, {**given, "safety_set": False})
    assert not faults
    return filled


@pytest.mark.parametrize("way", ["resumed", "rolled_back"])
def test_power_lost_in_the_middle_of_the_swap_leaves_the_units_down_until_one_command(host: Host, way: str) -> None:
    host.sh("echo spoilt > /opt/cryptobot/.env")
    before = host.state()
    step = "swap /opt/cryptobot/database/cryptobot.db"
    assert host.lab.status("db1", "python3", "-c", KILLED, json.dumps(options()), step) != 0
    assert host.active() == ["inactive"] * 5
    host.lab.stop("db1")
    host.lab.start("db1")
    host.sh("until systemctl is-system-running 2>/dev/null | grep -qE 'running|degraded'; do sleep .5; done")
    assert "active" not in host.active(), "the boot started what is half swapped"
    assert host.lab.status("db1", "systemctl", "start", "cryptobot-auth") != 0
    assert host.play("restore", restore_set="newest").returncode == 2, "another restore is refused"
    ended = host.play("restore", restore_state=way)
    assert ended.returncode == 0, ended.stdout
    assert host.state() == (host.saved if way == "resumed" else before)
    assert host.active() == ["active"] * 5
