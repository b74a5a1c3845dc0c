# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report of a real ansible-playbook: what it counts, whom it blames, which place it takes, how often it is made."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
PLAYBOOK = """
- name: Look
  hosts: "{{ cryptobot_hosts | default('cryptobot') }}"
  gather_facts: false
  ignore_unreachable: true
  tasks:
    - name: Ask a host that may be lost
      ansible.builtin.command: echo here
      changed_when: false
      when: inventory_hostname == 'lost'
      register: cryptobot_result_ask
      tags: [ask]

    - name: Leave the lost
      ansible.builtin.meta: end_host
      when: cryptobot_result_ask.unreachable | default(false)
      tags: [always]

    - name: Say what was found
      ansible.builtin.set_fact:
        cryptobot_result_look: "{{ said }}"
      tags: [look]

- name: Report
  hosts: "{{ cryptobot_hosts | default('cryptobot') }}"
  gather_facts: false
  tags: [always]
  roles:
    - role: cryptobot.maintenance.report
      vars:
        report_title: weekly
"""


def said(*statuses: str) -> dict[str, Any]:
    findings = [
        {"check": "services.state", "subject": "auth", "status": status, "message": f"is {status}", "remedy": ""}
        for status in statuses
    ]
    return {"changed": False, "status": "ok", "findings": findings, "actions": [], "metrics": []}


LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
HOSTS: dict[str, dict[str, Any]] = {
    "bad": {**LOCAL, "said": said("ok", "critical")},  # two of one check and subject (RP1)
    "fair": {**LOCAL, "said": said("warning")},
    "good": {**LOCAL, "said": said("ok")},
    "lost": {"ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_connection": "ssh", "said": said("ok")},
}


class Ran:
    """One run: what it printed, and the places it wrote to."""

    def __init__(self, ended: subprocess.CompletedProcess[str], root: Path) -> None:
        self.rc, self.output = ended.returncode, ended.stdout + ended.stderr
        self.reports, self.metrics, self.junit = root / "reports", root / "metrics", root / "junit"

    def report(self, place: str = "latest") -> dict[str, Any]:
        return json.loads((self.reports / place / "report.json").read_text("utf-8"))

    def recap(self) -> dict[str, int]:
        return {name: int(failed) for name, failed in re.findall(r"^(\w+)\s+: ok=.*?failed=(\d+)", self.output, re.M)}

    def count(self) -> int:
        return len(list(self.reports.rglob("report.json"))) - len(list(self.reports.rglob("latest")))


def play(root: Path, *words: str, **environment: str) -> Ran:
    (root / "play.yml").write_text(PLAYBOOK, encoding="utf-8")
    group = {"cryptobot": {"hosts": HOSTS}}
    (root / "hosts.json").write_text(json.dumps(group), encoding="utf-8")
    places = {"cryptobot_report_dir": str(root / "reports"), "report_textfile_dir": str(root / "metrics")}
    argv = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(root / "hosts.json")]
    argv += [str(root / "play.yml"), "-e", json.dumps(places), *words]
    settings = {
        "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_LIBRARY": str(Path(__file__).parent / "library"),
        "ANSIBLE_CALLBACKS_ENABLED": "ansible.builtin.junit",
        "ANSIBLE_SHOW_CUSTOM_STATS": "1",
        "JUNIT_OUTPUT_DIR": str(root / "junit"),
        **environment,
    }
    ended = subprocess.run(
        argv, cwd=CHECKOUT, env={**os.environ, **settings}, capture_output=True, text=True, timeout=300, check=False
    )
    return Ran(ended, root)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return play(tmp_path_factory.mktemp("whole"))


@pytest.mark.case("RP7", "RP1")
def test_recap_exit_code_report_textfile_and_terminal_name_the_same_hosts(whole: Ran) -> None:
    assert whole.rc == 2, whole.output
    assert whole.recap() == {"bad": 1, "fair": 0, "good": 0, "lost": 1}
    hosts = {host["name"]: (host["status"], host["failed"]) for host in whole.report()["hosts"]}
    assert hosts == {
        "bad": ("critical", True),
        "fair": ("warning", False),
        "good": ("ok", False),
        "lost": ("unknown", True),
    }
    metrics = (whole.metrics / "cryptobot_weekly.prom").read_text("utf-8")
    failed = re.findall(r'^cryptobot_host_failed\{host="(\w+)",playbook="weekly",scope="whole"\} 1.0$', metrics, re.M)
    assert sorted(failed) == ["bad", "lost"]
    assert "  bad: critical (failed)" in whole.output
    assert "  fair: warning\n" in whole.output


@pytest.mark.case("RP7")
def test_each_bad_host_fails_itself_in_quiet(whole: Ran) -> None:
    judged = whole.output.partition("Judge each host")[2]
    assert "[ERROR]" not in judged
    assert "Origin:" not in judged
    assert "critical: services.state [auth]: is critical (and" not in judged
    assert "critical: services.state [auth]: is critical" in judged
    assert judged.count("FAILED!") == 2


@pytest.mark.case("RP7")
def test_junit_and_the_statistics_for_awx_agree(whole: Ran) -> None:
    (document,) = whole.junit.glob("*.xml")
    cases = [
        case for case in ET.parse(document).getroot().iter("testcase") if "Judge each host" in case.get("name", "")
    ]
    failed = sorted(
        re.findall(r"\[(\w+)\]", case.get("name", ""))[0] for case in cases if case.find("failure") is not None
    )
    assert failed == ["bad", "lost"]
    stats = whole.output.partition("CUSTOM STATS")[2]
    assert "cryptobot_report" in stats
    assert re.search(r"failed_hosts.*bad.*lost", stats, re.DOTALL)


@pytest.mark.case("RP5")
def test_a_whole_run_knows_its_scope(whole: Ran) -> None:
    scope = whole.report()["run"]["scope"]
    assert scope["playbook"].endswith("play.yml")
    numbers = [scope[f"hosts_{name}"] for name in ("asked", "targeted", "reached", "answered")]
    assert (scope["kind"], numbers) == ("whole", [4, 4, 3, 4])


# (words on the command line, the place of the report)
NARROWED = [
    (["--check"], "check"),
    (["--tags", "look"], "partial"),
    (["--skip-tags", "ask"], "partial"),
    (["--limit", "good"], "partial"),
    (["-e", "cryptobot_hosts=good"], "partial"),
]


@pytest.mark.case("RP5")
@pytest.mark.parametrize(("words", "place"), NARROWED)
def test_a_part_or_a_plan_moves_neither_latest_nor_the_textfile(whole: Ran, words: list, place: str) -> None:
    before = whole.report()["run"]["id"]
    text = (whole.metrics / "cryptobot_weekly.prom").read_text("utf-8")
    ran = play(whole.reports.parent, *words)
    assert ran.report()["run"]["id"] == before, ran.output
    assert (ran.metrics / "cryptobot_weekly.prom").read_text("utf-8") == text
    assert ran.report(f"{place}/latest")["run"]["scope"]["kind"] == place
    if "good" in " ".join(words):
        assert ran.report(f"{place}/latest")["run"]["scope"]["hosts_targeted"] == 1


@pytest.mark.case("RP8")
@pytest.mark.parametrize("strategy", ["free", "host_pinned"])
def test_one_report_a_run_whatever_the_strategy(strategy: str, tmp_path: Path) -> None:
    ran = play(tmp_path, ANSIBLE_STRATEGY=strategy, ANSIBLE_FORKS="2")
    assert ran.rc == 2, ran.output
    assert ran.recap() == {"bad": 1, "fair": 0, "good": 0, "lost": 1}
    assert len([path for path in ran.reports.iterdir() if path.is_dir() and path.name[0] == "2"]) == 1
    assert len(ran.report()["hosts"]) == 4


@pytest.mark.case("RP8")
def test_two_runs_at_once_leave_two_reports(tmp_path: Path) -> None:
    words = [sys.executable, "-c", TWICE, str(Path(__file__).parent), str(tmp_path)]
    running = [subprocess.Popen([*words, name], stdout=subprocess.PIPE, text=True) for name in ("one", "two")]
    assert [process.communicate(timeout=300)[0].strip() for process in running] == ["2", "2"]
    kept = [path for path in (tmp_path / "reports").iterdir() if path.is_dir() and path.name[0] == "2"]
    assert len(kept) == 2
    assert all((path / "report.json").is_file() for path in kept)


TWICE = """
import sys, json, pathlib
sys.path.insert(0, sys.argv[1])
import test_playbook
root = pathlib.Path(sys.argv[2])
own = root / sys.argv[3]
own.mkdir()
places = {"cryptobot_report_dir": str(root / "reports")}
print(test_playbook.play(own, "-e", json.dumps(places)).rc)
"""

ODD = """
- hosts: good
  gather_facts: false
  tasks:
    - odd:
        password: "{{ secret }}"
      register: cryptobot_result_odd
    - cryptobot.maintenance.report:
        dir: "{{ cryptobot_report_dir }}"
"""


@pytest.mark.case("BK8", "WN3")
def test_a_module_that_found_a_name_that_is_no_utf8_ends_well_and_its_report_is_written(tmp_path: Path) -> None:
    play(tmp_path, "--list-hosts")
    (tmp_path / "odd.yml").write_text(ODD, encoding="utf-8")
    secret = "p@ss/w\"or'd\\é-of-the-house"
    argv = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(tmp_path / "hosts.json")]
    argv += [
        str(tmp_path / "odd.yml"),
        "-v",
        "-e",
        json.dumps({"secret": secret, "cryptobot_report_dir": f"{tmp_path}/r"}),
    ]
    settings = {
        **os.environ,
        "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"),
        "ANSIBLE_LIBRARY": str(Path(__file__).parent / "library"),
    }
    ended = subprocess.run(argv, cwd=CHECKOUT, env=settings, capture_output=True, text=True, timeout=120, check=False)
    output = ended.stdout + ended.stderr
    assert ended.returncode == 0, output
    assert "of-the-house" not in output
    (place,) = tmp_path.glob("r/2*/report.json")
    (found,) = [each for each in json.loads(place.read_text("utf-8"))["findings"] if each["check"] == "a.rule"]
    assert found["subject"] == "made \\xe9"
    assert found["message"] == "name \\xff half \\ud83d ******** \"********\" '********' \\x1b[2J"
