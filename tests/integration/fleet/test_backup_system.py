# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A source of type system on a real systemd host: what it holds makes another host the same."""

from __future__ import annotations

import json

import pytest

OLD, NEW = "sys1", "sys2"
SETS = "/var/backups/cryptobot"
SETUP = r"""
set -eu
useradd --system --home-dir /opt/cryptobot --shell /usr/sbin/nologin --create-home cryptobot
mkdir -p /etc/systemd/system/cryptobot-auth.service.d
printf '[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n' \
    > /etc/systemd/system/cryptobot-auth.service
printf '[Service]\nUser=cryptobot\n' > /etc/systemd/system/cryptobot-auth.service.d/account.conf
printf '0 3 * * * cryptobot true\n' > /etc/cron.d/cryptobot
printf 'net.core.somaxconn = 1024\n' > /etc/sysctl.d/60-cryptobot.conf
mkdir -p /opt/cryptobot/venv/lib/python3.11/site-packages/requests-2.31.0.dist-info
systemctl daemon-reload
systemctl enable --now cryptobot-auth
systemctl mask cryptobot-trade
nft add table inet cryptobot
nft add chain inet cryptobot input '{ type filter hook input priority 0; policy accept; }'
nft add rule inet cryptobot input tcp dport 8000 ip saddr 10.1.2.3 accept
"""
# What somebody does who has nothing but the set: the files by their paths, the link of the unit, the rules.
BY_HAND = r"""
set -eu
cd /root/host
grep '^services' overview.txt | while IFS='	' read -r part file from mode owner; do
    case $from in
        /etc/systemd/*) install -D -m "$mode" -o "$owner" "$file" "$from" ;;
    esac
done
useradd --system --no-create-home cryptobot
systemctl daemon-reload
grep -q '/multi-user.target.wants/cryptobot-auth.service -> ' services.links.txt
systemctl enable --now cryptobot-auth
nft -f firewall.nft.txt
"""


class Lab:
    """Two hosts; the first is backed up, the second has nothing."""

    def __init__(self, up, folder) -> None:
        self.fleet, self.folder = up([OLD, NEW], layers=["admin"]), folder

    def sh(self, host: str, script: str) -> str:
        (self.folder / "script.sh").write_text(script)
        self.fleet.push(host, self.folder / "script.sh", "/root")
        return self.fleet.run(host, "sh", "/root/script.sh")

    def back_up(self, **source: object) -> dict:
        """Back the first host up, with a system source."""
        options = {"dir": SETS, "sources": [{"name": "host", "type": "system", **source}], "timeout": 300}
        module = ("-m", "cryptobot.maintenance.backup_archive", "-a", json.dumps(options))
        done = self.fleet.ansible("ansible", OLD, *module, environment={"ANSIBLE_CALLBACK_RESULT_FORMAT": "json"})
        assert "=> {" in done.stdout, done.stdout + done.stderr
        return json.loads(done.stdout[done.stdout.index("=> {") + 3 :])


@pytest.fixture(scope="module")
def lab(fleet, tmp_path_factory):
    made = Lab(fleet, tmp_path_factory.mktemp("system"))
    made.sh(OLD, SETUP)
    return made


@pytest.fixture(scope="module")
def taken(lab) -> dict:
    wanted = ["services", "schedules", "firewall", "packages", "release", "sysctl", "accounts"]
    return lab.back_up(wanted=wanted, venvs=["/opt/cryptobot/venv"])


def test_every_part_of_the_host_is_in_the_set(lab, taken):
    found = {one["check"]: one for one in taken["findings"]}
    assert found["backup.taken"]["status"] == "ok", taken.get("msg")
    assert found["backup.system_parts"]["status"] == "ok", found["backup.system_parts"]
    folder = f"{SETS}/latest/host"
    assert "requests==2.31.0" in lab.sh(OLD, f"cat {folder}/packages.pip~opt~cryptobot~venv.txt")
    assert "cryptobot:x:" in lab.sh(OLD, f"cat {folder}/accounts.passwd.txt")
    assert "systemd" in lab.sh(OLD, f"cut -f1 {folder}/packages.dpkg.txt")
    assert "cryptobot-trade.service -> /dev/null" in lab.sh(OLD, f"cat {folder}/services.links.txt")


def test_a_part_that_is_wanted_and_not_there_makes_no_set(lab, taken):
    answer = lab.back_up(wanted=["redis"])
    assert "part redis is declared as wanted" in answer["msg"]
    assert lab.sh(OLD, f"ls -d {SETS}/2*").split() == [taken["set"]["path"]]


def test_another_host_becomes_the_same_by_hand(lab, taken):
    lab.sh(OLD, f"tar -C {SETS}/latest -cf /root/host.tar host")
    (lab.folder / "host.b64").write_text(lab.sh(OLD, "base64 /root/host.tar"))
    lab.fleet.push(NEW, lab.folder / "host.b64", "/root")
    lab.sh(NEW, "base64 -d /root/host.b64 | tar -C /root -x")
    lab.sh(NEW, BY_HAND)
    for question in (
        "systemctl is-active cryptobot-auth; systemctl is-enabled cryptobot-auth",
        "systemctl show -p User,DropInPaths cryptobot-auth",
        "nft list table inet cryptobot",
        "stat -c '%a %U' /etc/systemd/system/cryptobot-auth.service.d/account.conf",
    ):
        assert lab.sh(NEW, question) == lab.sh(OLD, question)
