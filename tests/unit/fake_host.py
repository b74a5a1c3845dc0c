# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Host whose answers are written down: commands, files and replies come from tables, the clock stands still.

What is not in the tables behaves as on a host that lacks it, so a area that asks for something unexpected is seen.
"""

from __future__ import annotations

from typing import Any, Optional, Union

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import (
    SourceDenied,
    SourceMissing,
    ToolFailed,
    ToolMissing,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import Host
from ansible_collections.cryptobot.maintenance.plugins.module_utils.process import Completed
from ansible_collections.cryptobot.maintenance.plugins.module_utils.web import HttpReply

Answer = Union[str, tuple[int, str, str], Exception]


class FakeHost(Host):
    """``commands`` maps a prefix of the command line to stdout, to (rc, stdout, stderr) or to an error to raise.

    The longest prefix that fits answers. ``files`` maps paths to text or to an error; ``replies`` maps URLs to
    (status, body) or to an error. ``ran`` lists every command line that was asked for. ``links`` maps symlinks to
    what they say; a folder is whatever a known path lies in. ``kernel`` maps netlink requests to answers,
    ``times`` paths to when they were changed, ``certificates`` (address, port) to when they end.
    ``since_boot`` is the kernel's clock, ``asleep`` for how long it was suspended.
    """

    def __init__(
        self,
        platform: str = "linux",
        *,
        commands: Optional[dict[str, Answer]] = None,
        files: Optional[dict[str, Union[str, bytes, Exception]]] = None,
        replies: Optional[dict[str, Union[tuple[int, str], Exception]]] = None,
        admin: bool = True,
        now: float = 1_800_000_000.0,
        boot_id: str = "boot-1",
        links: Optional[dict[str, Union[str, Exception]]] = None,
        kernel: Optional[dict[bytes, bytes]] = None,
        times: Optional[dict[str, float]] = None,
        certificates: Optional[dict[tuple[str, int], float]] = None,
        since_boot: float = 100_000.0,
        asleep: float = 0.0,
    ) -> None:
        super().__init__(3600.0)
        self.platform = platform
        self.commands, self.files, self.replies = commands or {}, files or {}, replies or {}
        self.links, self.kernel = links or {}, kernel or {}
        self.times, self.certificates = times or {}, certificates or {}
        self.admin, self.clock, self.boot = admin, now, boot_id
        self.up, self.asleep = since_boot, asleep
        self.ran: list[str] = []
        self.paused: list[float] = []

    def run(
        self, argv: Any, *, timeout: float = 60.0, stdin: Any = None, env: Any = None, expect: Any = (0,)
    ) -> Completed:
        line = " ".join(argv)
        self.ran.append(line)
        answer = self._answer(line, argv[0])
        if isinstance(answer, Exception):
            raise answer
        rc, out, err = (0, answer, "") if isinstance(answer, str) else answer
        if expect is not None and rc not in expect:
            raise ToolFailed(argv, rc, err or out)
        return Completed(tuple(argv), rc, out, err)

    def _answer(self, line: str, tool: str) -> Answer:
        fitting = [prefix for prefix in self.commands if line.startswith(prefix)]
        return self.commands[max(fitting, key=len)] if fitting else ToolMissing(tool)

    def which(self, tool: str) -> Optional[str]:
        return f"/usr/bin/{tool}" if any(line.split()[0] == tool for line in self.commands) else None

    def read_bytes(self, path: str, limit: int = 4 << 20) -> bytes:
        content = self.files.get(path, SourceMissing(path))
        if isinstance(content, Exception):
            raise content
        return (content.encode() if isinstance(content, str) else content)[:limit]

    def read_declared(self, path: str, limit: int = 4 << 20) -> bytes:
        return self.read_bytes(path, limit)

    def entries(self, path: str) -> list[str]:
        known = {**self.files, **self.links}
        if isinstance(known.get(path), Exception):
            raise known[path]
        names = {name[len(path) + 1 :].split("/")[0] for name in known if name.startswith(f"{path}/")}
        if not names:
            raise SourceMissing(path)
        return sorted(names)

    def link(self, path: str) -> str:
        target = self.links.get(path, SourceMissing(path))
        if isinstance(target, Exception):
            raise target
        return target

    def ask_kernel(self, family: int, request: bytes) -> bytes:
        if request not in self.kernel:
            raise SourceMissing("an answer of the kernel")
        return self.kernel[request]

    def modified(self, path: str) -> float:
        self.read_bytes(path)
        return self.times.get(path, 0.0)

    def certificate_end(self, address: str, port: int, timeout: float = 5.0) -> float:
        end = self.certificates.get((address, port))
        if end is None:
            raise SourceDenied(f"the certificate of {address} port {port}")
        return end

    def http(self, url: str, timeout: float = 5.0, *, headers: Any = None, tls: Any = None) -> HttpReply:
        reply = self.replies.get(url, SourceMissing(f"an answer from {url}"))
        if isinstance(reply, Exception):
            raise reply
        return HttpReply(url, reply[0], reply[1], 0.01)

    def now(self) -> float:
        return self.clock

    def pause(self, seconds: float) -> None:
        self.paused.append(seconds)
        self.clock += seconds
        self.up += seconds

    def name(self) -> str:
        return "fake"

    def is_admin(self) -> bool:
        return self.admin

    def boot_id(self) -> str:
        return self.boot

    def process_began(self, pid: int) -> str:
        return ""

    def since_boot(self, *, asleep: bool = True) -> float:
        return self.up if asleep else self.up - self.asleep

    def lower_priority(self) -> None:
        return None


def denied(path: str) -> SourceDenied:
    """Return the error that reading ``path`` without the right to it gives."""
    return SourceDenied(path)
