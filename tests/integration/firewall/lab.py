# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two network namespaces for the recorded scenarios: rules are loaded in one, connections come from the other.

What serves and what knocks in them is that of the lab in tests/fuzz/firewall.

The server has eth0 towards the world (203.0.113.10, 2001:db8::10, default routes) and eth1 towards a site (10.0.0.1/8,
fd00::1/8), as in the fixtures that record.py makes. Nothing of the machine itself changes.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Optional

from fuzz.firewall.lab import BEGIN, KNOCK, SERVE, Agent

from .record import COLLECT

HERE = Path(__file__).resolve().parent
SITE = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8"))
SERVER = {(4, "world"): "203.0.113.10", (6, "world"): "2001:db8::10", (4, "site"): "10.0.0.1", (6, "site"): "fd00::1"}
PATIENCE = 1.2  # seconds: a dropped SYN is sent again after one second, and the second one is dropped as well
HOST = {"host": "127.0.0.1", "host6": "::1"}

CABLES = """
ip -n {server} link set lo up
ip -n {client} link set lo up
ip link add eth0 address 02:00:00:00:00:10 netns {server} type veth peer name out0 netns {client}
ip link add eth1 address 02:00:00:00:00:20 netns {server} type veth peer name out1 netns {client}
ip -n {client} link set out0 address 02:00:00:00:00:11
ip -n {client} link set out1 address 02:00:00:00:00:21
ip -n {server} link set eth0 up
ip -n {server} link set eth1 up
ip -n {client} link set out0 up
ip -n {client} link set out1 up
ip -n {server} addr add 203.0.113.10/24 dev eth0
ip -n {server} addr add 10.0.0.1/8 dev eth1
ip -n {server} addr add 2001:db8::10/64 dev eth0 nodad
ip -n {server} addr add fd00::1/8 dev eth1 nodad
ip -n {client} addr add 203.0.113.1/24 dev out0
ip -n {client} addr add 10.255.255.254/8 dev out1
ip -n {client} addr add 2001:db8::1/64 dev out0 nodad
ip -n {client} addr add fd00::fe/8 dev out1 nodad
ip -n {server} route add default via 203.0.113.1
ip -n {server} route add default via 2001:db8::1
ip -n {server} neigh add 2001:db8::1 lladdr 02:00:00:00:00:11 dev eth0
ip -n {client} neigh add 2001:db8::10 lladdr 02:00:00:00:00:10 dev out0
ip -n {client} neigh add fd00::1 lladdr 02:00:00:00:00:20 dev out1
"""
NEIGHBOURS = {"out0": ("02:00:00:00:00:11", "eth0"), "out1": ("02:00:00:00:00:21", "eth1")}
# The scenario gets folders of its own where it writes, so that the machine's configuration stays as it is.
COPIES = "\n".join(line for line in COLLECT.splitlines() if line.startswith("if [ -d /etc/"))
ISOLATE = f"""set -eu
mount --make-rprivate /
mount -t tmpfs run /run
mount -t proc proc /proc
{COPIES}
sh"""


class Knock(NamedTuple):
    """A connection to try: from which source address (or from the host itself) to which port."""

    proto: str
    port: int
    source: str


def _sweep() -> None:
    """Remove the namespaces of labs whose process is gone: one that was killed could not do it itself."""
    for name in Path("/run/netns").glob("fwlab*"):
        owner = name.name[len("fwlab") : -1]
        if owner.isdigit() and not Path("/proc", owner).exists():
            subprocess.run(["ip", "netns", "del", name.name], check=False)


class Lab:
    """The two namespaces, from ``with`` to the end of its block."""

    def __init__(self) -> None:
        self.server, self.client = f"fwlab{os.getpid()}s", f"fwlab{os.getpid()}c"
        self._agents: list[Agent] = []
        self._sources: set[str] = set()

    def __enter__(self) -> Lab:
        _sweep()
        with contextlib.ExitStack() as unfinished:
            unfinished.push(self)
            for name in (self.server, self.client):
                _run("ip", "netns", "add", name)
            for line in CABLES.format(server=self.server, client=self.client).split("\n"):
                if line:
                    _run(*line.split())
            unfinished.pop_all()
        return self

    def __exit__(
        self, _kind: Optional[type[BaseException]], _error: Optional[BaseException], _trace: Optional[TracebackType]
    ) -> None:
        self.stop_serving()
        for name in (self.server, self.client):
            subprocess.run(
                ["ip", "netns", "del", name], check=False, stderr=subprocess.DEVNULL
            )  # there may be none yet

    def run(self, *argv: str, stdin: str = "") -> str:
        """Run a command on the server and return what it prints."""
        return _run("ip", "netns", "exec", self.server, *argv, stdin=stdin)

    def load(self, scenario: Path) -> None:
        """Run a scenario on the server, with mounts and processes of its own; its rules stay."""
        self.run("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", f"{ISOLATE} {scenario}")

    def serve(self, *ports: tuple[str, int]) -> None:
        """Let the server listen on ports (protocol, number), at all its addresses of both families."""
        words = [
            [f"{proto}:{port}", proto, address, port, "", True, "", 0]
            for proto, port in ports
            for address in ("0.0.0.0", "::")
        ]
        server = Agent(self.server, str(SERVE))
        self._agents.append(server)
        failed = server.ask(words)
        if failed:
            raise RuntimeError(f"what does not listen: {failed}")

    def stop_serving(self) -> None:
        """End what the server listens with."""
        while self._agents:
            self._agents.pop().stop()

    def knock(self, knocks: list[Knock]) -> dict[Knock, bool]:
        """Try connections, all at once, and return which came through."""
        outside = [knock for knock in knocks if knock.source not in HOST]
        for source in {knock.source for knock in outside} - self._sources:
            self._add_source(source)
        inside = [knock for knock in knocks if knock.source in HOST]
        answers = self._try(self.client, outside) + self._try(self.server, inside)
        return dict(zip(outside + inside, answers))

    def audit(self, **options: Any) -> dict[str, Any]:
        """Run the area on the server, as the module does, and return its result."""
        result: dict[str, Any] = json.loads(self.run(*_with_core("run_audit.py"), stdin=json.dumps(options)))
        return result

    def _try(self, namespace: str, knocks: list[Knock]) -> list[bool]:
        if not knocks:
            return []
        tries = [
            [
                knock.proto,
                6 if ":" in target else 4,
                "" if knock.source in HOST else knock.source,
                "",
                target,
                knock.port,
                {},
            ]
            for knock in knocks
            for target in [_target(knock)]
        ]
        agent = Agent(namespace, str(KNOCK))
        try:
            answers = agent.ask({"knocks": tries, "patience": PATIENCE, "ecn": False})
        finally:
            agent.stop()
        return [answer not in ("", "half") for answer in answers]

    def _add_source(self, source: str) -> None:
        """Let the client have an address, on the cable where the server would look for it."""
        device = "out1" if _is_site(source) else "out0"
        length, extra = ("128", ["nodad"]) if ":" in source else ("32", [])
        _run("ip", "-n", self.client, "addr", "replace", f"{source}/{length}", "dev", device, *extra)
        if ":" in source:  # neighbour discovery is ICMPv6, which rules may stop; who may connect is asked of the rest
            address, cable = NEIGHBOURS[device]
            _run("ip", "-n", self.server, "neigh", "replace", source, "lladdr", address, "dev", cable)
        self._sources.add(source)


def _is_site(source: str) -> bool:
    address = ipaddress.ip_address(source)
    return any(address.version == net.version and address in net for net in SITE)


def _target(knock: Knock) -> str:
    if knock.source in HOST:
        return HOST[knock.source]
    return SERVER[6 if ":" in knock.source else 4, "site" if _is_site(knock.source) else "world"]


def _with_core(script: str) -> list[str]:
    """Return the command that runs one of these scripts with the core importable as a collection (see conftest.py)."""
    return [sys.executable, "-c", BEGIN, str(HERE.parents[1]), str(HERE / script)]


def _run(*argv: str, stdin: str = "") -> str:
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)[:300]} ended with {done.returncode}: {done.stderr or done.stdout}")
    return done.stdout
