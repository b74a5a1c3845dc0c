# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hosts of the carrier's tests: their accounts, what is run on them, and what is then found there."""

from __future__ import annotations

import itertools
import json
import subprocess
from pathlib import Path
from typing import Any, NamedTuple, Optional

HOSTS = ("car1", "car2")  # Debian 12 with Python 3.11, Debian 13 with Python 3.13
SECRET = "hunter2-of-the-vault"
# maint logs in and may become anyone; nohome has no home; full and ro have a home where nothing can be kept; shared has
# one that others may write to, of whom mallory is one.
SETUP = r"""
set -eu
for account in maint full ro shared mallory; do useradd --create-home --shell /bin/bash $account; done
useradd --no-create-home --home-dir /nonexistent --shell /bin/bash nohome
echo 'maint ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/maint
mkdir --mode 0700 /home/maint/.ssh
cp /root/.ssh/authorized_keys /home/maint/.ssh/
chown -R maint: /home/maint/.ssh
for account in full ro; do mkdir --mode 0700 /home/$account/.cache; done
mount -t tmpfs -o size=64k,mode=0700,uid=$(id -u full) tmpfs /home/full/.cache
mount -t tmpfs -o ro,mode=0700,uid=$(id -u ro) tmpfs /home/ro/.cache
chmod 0777 /home/shared
"""
SEARCH = """
import os, sys
words = [bytes.fromhex(word) for word in sys.argv[1:]]
for place in ("/root", "/home", "/var", "/tmp", "/etc", "/run/log"):
    for folder, _folders, files in os.walk(place):
        for path in (os.path.join(folder, name) for name in files):
            if os.path.isfile(path) and not os.path.islink(path):
                with open(path, "rb") as stream:
                    content = stream.read()
                if any(word in content for word in words):
                    print(path)
"""
FOLDERS = {"root": "/var/cache/cryptobot-maintenance", "maint": "/home/maint/.cache/cryptobot-maintenance"}
NAMES = itertools.count(1)


class Task(NamedTuple):
    """One task of ours: under which name its result is told, and the keywords of the task."""

    name: str
    keywords: dict[str, Any]
    module: str = "service_check"
    options: Optional[dict[str, Any]] = None
    secret: str = SECRET

    def written(self) -> dict[str, Any]:
        account = self.keywords.get("become_user", "maint")
        options = {
            "services": [{"name": "auth", "port": 8000, "environment": {"API_PASSWORD": self.secret}}],
            "retries": 0,
            "state_dir": f"/tmp/state-{account}",
        }
        return {
            "name": self.name,
            f"cryptobot.maintenance.{self.module}": self.options or options,
            "register": f"told_{self.name}",
            "ignore_errors": True,
            **self.keywords,
        }


class Lab:
    """The hosts, and a folder on this machine for playbooks and results."""

    def __init__(self, fleet: Any, folder: Path) -> None:
        self.fleet, self.folder = fleet, folder

    @classmethod
    def made(cls, fleet: Any, folder: Path) -> Lab:
        for host in HOSTS:
            fleet.run(host, "sh", "-c", SETUP)
        return cls(fleet, folder)

    def play(
        self, tasks: list[Task], *words: str, environment: Optional[dict[str, str]] = None, **variables: Any
    ) -> Played:
        """Run tasks on both hosts, and return each host's results by the names of the tasks."""
        place = self.folder / f"play{next(NAMES)}"
        place.mkdir()
        told = {task.name: f"{{{{ told_{task.name} }}}}" for task in tasks}
        keep = {
            "name": "Keep what was told",
            "ansible.builtin.copy": {"dest": f"{place}/{{{{ inventory_hostname }}}}.json", "content": told},
            "delegate_to": "localhost",
            "connection": "local",
            "check_mode": False,
            "become": False,
            "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"},
        }
        play = {
            "hosts": "all",
            "gather_facts": False,
            "vars": {"ansible_user": "maint", **variables},
            "tasks": [*(task.written() for task in tasks), keep],
        }
        (place / "play.yml").write_text(json.dumps([play]), encoding="utf-8")
        ended = self.fleet.playbook(place / "play.yml", *words, environment=environment)
        results = {path.stem: json.loads(path.read_text("utf-8")) for path in place.glob("*.json")}
        assert set(results) == set(HOSTS), ended.stdout + ended.stderr
        return Played(results, ended)

    def files(self, host: str, account: str) -> list[str]:
        """Return what an account of a host has kept, with mode and owner."""
        script = f"cd {FOLDERS[account]} 2>/dev/null && stat --format '%a %U %n' * || true"
        return sorted(line for line in self.sh(host, script).splitlines() if line)

    def sh(self, host: str, script: str) -> str:
        """Run a script as root of a host, and return what it prints."""
        return str(self.fleet.run(host, "sh", "-c", script))

    def holding(self, host: str, words: list[str]) -> list[str]:
        """Return the files of a host that hold one of some words, which are spelled: its log has this command."""
        self.sh(host, "journalctl --sync; journalctl --flush 2>/dev/null || true")
        spelled = [word.encode("utf-8").hex() for word in words]
        return str(self.fleet.run(host, "python3", "-c", SEARCH, *spelled)).splitlines()

    def forget(self) -> None:
        """Take away what the carrier has left on the hosts."""
        for host in HOSTS:
            self.sh(host, f"rm -rf {' '.join(FOLDERS.values())} /tmp/state-* /home/*/.ansible* /root/.ansible*")


class Played(NamedTuple):
    """What a play told: by host and task, and what was printed."""

    results: dict[str, dict[str, Any]]
    ended: subprocess.CompletedProcess[str]

    def text(self) -> str:
        return self.ended.stdout + self.ended.stderr
