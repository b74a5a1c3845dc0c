# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pid files: telling the service from whoever got its pid."""

from __future__ import annotations

import pytest
from fake_host import FakeHost, denied

from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.model import PidFile
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.pid_file import (
    is_service,
    read_pid_file,
    runs_command,
    without_proof,
)

from .builders import NOW, UPTIME, make_process, make_service

PATH = "/run/auth.pid"
BOOT = NOW - UPTIME
COMMAND = ["/opt/venv/bin/python", "serve.py", "--port", "8000"]

CONTENTS = [
    ("41\n", 41, ""),
    ("41", 41, ""),
    ("", 0, "holds nothing, expected a process id"),
    ("0\n", 0, "holds something else, expected a process id"),
    ("-1\n", 0, "holds something else"),
    ("41 42\n", 0, "holds something else"),
    ("s3cret\n", 0, "holds something else"),
    ("\N{ARABIC-INDIC DIGIT FOUR}\n", 0, "holds something else"),
]

COMMANDS = [
    (("/opt/venv/bin/python", "serve.py", "--port", "8000"), True),
    (("python", "serve.py", "--port", "8000"), True),
    (("/usr/bin/env", "python", "serve.py", "--port", "8000"), True),
    (("python", "serve.py", "--port", "8001"), False),
    (("serve.py", "--port", "8000"), False),
    (("python", "serve.py", "--port", "8000", "--debug"), False),
    ((), False),
]

# What is declared, the process with the pid of the file; whether it is the service. No time of the file is asked.
JUDGEMENTS = [
    ("its command", {"command": COMMAND}, {"command": tuple(COMMAND)}, True),
    ("another command", {"command": COMMAND}, {"command": ("vim", "notes")}, False),
    ("a script that became something else", {"command": ["./start.sh"]}, {"command": ("uvicorn", "auth.main")}, False),
    ("its pattern", {"process": r"uvicorn auth\."}, {"command": ("uvicorn", "auth.main:app")}, True),
    ("another service of its kind", {"process": r"uvicorn auth\."}, {"command": ("uvicorn", "trade.main:app")}, False),
    ("the pattern decides", {"process": "auth", "command": COMMAND}, {"command": tuple(COMMAND)}, False),
    ("the first process", {"command": ["/sbin/init"]}, {"pid": 1, "command": ("/sbin/init",)}, False),
    ("the first process, any pattern", {"process": "."}, {"pid": 1, "command": ("/sbin/init",)}, False),
    ("a kernel thread, any pattern", {"process": "."}, {"command": ()}, False),
    ("nothing is declared", {}, {"command": ("anything",)}, False),
]


@pytest.mark.parametrize(("text", "pid", "problem"), CONTENTS)
def test_a_pid_file_holds_one_process_id(text, pid, problem):
    found = read_pid_file(FakeHost(files={PATH: text}, times={PATH: 5.0}), PATH)
    assert (found.pid, found.written) == (pid, 5.0)
    assert problem in found.unavailable if problem else found.unavailable == ""
    assert "s3cret" not in found.unavailable


def test_a_pid_file_that_is_missing_or_denied_says_so():
    missing = read_pid_file(FakeHost(), PATH)
    hidden = read_pid_file(FakeHost(files={PATH: denied(PATH)}), PATH)
    assert (missing.denied, hidden.denied) == (False, True)
    assert "does not exist" in missing.unavailable
    assert "permission denied" in hidden.unavailable


@pytest.mark.parametrize(("actual", "same"), COMMANDS)
def test_a_command_line_is_compared_word_by_word(actual, same):
    assert runs_command(actual, COMMAND) is same


def test_no_declared_command_matches_nothing():
    assert not runs_command(("python",), ())


@pytest.mark.case("SV1")
@pytest.mark.case("SV2")
@pytest.mark.parametrize(("fields", "process", "expected"), [r[1:] for r in JUDGEMENTS], ids=[r[0] for r in JUDGEMENTS])
def test_a_process_is_the_service_by_pattern_or_command_and_by_nothing_else(fields, process, expected):
    assert is_service(make_service(pid_file=PATH, **fields), make_process(**process)) is expected


@pytest.mark.case("SV2")
@pytest.mark.parametrize(
    ("fields", "pid", "denied"),
    [({}, 41, True), ({"command": COMMAND}, 41, False), ({"process": "x"}, 41, False), ({}, 1, False)],
)
def test_where_nothing_is_declared_to_prove_it_by_it_is_unknown(fields, pid, denied):
    found = without_proof(make_service(pid_file=PATH, **fields), PidFile(PATH, pid, 5.0), make_process(pid=pid))
    assert (found.denied, "declare process" in found.unavailable) == (denied, denied)
