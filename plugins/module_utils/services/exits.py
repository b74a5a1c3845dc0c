# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an exit code, a signal or a systemd result means, in words for an operator. Pure."""

from __future__ import annotations

import signal

from .model import Unit

KILLED = (2, 3)  # sigchld codes CLD_KILLED and CLD_DUMPED; 1 is CLD_EXITED

# systemd.exec(5), "Process Exit Codes": failures before the program itself runs.
_BEFORE_START = {
    200: "CHDIR: its working directory cannot be entered",
    202: "FDS: its file descriptors cannot be set up",
    203: "EXEC: its program cannot be run (missing, not executable, or its interpreter is missing)",
    204: "MEMORY: there was no memory to start it",
    205: "LIMITS: its resource limits cannot be set",
    206: "OOM_ADJUST: its OOM score cannot be set",
    208: "STDIN: its input cannot be opened",
    209: "STDOUT: its output cannot be opened",
    210: "CHROOT: its root folder cannot be entered",
    216: "GROUP: its group does not exist",
    217: "USER: its user does not exist",
    218: "CAPABILITIES: its capabilities cannot be set",
    219: "CGROUP: its control group cannot be set up",
    222: "STDERR: its error output cannot be opened",
    226: "NAMESPACE: its sandbox cannot be set up (a path it names is missing)",
    228: "SECCOMP: its system call filter cannot be set",
    233: "RUNTIME_DIRECTORY: its runtime folder cannot be made",
    238: "STATE_DIRECTORY: its state folder cannot be made",
    240: "LOGS_DIRECTORY: its log folder cannot be made",
    243: "CREDENTIALS: its credentials cannot be loaded",
}

_RESULTS = {
    "oom-kill": "killed by the kernel because memory ran out",
    "timeout": "ended by systemd because it took too long to start or stop",
    "watchdog": "ended by systemd because it gave no sign of life",
    "start-limit-hit": "given up by systemd after too many restarts in a short time",
    "resources": "not started for want of a resource (a missing EnvironmentFile counts)",
    "protocol": "not started: it did not tell systemd what its type promises",
    "exec-condition": "not started: its ExecCondition was not met",
    "no-program": "NSSM runs, but the program that it is to keep running does not",
    "service-specific": "its own error code, which its documentation explains",
}


# sysexits(3), as launchctl names it: launchd itself ends with it where it cannot start the program.
_BY_LAUNCHD = {78: "EX_CONFIG: launchd could not start its program (missing, not executable, or not allowed)"}

# System error codes of Windows that the service manager gives as ExitCode.
_WIN32 = {
    2: "its program was not found",
    3: "the folder of its program was not found",
    5: "access denied",
    1053: "it did not answer the service manager in time",
    1054: "it could not start a thread",
    1056: "it runs already",
    1058: "it is disabled, or nothing enables it",
    1067: "its process ended unexpectedly",
    1068: "a service that it depends on does not start",
    1069: "its account cannot log on (password or right)",
    1070: "it hung while it was starting",
    1075: "a service that it depends on does not exist or is being deleted",
    1079: "its account differs from that of others in the same process",
}
_MEANINGS = {"systemd": _BEFORE_START, "launchd": _BY_LAUNCHD, "windows": _WIN32}


def signal_name(number: int) -> str:
    """Given a signal number, return it with its name: ``11 (SIGSEGV)``."""
    try:
        return f"{number} ({signal.Signals(number).name})"
    except ValueError:
        return str(number)


def describe_exit(unit: Unit) -> str:
    """Given a unit, return how its main process ended last; empty where it has not ended."""
    words = _RESULTS.get(unit.result, "")
    if unit.exit_code in KILLED:
        ended = f"killed by signal {signal_name(unit.exit_status)}" + (", core dumped" if unit.exit_code == 3 else "")
    elif unit.exit_code == 1 and unit.exit_status:
        meaning = "" if unit.result == "service-specific" else _MEANINGS[unit.manager].get(unit.exit_status, "")
        ended = f"exit code {_code(unit.exit_status)}" + (f" ({meaning})" if meaning else "")
    else:
        ended = ""
    return "; ".join(part for part in (words, ended) if part)


def _code(status: int) -> str:
    """Codes that Windows gives to a crash (NTSTATUS) are known by their hexadecimal form: 0xC0000005."""
    return f"{status} (0x{status:X})" if status >= 1 << 31 else str(status)


def exit_record(unit: Unit) -> dict[str, object]:
    """Given a unit, return its last exit as data: ``code``, ``signal`` and ``oom`` (None where not applicable)."""
    return {
        "code": unit.exit_status if unit.exit_code == 1 else None,
        "signal": signal_name(unit.exit_status) if unit.exit_code in KILLED else None,
        "oom": unit.result == "oom-kill",
        "result": unit.result,
    }
