# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The restart play of weekly.yml: only hosts whose look planned a restart take their turn, one after the other."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parents[3]
PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
PLANNED = {"areas": {"restart": {"actions": [{"state": "planned", "action": "stop", "subject": "auth"}]}}}
NOTHING = {"areas": {"restart": {"actions": [{"state": "skipped", "action": "restart", "subject": "auth"}]}}}
FAILED = {"failed": True, "msg": "no look"}  # then the module decides

# What the look said of each host; which hosts then have their turn.
LOOKS = [
    ("some", {"h0": NOTHING, "h1": PLANNED, "h2": NOTHING, "h3": PLANNED, "h4": NOTHING}, ["h1", "h3"]),
    ("none", {"h0": NOTHING, "h1": NOTHING}, []),
    ("one without a look", {"h0": NOTHING, "h1": FAILED}, ["h1"]),
]


@pytest.mark.case("RP12")
@pytest.mark.parametrize(("looks", "turns"), [row[1:] for row in LOOKS], ids=[row[0] for row in LOOKS])
def test_a_host_with_nothing_to_restart_has_no_turn(looks, turns, tmp_path):
    said = _play(looks, tmp_path)
    assert said.returncode == 0, said.stdout + said.stderr
    _look, *batches = said.stdout.split("PLAY [Restart what needs it, one host at a time]")
    ran = [re.findall(r"^(?:ok|changed): .(h[0-9]+).", batch, re.MULTILINE) for batch in batches]
    assert [hosts[0] for hosts in ran if hosts] == turns
    assert all(set(hosts) <= {turn} for hosts, turn in zip(ran, turns))
    assert "WARNING" not in said.stderr


def _play(looks, folder):
    """Run weekly.yml without its first role and without its report, on hosts that were looked at already."""
    _validate, look, restart, _probe, _report = yaml.safe_load((CHECKOUT / "playbooks" / "weekly.yml").read_text())
    del look["roles"]
    (folder / "play.yml").write_text(yaml.safe_dump([look, restart]))
    common = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "cryptobot_state_dir": str(folder / "state"),
        "cryptobot_services": [],
        "cryptobot_trading": {},
        "cryptobot_restart_when": "needed",
    }
    hosts = {name: {"cryptobot_result_checkup": look} for name, look in looks.items()}
    inventory = {"cryptobot": {"hosts": hosts, "vars": common}}
    (folder / "inventory.yml").write_text(json.dumps(inventory))
    argv = [str(PLAYBOOK), "-i", str(folder / "inventory.yml"), str(folder / "play.yml")]
    return subprocess.run(argv, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=300)
