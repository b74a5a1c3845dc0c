# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every way in which Ansible runs a module, on real hosts: pipelining, become, async, check mode, two versions."""

from __future__ import annotations

import base64
import itertools
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from .conftest import CHECKOUT
from .lab import HOSTS, SECRET, Lab, Played, Task

BECOME: dict[str, dict[str, Any]] = {
    "maint": {},
    "root": {"become": True, "become_user": "root"},
    "nohome": {"become": True, "become_user": "nohome", "vars": {"ansible_async_dir": "/tmp/state-jobs"}},
}
ASYNC: dict[str, dict[str, Any]] = {"wait": {}, "job": {"async": 90, "poll": 1}}
CHECK: dict[str, dict[str, Any]] = {"run": {}, "check": {"check_mode": True}}
CASES = ["_".join(case) for case in itertools.product(BECOME, ASYNC, CHECK)]
# Ansible itself leaves the file of a module behind, arguments and all, whose job ran as another account than that which
# logged in and root: it may not remove it. Of such jobs nothing about secrets can be proved.
LEAVES = ("nohome", "job")
TASKS = [
    Task(
        f"{become}_{job}_{check}",
        {**BECOME[become], **ASYNC[job], **CHECK[check]},
        secret="nothing to hide" if (become, job) == LEAVES else SECRET,
    )
    for become, job, check in itertools.product(BECOME, ASYNC, CHECK)
]
LEFT = Task("left", {**BECOME["root"], "async": 90, "poll": 0})  # nobody fetches its result


@pytest.fixture(scope="module", params=[True, False], ids=["pipelined", "by_files"])
def played(lab: Lab, request: pytest.FixtureRequest) -> Played:
    lab.forget()
    return lab.play([*TASKS, LEFT], "-vvv", ansible_pipelining=request.param)


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("case", CASES)
def test_each_way_of_running_a_module_gives_its_result(played: Played, case: str, host: str) -> None:
    told = played.results[host][case]
    assert not told.get("failed"), told
    assert {finding["check"].partition(".")[0] for finding in told["findings"]} == {"services"}
    assert told["services"][0]["ports"] == [8000]
    warned = [text for text in told.get("warnings", []) if "from memory" in text]
    assert bool(warned) is case.startswith("nohome")


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("account", ["root", "maint"])
def test_each_account_keeps_one_payload_and_its_code_and_they_are_its_own(
    played: Played, lab: Lab, account: str, host: str
) -> None:
    kept = lab.files(host, account)
    assert [line.rpartition(".")[2] for line in kept] == ["code", "zip"]
    assert all(line.startswith(f"600 {account} ") for line in kept)


@pytest.mark.parametrize("host", HOSTS)
def test_an_account_without_a_home_leaves_nothing(played: Played, lab: Lab, host: str) -> None:
    left = lab.sh(host, "find / -xdev -user nohome -not -path '/proc/*' -not -path '/tmp/state-*' 2>/dev/null || true")
    assert left.split() == []


def forms(secret: str) -> list[str]:
    """Return a secret as it may be written: as it is, and in base64 at each place where it may begin."""
    shifted = [base64.b64encode(b"x" * by + secret.encode()).decode()[4 if by else 0 : -4] for by in range(3)]
    return [secret, *shifted]


@pytest.mark.case("WN3")
def test_no_secret_is_printed_by_vvv(played: Played) -> None:
    assert "Using module file" in played.text()
    assert "maint_wait_run" in played.text()
    assert [form for form in forms(SECRET) if form in played.text()] == []


@pytest.mark.case("WN3")
@pytest.mark.parametrize("host", HOSTS)
def test_no_secret_is_left_on_a_host(played: Played, lab: Lab, host: str) -> None:
    """Kept files, the files of jobs, temporary folders, the log."""
    job = f"/root/.ansible_async/{played.results[host]['left']['ansible_job_id']}"
    lab.sh(host, f"timeout 60 sh -c 'until grep -q findings {job}; do sleep 0.2; done'")
    # the wrapper of a job cleans up behind it only after its answer is there
    lab.sh(host, "timeout 60 sh -c 'while pgrep -f [a]sync_wrapper >/dev/null; do sleep 0.2; done'")
    assert lab.holding(host, forms(SECRET)) == []


@pytest.mark.parametrize("host", HOSTS)
def test_the_log_of_the_host_has_one_line_for_each_call(played: Played, lab: Lab, host: str) -> None:
    lines = lab.sh(host, "journalctl --no-pager -o cat -t cryptobot.maintenance.services").splitlines()
    assert set(lines) == {"check_mode=True", "check_mode=False"}
    assert len(lines) >= len(TASKS)


@pytest.fixture(scope="module")
def another(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The collection as it will be after the next release: a folder of collections."""
    folder = tmp_path_factory.mktemp("another")
    place = folder / "ansible_collections" / "cryptobot" / "maintenance"
    place.mkdir(parents=True)
    for name in ("plugins", "meta", "roles"):
        shutil.copytree(CHECKOUT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(CHECKOUT / "galaxy.yml", place)
    run = place / "plugins" / "module_utils" / "services" / "run.py"
    run.write_text(run.read_text("utf-8") + "\n# another version\n", "utf-8")
    return folder


@pytest.mark.parametrize("host", HOSTS)
def test_two_versions_are_kept_beside_each_other(lab: Lab, another: Path, host: str) -> None:
    lab.forget()
    tasks = [Task("root", BECOME["root"])]
    for places in (None, {"ANSIBLE_COLLECTIONS_PATH": str(another)}, None):
        played = lab.play(tasks, environment=places and {**os.environ, **places})
        assert not played.results[host]["root"].get("failed")
    assert [line.rpartition(".")[2] for line in lab.files(host, "root")].count("zip") == 2


@pytest.mark.parametrize("host", HOSTS)
def test_a_loop_delegation_and_defaults_of_a_group_go_the_same_way(lab: Lab, host: str) -> None:
    options = {"services": [{"name": "{{ item }}", "port": 8000}], "retries": 0}
    defaults = {"group/cryptobot.maintenance.maintenance": {"state_dir": "/tmp/state-group"}}
    looped = Task("looped", {"loop": ["auth", "data"], "module_defaults": defaults}, options=options)
    away = Task("away", {"delegate_to": HOSTS[0], **BECOME["root"]})
    told = lab.play([looped, away]).results[host]
    assert [each["services"][0]["name"] for each in told["looped"]["results"]] == ["auth", "data"]
    assert {each["invocation"]["module_args"]["state_dir"] for each in told["looped"]["results"]} == {
        "/tmp/state-group"
    }
    assert not told["away"].get("failed")
    assert lab.files(HOSTS[0], "root")
