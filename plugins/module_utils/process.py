# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Starting a process so that it cannot outlive its bounds: no shell, no inherited input, one process group."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Optional

from .errors import SourceDenied, ToolMissing, ToolTimeout

ROOT_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")
LAST_WORDS = 2.0  # seconds that a killed process's pipes may take to close


@dataclass(frozen=True)
class Completed:
    """A process that has ended: what ran, its exit code and what it printed (undecodable bytes are replaced)."""

    argv: tuple[str, ...]
    rc: int
    stdout: str
    stderr: str


def plain_environment(extra: Optional[Mapping[str, str]]) -> dict[str, str]:
    """Return this process's environment in the C locale, because output that is parsed must not be translated.

    PATH also names where root's tools live, so that what ``Host.which`` finds can be run by its name.
    """
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *ROOT_FOLDERS])
    return {**os.environ, "PATH": path, "LC_ALL": "C", "LANG": "C", **(extra or {})}


def run_process(
    argv: Sequence[str], *, timeout: float, stdin: Optional[str], env: Optional[Mapping[str, str]]
) -> Completed:
    """Given a command, run it to its end and return it as Completed.

    Raise ToolMissing where it does not exist, SourceDenied where it cannot be started, and ToolTimeout after
    ``timeout`` seconds, when its whole process group has been ended.
    """
    process = _start(argv, env)
    try:
        out, err = process.communicate((stdin or "").encode(), timeout)
    except subprocess.TimeoutExpired:
        end_group(process)
        raise ToolTimeout(f"the command {argv[0]!r}", timeout) from None
    return Completed(tuple(argv), process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))


def _start(argv: Sequence[str], env: Optional[Mapping[str, str]]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            list(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=plain_environment(env),
            start_new_session=True,
        )
    except FileNotFoundError:
        raise ToolMissing(argv[0]) from None
    except (OSError, ValueError) as error:  # not allowed, no program at all, words too long or with a NUL
        raise SourceDenied(argv[0], f"it cannot be started ({error})") from error


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a process started by this file together with its children, and reap it.

    A grandchild that made a session of its own may live on and hold the pipes open; it is not waited for.
    """
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    try:
        process.communicate(timeout=LAST_WORDS)
    except subprocess.TimeoutExpired:
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()
