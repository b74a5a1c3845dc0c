# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Others on a real host: what they change is not run, what they race for never is, and a full disk stops nothing."""

from __future__ import annotations

import pytest

from .lab import FOLDERS, HOSTS, Lab, Task

ROOT = {"become": True, "become_user": "root"}
HOST = HOSTS[0]
KEPT = FOLDERS["root"]
EVIDENCE = "/tmp/planted"


@pytest.fixture
def warm(lab: Lab) -> Lab:
    """The hosts, on which root has kept the core."""
    lab.forget()
    assert not lab.play([Task("root", ROOT)]).results[HOST]["root"].get("failed")
    return lab


# (what is done to what root has kept, what the failure says)
SWAPS = {
    "payload": ("for f in *.zip; do echo more >> $f; done", "it was changed on this host"),
    "link": ("for f in *.zip; do mv $f /tmp/moved; ln -s /tmp/moved $f; done", "is a link, or no file"),
    "code_link": ("for f in *.code; do mv $f /tmp/moved; ln -s /tmp/moved $f; done", "is a link, or no file"),
    "owner": ("chown mallory *.code", "belongs to the account with the uid"),
    "mode": ("chmod 0666 *.zip", "can be written by others (mode 0666)"),
}


@pytest.mark.parametrize("swap", SWAPS)
def test_what_was_changed_is_not_run_and_the_task_says_so(warm: Lab, swap: str) -> None:
    script, said = SWAPS[swap]
    warm.sh(HOST, f"cd {KEPT} && {script}")
    told = warm.play([Task("root", ROOT)]).results
    assert told[HOST]["root"]["failed"] is True
    assert told[HOST]["root"]["msg"].startswith("nothing was run: ")
    assert said in told[HOST]["root"]["msg"]
    assert not told[HOSTS[1]]["root"].get("failed")


def test_a_payload_that_was_changed_is_brought_again_by_the_next_run(warm: Lab) -> None:
    warm.sh(HOST, f"cd {KEPT} && for f in *.zip; do echo more >> $f; done")
    assert warm.play([Task("root", ROOT)]).results[HOST]["root"]["failed"] is True
    told = warm.play([Task("root", ROOT)]).results[HOST]["root"]
    assert not told.get("failed")
    assert not told.get("warnings")


# (what is done to the folder or one above it, what the warning says)
OPENED = {
    "own_mode": (f"chmod 0777 {KEPT}", f"chmod 0700 {KEPT}", "others may write to"),
    "own_owner": (f"chown mallory {KEPT}", f"chown root {KEPT}", "belongs to the account"),
    "above_mode": ("chmod 0777 /var/cache", "chmod 0755 /var/cache", "others may write to /var/cache"),
    "above_owner": ("chown mallory /var/cache", "chown root /var/cache", "/var/cache belongs to the account"),
    "far_above": ("chmod 0777 /var", "chmod 0755 /var", "others may write to /var"),
    "link": (f"mv {KEPT} /root/kept; ln -s /root/kept {KEPT}", f"rm {KEPT}", "is a link"),
}


@pytest.mark.parametrize("opened", OPENED)
def test_a_folder_that_others_may_change_is_not_used(warm: Lab, opened: str) -> None:
    script, back, said = OPENED[opened]
    warm.sh(HOST, f"for f in {KEPT}/*; do : > $f; done; {script}")  # its files are wrong: whoever read them would fail
    try:
        told = warm.play([Task("root", ROOT)]).results[HOST]["root"]
    finally:
        warm.sh(HOST, f"{back}; rm -rf /root/kept")
    assert not told.get("failed"), told
    (warning,) = [text for text in told["warnings"] if "from memory" in text]
    assert said in warning


@pytest.mark.parametrize(("account", "said"), [("full", "No space left on device"), ("ro", "Read-only file system")])
def test_where_nothing_can_be_kept_it_runs_from_memory_and_says_why(lab: Lab, account: str, said: str) -> None:
    become = {"become": True, "become_user": account}
    told = lab.play([Task("once", become), Task("again", become)]).results[HOST]
    for each in told.values():
        assert not each.get("failed"), each
        (warning,) = [text for text in each["warnings"] if "from memory" in text]
        assert said in warning
    assert lab.sh(HOST, f"find /home/{account}/.cache -type f").split() == []


RACE = rf"""
import os, time
place = "/home/shared/.cache"
code = b"import os; os.system('id > {EVIDENCE}')"
while True:
    try:
        os.makedirs(place + "/cryptobot-maintenance")
        for name in os.listdir("/tmp/names"):
            with open(place + "/cryptobot-maintenance/" + name, "wb") as stream:
                stream.write(open("/tmp/names/" + name, "rb").read())
        time.sleep(0.02)
        os.rename(place, place + str(time.time()))
    except OSError:
        pass
"""
# Code that tells of itself, under the very names and with the very sums that a run looks for.
PLANT = rf"""
import marshal, os, zlib
os.makedirs("/tmp/names", exist_ok=True)
for name in os.listdir("{KEPT}"):
    content = open("{KEPT}/" + name, "rb").read()
    if name.endswith(".code"):
        evil = compile("import os; os.system('id > {EVIDENCE}')", "x", "exec")
        content = marshal.dumps({{"__main__.py": marshal.dumps(evil)}})
        content = zlib.crc32(content, zlib.crc32(name.encode())).to_bytes(4, "big") + content
    open("/tmp/names/" + name, "wb").write(content)
os.system("chmod -R a+rX /tmp/names")
"""


def test_an_account_that_races_for_the_folder_never_has_anything_run(warm: Lab) -> None:
    warm.fleet.run(HOST, "python3", "-c", PLANT)
    warm.sh(HOST, f"cat > /tmp/race.py <<'END'\n{RACE}\nEND\n")
    warm.sh(HOST, "systemd-run --quiet --unit race --uid mallory python3 /tmp/race.py")
    try:
        become = {"become": True, "become_user": "shared"}
        told = warm.play([Task(f"round{number}", become) for number in range(8)]).results[HOST]
        made = warm.sh(HOST, "ls -d /home/shared/.cache* | wc -l")
    finally:
        warm.sh(HOST, "systemctl stop race; rm -rf /home/shared/.cache*")
    assert int(made) > 8, "nobody raced"
    assert [each["msg"] for each in told.values() if each.get("failed")] == []
    assert warm.sh(HOST, f"ls {EVIDENCE} 2>/dev/null || true") == ""


def test_what_was_planted_would_have_told_of_itself(warm: Lab) -> None:
    """The race above proves something: the same files in root's own folder, put there by root, are run."""
    warm.fleet.run(HOST, "python3", "-c", PLANT)
    warm.sh(HOST, f"cp /tmp/names/*.code {KEPT}/")
    warm.play([Task("root", ROOT)])
    assert "uid=0" in warm.sh(HOST, f"cat {EVIDENCE}; rm {EVIDENCE}")
