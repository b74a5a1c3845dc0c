# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Starting a process so that it cannot outlive its bounds: no shell, no inherited input, one process group.

What it prints is bounded while it is read, because a tool that prints without end would take the host's memory long
before its time is up. An answer that was cut is never returned as one.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from typing import IO, Any, NamedTuple, Optional

from .errors import SourceDenied, ToolFailed, ToolMissing, ToolTimeout
from .surroundings import Surroundings

ROOT_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")
CHUNK = 65536
MAX_OUTPUT = 128 << 20  # bytes of standard output
MAX_ERRORS, KEPT_ERRORS = 16 << 20, 256 << 10  # bytes of standard error: that it may print, that are kept
POLL = 0.02
LAST_WORDS = 2.0  # seconds that a killed process's pipes may take to close


class Completed(NamedTuple):
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
    argv: Sequence[str],
    *,
    timeout: float,
    stdin: Optional[str] = None,
    env: Optional[Mapping[str, str]] = None,
    surroundings: Optional[Surroundings] = None,
) -> Completed:
    """Given a command, run it to its end and return it as Completed. With ``surroundings`` it gets nothing of ours.

    Raise ToolMissing where it does not exist, SourceDenied where it cannot be started, and ToolTimeout after
    ``timeout`` seconds, when its whole process group has been ended; ToolFailed where it printed more than may be read.
    Standard error that was cut begins with a line that says so.
    """
    process = _start_in(surroundings, argv) if surroundings else _start(argv, {"env": plain_environment(env)})
    stop = threading.Event()
    out = _Reader(process.stdout, MAX_OUTPUT, MAX_OUTPUT, stop)
    err = _Reader(process.stderr, MAX_ERRORS, KEPT_ERRORS, stop)
    _feed(process.stdin, (stdin or "").encode())
    ended = (_itself_ended if surroundings else _both_ended)(process, out, err, timeout)
    if not ended:
        _end(process, out, err)
        for reader, name in ((out, "output"), (err, "error")):
            if reader.flooded:
                text = f"it printed more than {reader.most} bytes to its standard {name}, and was ended"
                raise ToolFailed(argv, process.returncode, text)
        raise ToolTimeout(f"the command {argv[0]!r}", timeout)
    return Completed(tuple(argv), process.returncode, out.text(), err.text())


class _Reader(threading.Thread):
    """Reads a stream to its end; keeps ``keep`` bytes of it, and sets ``stop`` where more than ``most`` came."""

    def __init__(self, stream: Optional[IO[bytes]], most: int, keep: int, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.most, self._keep, self._stop_all = most, keep, stop
        self._stream, self._kept, self._came = stream, bytearray(), 0
        self.start()

    @property
    def flooded(self) -> bool:
        """Whether more came than may."""
        return self._came > self.most

    def run(self) -> None:
        """Read until nothing more comes, or too much came."""
        with contextlib.suppress(OSError, ValueError):
            while self._stream and not self.flooded:
                chunk = os.read(self._stream.fileno(), CHUNK)
                if not chunk:
                    break
                self._came += len(chunk)
                self._kept += chunk
                if len(self._kept) > 2 * self._keep:
                    del self._kept[: -self._keep]
        if self.flooded:
            self._stop_all.set()

    def wait(self, until: float) -> bool:
        """Wait until the stream ends, a moment has come, or any stream brought too much; return whether it ended."""
        while self.is_alive() and time.monotonic() < until and not self._stop_all.is_set():
            self.join(min(0.05, max(0.0, until - time.monotonic())))
        return not self.is_alive() and not self._stop_all.is_set()

    def text(self) -> str:
        """Return what is kept, the end of it all; where there was more, the first line says so."""
        del self._kept[: -self._keep]
        cut = self._came - len(self._kept)
        note = f"({cut} bytes before this were cut)\n" if cut else ""
        return note + self._kept.decode(errors="replace")


def _feed(stream: Optional[IO[bytes]], given: bytes) -> None:
    """Give a process its input, beside it: one that does not read must not keep us from reading what it prints."""

    def write() -> None:
        with contextlib.suppress(OSError, ValueError):
            if stream:
                stream.write(given)
        with contextlib.suppress(OSError, ValueError):
            if stream:
                stream.close()

    if given:
        threading.Thread(target=write, daemon=True).start()
    else:
        write()


def _both_ended(process: subprocess.Popen[bytes], out: _Reader, err: _Reader, timeout: float) -> bool:
    """Wait for the end of a process and of both its streams; return whether all came in time."""
    until = time.monotonic() + timeout
    if not (out.wait(until) and err.wait(until)):
        return False
    try:
        process.wait(max(0.0, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        return False
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
    return True


def _itself_ended(process: subprocess.Popen[bytes], out: _Reader, err: _Reader, timeout: float) -> bool:
    """Wait for the end of a process, and only a moment for its streams: what it leaves running may hold them open."""
    until = time.monotonic() + timeout
    while process.poll() is None and time.monotonic() < until and not (out.flooded or err.flooded):
        time.sleep(POLL)
    for reader in (out, err):
        reader.wait(time.monotonic() + LAST_WORDS / 4)
    return process.poll() is not None and not (out.flooded or err.flooded)


def _end(process: subprocess.Popen[bytes], *readers: _Reader) -> None:
    """End a process with its children and reap it. A grandchild that left the group may hold the pipes; let it."""
    _kill(process)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(LAST_WORDS)
    for reader in readers:
        reader.join(LAST_WORDS / 2)


def _start(argv: Sequence[str], given: Mapping[str, Any]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            list(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            **given,
        )
    except FileNotFoundError:
        raise ToolMissing(argv[0]) from None
    except (OSError, ValueError) as error:  # not allowed, no program at all, words too long or with a NUL
        raise SourceDenied(argv[0], f"it cannot be started ({error})") from error


def _start_in(surroundings: Surroundings, argv: Sequence[str]) -> subprocess.Popen[bytes]:
    try:
        with surroundings.of_process() as given:
            return _start(argv, given)
    except OSError as error:
        raise SourceDenied(argv[0], f"it cannot be started in {surroundings.folder} ({error.strerror})") from error


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a process started by this file together with its children, and reap it.

    A grandchild that made a session of its own may live on and hold the pipes open; it is not waited for.
    """
    _kill(process)
    try:
        process.communicate(timeout=LAST_WORDS)
    except subprocess.TimeoutExpired:
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def _kill(process: subprocess.Popen[bytes]) -> None:
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
