# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pid files: telling the service from whoever got its pid."""

from __future__ import annotations

import pytest
from fake_host import FakeHost, denied

from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.observed import PidFile
from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.pid_file import (
    is_service,
    read_pid_file,
    runs_command,
)

from .builders import NOW, UPTIME, make_process, make_service

PATH = "/run/auth.pid"
BOOT = NOW - UPTIME
COMMAND = ["/opt/venv/bin/python", "serve.py", "--port", "8000"]

CONTENTS = [
    ("41\n", 41, ""),
    ("41", 41, ""),
    ("", 0, "holds '', expected a process id"),
    ("0\n", 0, "holds '0'"),
    ("-1\n", 0, "holds '-1'"),
    ("41 42\n", 0, "holds '41 42'"),
    ("garbage\n", 0, "holds 'garbage'"),
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

# What is declared, how much later than the pid file the process began, its command line; whether it is the service.
JUDGEMENTS = [
    ({}, -0.5, ("anything",), True),
    ({}, +60, ("anything",), False),
    ({"command": COMMAND}, +60, tuple(COMMAND), True),
    ({"command": COMMAND}, +60, ("vim", "notes"), False),
    ({"command": ["./start.sh"]}, -0.5, ("uvicorn", "auth.main:app"), True),
    ({"process": r"uvicorn auth\."}, +60, ("uvicorn", "auth.main:app"), True),
    ({"process": r"uvicorn auth\."}, -0.5, ("uvicorn", "trade.main:app"), False),
]


@pytest.mark.parametrize(("text", "pid", "problem"), CONTENTS)
def test_a_pid_file_holds_one_process_id(text, pid, problem):
    found = read_pid_file(FakeHost(files={PATH: text}, times={PATH: 5.0}), PATH)
    assert (found.pid, found.written) == (pid, 5.0)
    assert problem in found.problem if problem else found.problem == ""


def test_a_pid_file_that_is_missing_or_denied_says_so():
    missing = read_pid_file(FakeHost(), PATH)
    hidden = read_pid_file(FakeHost(files={PATH: denied(PATH)}), PATH)
    assert (missing.denied, hidden.denied) == (False, True)
    assert "does not exist" in missing.problem
    assert "permission denied" in hidden.problem


@pytest.mark.parametrize(("actual", "same"), COMMANDS)
def test_a_command_line_is_compared_word_by_word(actual, same):
    assert runs_command(actual, COMMAND) is same


def test_no_declared_command_matches_nothing():
    assert not runs_command(("python",), ())


@pytest.mark.parametrize(("fields", "later", "command", "expected"), JUDGEMENTS)
def test_a_process_is_the_service_by_pattern_command_or_age(fields, later, command, expected):
    process = make_process(began=100.0, command=command)
    pid_file = PidFile(PATH, 41, written=BOOT + 100.0 - later)
    assert is_service(make_service(pid_file=PATH, **fields), pid_file, process, BOOT) is expected
