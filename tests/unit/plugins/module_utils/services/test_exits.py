# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an exit code, a signal or a result is called: the numbers are those of the manuals, not ours."""

from __future__ import annotations

import pytest

from ansible_collections.cryptobot.maintenance.plugins.module_utils.services.exits import (
    describe_exit,
    exit_record,
)

from .builders import make_unit

# systemd.exec(5), "Process Exit Codes": the code and the name that stands in its table.
SYSTEMD = [
    (200, "CHDIR"),
    (202, "FDS"),
    (203, "EXEC"),
    (204, "MEMORY"),
    (205, "LIMITS"),
    (206, "OOM_ADJUST"),
    (208, "STDIN"),
    (209, "STDOUT"),
    (210, "CHROOT"),
    (216, "GROUP"),
    (217, "USER"),
    (218, "CAPABILITIES"),
    (219, "CGROUP"),
    (222, "STDERR"),
    (226, "NAMESPACE"),
    (228, "SECCOMP"),
    (233, "RUNTIME_DIRECTORY"),
    (238, "STATE_DIRECTORY"),
    (240, "LOGS_DIRECTORY"),
    (243, "CREDENTIALS"),
]

# System Error Codes of Windows: the code and what its text says (ERROR_FILE_NOT_FOUND, ERROR_PATH_NOT_FOUND, ...).
WINDOWS = [
    (2, "its program was not found"),
    (3, "the folder of its program was not found"),
    (5, "access denied"),
    (1053, "it did not answer the service manager in time"),
    (1054, "it could not start a thread"),
    (1056, "it runs already"),
    (1058, "it is disabled, or nothing enables it"),
    (1067, "its process ended unexpectedly"),
    (1068, "a service that it depends on does not start"),
    (1069, "its account cannot log on (password or right)"),
    (1070, "it hung while it was starting"),
    (1075, "a service that it depends on does not exist or is being deleted"),
    (1079, "its account differs from that of others in the same process"),
]


def _told(manager, status, code=1, result="exit-code"):
    return describe_exit(make_unit(manager=manager, exit_code=code, exit_status=status, result=result))


@pytest.mark.parametrize(("status", "name"), SYSTEMD)
def test_an_exit_code_of_systemd_itself_has_the_name_of_its_manual(status, name):
    assert _told("systemd", status).startswith(f"exit code {status} ({name}: ")


@pytest.mark.parametrize(("status", "words"), WINDOWS)
def test_an_error_code_of_windows_is_told_in_words(status, words):
    assert _told("windows", status) == f"exit code {status} ({words})"


EX_CONFIG = "EX_CONFIG: launchd could not start its program (missing, not executable, or not allowed)"
# Manager, exit status, how it ended (sigchld codes: 1 exited, 2 killed, 3 dumped), result; the words.
ENDS = [
    ("launchd", 78, 1, "", f"exit code 78 ({EX_CONFIG})"),
    ("systemd", 78, 1, "", "exit code 78"),
    ("windows", 203, 1, "", "exit code 203"),
    ("systemd", 1, 1, "", "exit code 1"),
    ("systemd", 0, 1, "", ""),
    ("systemd", 0, 0, "", ""),
    ("systemd", 9, 2, "", "killed by signal 9 (SIGKILL)"),
    ("systemd", 11, 3, "", "killed by signal 11 (SIGSEGV), core dumped"),
    ("systemd", 11, 4, "", ""),
    ("systemd", 200, 2, "", "killed by signal 200"),
    ("windows", 5, 1, "service-specific", "its own error code, which its documentation explains; exit code 5"),
    ("systemd", 0, 0, "start-limit-hit", "given up by systemd after too many restarts in a short time"),
    # from 0x80000000 on it is an NTSTATUS, which is known by its hexadecimal form
    ("windows", 0x7FFFFFFF, 1, "", "exit code 2147483647"),
    ("windows", 0x80000000, 1, "", "exit code 2147483648 (0x80000000)"),
    ("windows", 0xC0000005, 1, "", "exit code 3221225477 (0xC0000005)"),
]


@pytest.mark.parametrize(("manager", "status", "code", "result", "words"), ENDS)
def test_an_end_is_told_by_how_it_came(manager, status, code, result, words):
    assert _told(manager, status, code, result) == words


RECORDS = [
    (1, 3, {"code": 3, "signal": None}),
    (2, 15, {"code": None, "signal": "15 (SIGTERM)"}),
    (3, 6, {"code": None, "signal": "6 (SIGABRT)"}),
    (0, 0, {"code": None, "signal": None}),
]


@pytest.mark.parametrize(("code", "status", "record"), RECORDS)
def test_an_exit_is_a_code_or_a_signal_never_both(code, status, record):
    unit = make_unit(exit_code=code, exit_status=status, result="success")
    assert exit_record(unit) == {**record, "oom": False, "result": "success"}
