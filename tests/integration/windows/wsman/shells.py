# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shells of one endpoint and the commands that run in them, as processes of this machine."""

from __future__ import annotations

import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

PIECE = 150_000  # bytes of output in one reply; a real server stays below MaxEnvelopeSizekb, 500 by default
Launch = Callable[[str], "subprocess.Popen[bytes]"]


@dataclass
class Command:
    """One command: it starts when all of its input has come, runs to its end, and its output is fetched in pieces."""

    line: str
    launch: Launch
    stdin: bytearray = field(default_factory=bytearray)
    ended: threading.Event = field(default_factory=threading.Event)
    exit_code: int = 0
    output: dict[str, bytes] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    _runner: threading.Thread | None = None

    def start(self) -> None:
        """Run it in a thread of its own."""
        self._runner = threading.Thread(target=self._run, daemon=True)
        self._runner.start()

    def _run(self) -> None:
        try:
            self.process = self.launch(self.line)
            out, err = self.process.communicate(bytes(self.stdin))
            self.exit_code, self.output = self.process.returncode, {"stdout": out, "stderr": err}
        except OSError as error:  # a command that cannot be started has failed, the endpoint has not
            self.exit_code, self.output = 1, {"stderr": str(error).encode()}
        self.ended.set()

    def fetch(self) -> tuple[Sequence[tuple[str, bytes]], int | None]:
        """Return the next pieces of output, and the exit code with the last."""
        pieces = list(self._pieces())
        return pieces, None if any(self.output.values()) else self.exit_code

    def _pieces(self) -> Iterator[tuple[str, bytes]]:
        for name, content in self.output.items():
            if content:
                self.output[name] = content[PIECE:]
                yield name, content[:PIECE]


class Shells:
    """The shells of an endpoint; ``lines`` keeps every command line that came, for tests to look at."""

    def __init__(self, launch: Launch) -> None:
        self.launch, self.lines = launch, list[str]()
        self._shells: dict[str, dict[str, Command]] = {}

    def open(self) -> str:
        """Return the id of a new shell."""
        name = str(uuid.uuid4()).upper()
        self._shells[name] = {}
        return name

    def close(self, shell: str) -> None:
        """End a shell, and what still runs in it, as a real server does."""
        for command in self._shells.pop(shell).values():
            if command.process is not None and not command.ended.is_set():
                command.process.kill()

    def command(self, shell: str, line: str) -> str:
        """Return the id of a new command in a shell. Raise KeyError where there is no such shell."""
        name = str(uuid.uuid4()).upper()
        self._shells[shell][name] = Command(line, self.launch)
        self.lines.append(line)
        return name

    def find(self, shell: str, command: str) -> Command:
        """Return a command. Raise KeyError where there is none of that name."""
        return self._shells[shell][command]

    def __contains__(self, shell: str) -> bool:
        return shell in self._shells

    def __len__(self) -> int:
        return len(self._shells)
