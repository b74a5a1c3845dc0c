# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One member of a pipeline: a process whose exit code counts, whose last words are kept and whose time is bounded."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from threading import Timer
from typing import IO, Optional

from ..errors import SourceDenied, ToolFailed, ToolMissing, ToolTimeout
from ..host import Host
from ..process import plain_environment

CHUNK = 1 << 20  # bytes that travel at a time: large enough that the system calls do not count
LAST_WORDS = 4096
_ERROR = re.compile(r"\b(error|fatal|failed)\b", re.IGNORECASE)

if sys.platform != "win32":
    import fcntl

_F_SETPIPE_SZ = 1031  # fcntl.h of Linux; the fcntl module names it since Python 3.10


class Stage:
    """A running process. ``feed`` is its standard input where ``fed``, ``give`` its standard output unless ``output``
    is a file for it. ``name`` is what errors call it, where ``argv`` begins with what starts it as another account.

    Host.run keeps what a command prints in memory; here it flows. The process ends with the host's time budget at the
    latest, and then its pipes close, so that nobody waits for ever on the other side.
    """

    def __init__(
        self,
        argv: Sequence[str],
        host: Host,
        *,
        fed: bool = False,
        env: Optional[Mapping[str, str]] = None,
        output: Optional[IO[bytes]] = None,
        name: str = "",
    ) -> None:
        self.argv, self._budget, self._expired = tuple(argv), host.budget, False
        self.name = name or self.argv[0]
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        self._process = self._start(fed, env, output)
        self._clock = Timer(host.remaining(), self._expire)
        self._clock.daemon = True
        self._clock.start()

    def _start(
        self, fed: bool, env: Optional[Mapping[str, str]], output: Optional[IO[bytes]]
    ) -> subprocess.Popen[bytes]:
        try:
            process = subprocess.Popen(
                self.argv,
                bufsize=CHUNK,
                stdin=subprocess.PIPE if fed else subprocess.DEVNULL,
                stdout=subprocess.PIPE if output is None else output,
                stderr=self._words,
                env=plain_environment(env),
                cwd=os.path.abspath(os.sep),  # another account may not see the folder that this process is in
                start_new_session=True,
            )
        except FileNotFoundError:
            raise ToolMissing(self.argv[0]) from None
        except (OSError, ValueError) as error:
            raise SourceDenied(self.argv[0], f"it cannot be started ({error})") from error
        for pipe in (process.stdin, process.stdout):
            _widen(pipe)
        return process

    @property
    def feed(self) -> IO[bytes]:
        """The pipe into the process."""
        if self._process.stdin is None:
            raise ValueError(f"{self.name} was started without an input")
        return self._process.stdin

    def put(self, data: bytes) -> None:
        """Hand bytes to the process. Raise BrokenPipeError where it takes no more, on every system."""
        with _one_name_for_a_broken_pipe():
            self.feed.write(data)

    def flush(self) -> None:
        """Hand over what is still held back. Raise as ``put``."""
        with _one_name_for_a_broken_pipe():
            self.feed.flush()

    def end_input(self) -> None:
        """Tell the process that nothing more comes. Raise as ``put``."""
        with _one_name_for_a_broken_pipe():
            self.feed.close()

    @property
    def give(self) -> IO[bytes]:
        """The pipe out of the process."""
        if self._process.stdout is None:
            raise ValueError(f"{self.name} was started without an output")
        return self._process.stdout

    def finish(self) -> None:
        """Wait for the end. Raise ToolFailed where the exit code is not 0, ToolTimeout where time was up."""
        rc = self._process.wait()
        self._clock.cancel()
        words = self.last_words()
        self._close()
        if self._expired:
            raise ToolTimeout(f"the command {self.name!r}", self._budget)
        if rc != 0:
            raise ToolFailed((self.name,), rc, telling_line(words))

    def wait(self, seconds: float) -> Optional[int]:
        """Wait a while for the end; return the exit code, or None where it still runs. ``finish`` or ``abandon`` still
        has to follow.
        """
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def last_words(self) -> str:
        """Return the end of what the process printed on its standard error."""
        self._words.seek(0, os.SEEK_END)
        self._words.seek(max(0, self._words.tell() - LAST_WORDS))
        return self._words.read().decode(errors="replace")

    def kill(self) -> None:
        """End the process and its children now; ``finish`` or ``abandon`` still has to follow."""
        # It may have ended meanwhile, or run as another account, which sees its pipes close.
        with suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()

    def abandon(self) -> None:
        """End the process because nobody wants its result any more."""
        self._clock.cancel()
        if self._process.poll() is None:
            self.kill()
        self._close()
        self._process.wait()

    def _expire(self) -> None:
        self._expired = True
        self.kill()

    def _close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout, self._words):
            if pipe is not None:
                with suppress(OSError):  # what was still buffered for a process that is gone
                    pipe.close()


@contextmanager
def _one_name_for_a_broken_pipe() -> Iterator[None]:
    """Windows calls it an invalid argument when nobody reads any more; the standard library's own pipes know that."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.EINVAL:
            raise BrokenPipeError(errno.EPIPE, "the process takes no more") from error
        raise


def telling_line(words: str) -> str:
    """Given what a program printed last, return the line that names the error: hints and carets may come after it."""
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    named = [line for line in lines if _ERROR.search(line)]
    return (named or lines or [""])[-1]


def _widen(pipe: Optional[IO[bytes]]) -> None:
    """Let a pipe hold a whole chunk, where the system can: every wait for the other side costs a switch."""
    if pipe is None or not sys.platform.startswith("linux"):
        return
    with suppress(OSError):  # the account's limit for pipes is reached
        fcntl.fcntl(pipe, _F_SETPIPE_SZ, CHUNK)
