# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Script-started services of macOS: how one runs is seen by ps and lsof, and what is not seen is not guessed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import ParseError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.processes.model import Process
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.macos import (
    observe_process,
    parse_environment,
    parse_folder,
    parse_ids,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.managers import manager_of
from ansible_collections.cryptobot.maintenance.plugins.module_utils.restart.model import Launch, Prepared
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.declared import Service
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.model import Observation

FIXTURES = Path(__file__).parents[4] / "fixtures" / "ps-environment"

ENVIRONMENTS = [
    ("macos-12", {"PATH": "/usr/bin:/bin", "HOME": "/Users/svc", "CRYPTOBOT_ENV": "production"}),
    ("macos-13", {"PATH": "/opt/homebrew/bin:/usr/bin", "NAME": "two words", "EMPTY": "", "URL": "http://x/?a=b&c=d"}),
    ("macos-14", {"_x": "1", "LANG": "de_DE.UTF-8", "GREETING": "grüß dich"}),
    ("macos-15", {}),  # the system shows none of a protected process
]


@pytest.mark.parametrize(("release", "wanted"), ENVIRONMENTS)
def test_the_environment_is_what_stands_behind_the_command_line(release: str, wanted: dict[str, str]) -> None:
    plain = (FIXTURES / release / "command").read_text(encoding="utf-8")
    assert parse_environment(plain, (FIXTURES / release / "command-with-environment").read_text("utf-8")) == wanted


def test_another_command_line_gives_no_environment() -> None:
    assert parse_environment("python a.py\n", "python b.py PATH=/bin\n") == {}


def test_numbers_and_folder_are_read_or_refused() -> None:
    assert parse_ids("  501    20 501 20   0 20\n") == (501, 20, 501, 20, 0, 20)
    assert parse_folder("p412\nfcwd\nn/opt/crypto bot\n") == "/opt/crypto bot"
    for text in ("", "501", "x y", "501 20", "501 20 501 20 501 x"):
        with pytest.raises(ParseError):
            parse_ids(text)
    with pytest.raises(ParseError):
        parse_folder("p412\nfcwd\n")


COMMANDS: dict[str, Any] = {
    "ps -o uid=,gid=,ruid=,rgid=,svuid=,svgid= -p 412": 3 * f" {os.getuid()} {os.getgid()}" + "\n",
    "ps -ww -o command= -p 412": "/usr/bin/python3 main.py\n",
    "ps -E -ww -o command= -p 412": "/usr/bin/python3 main.py PATH=/bin A=1\n",
    "lsof -a -p 412 -d cwd -F n": "p412\nfcwd\nn/opt/cryptobot\n",
}
PROCESS = Process(412, 1, 412, "S", 1.0, 0.0, 1, exe="/usr/bin/python3")


def test_the_rights_of_several_accounts_are_told() -> None:
    commands = {**COMMANDS, "ps -o uid=,gid=,ruid=,rgid=,svuid=,svgid= -p 412": "0 20 501 20 0 20\n"}
    running = observe_process(FakeHost("darwin", commands=commands), PROCESS)
    assert running.accounts.several == "uids 0, 501"


def test_how_a_process_runs_is_put_together() -> None:
    running = observe_process(FakeHost("darwin", commands=COMMANDS), PROCESS)
    launch = running.launch
    assert (running.exe, running.unavailable, running.accounts.several) == ("/usr/bin/python3", "", "")
    assert (launch.folder, launch.environment, launch.unavailable) == ("/opt/cryptobot", {"PATH": "/bin", "A": "1"}, "")
    assert launch.ids is not None
    assert launch.ids[:2] == (os.getuid(), os.getgid())


@pytest.mark.parametrize("missing", sorted(COMMANDS))
def test_where_one_answer_is_missing_the_reason_is_said(missing: str) -> None:
    commands = {**COMMANDS, missing: (1, "", "refused")}
    assert "refused" in observe_process(FakeHost("darwin", commands=commands), PROCESS).unavailable


def _obstacles(way: Launch, **declared: Any) -> dict[str, str]:
    service = Service("bot", pid_file="/tmp/bot.pid", command=("bot",), **declared)
    seen = Observation(service, main=Process(412, 1, 412, "S", 1.0, 0.0, 1))
    host = FakeHost("darwin")
    why = manager_of(host, service).obstacle(host, seen, way, Prepared([service]))
    return {"bot": why} if why else {}


def test_a_script_whose_environment_cannot_be_seen_is_not_stopped_unless_it_is_declared() -> None:
    blind = Launch("/opt", unavailable="its environment cannot be seen")
    assert "declare services[bot].environment" in _obstacles(blind)["bot"]
    assert _obstacles(blind, environment={"A": "1"}) == {}
    assert _obstacles(Launch("/opt", environment={"A": "1"})) == {}
