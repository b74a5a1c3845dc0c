# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two network namespaces and the cables between them, and what runs in them all the time: server, clients, product.

Rules are loaded into the server's namespace; nothing of the machine itself changes.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .points import (
    CABLES,
    GATEWAYS,
    LINK_LOCAL,
    MACS,
    MONITOR,
    ROUTED,
    SERVER,
    SOURCES,
    WAITING,
    Knock,
    Source,
    Waiting,
)

HERE = Path(__file__).resolve().parent
SERVE, KNOCK = HERE / "serve.py", HERE / "knock.py"
PATIENCE = 0.35  # seconds for an answer; what is dropped takes all of it
# Grafts the checkout as a collection (tests/conftest.py), then runs a script.
BEGIN = """
import runpy, sys
sys.path.insert(0, sys.argv[1])
import conftest
runpy.run_path(sys.argv[2], run_name="__main__")
"""
# What a loader may run so that `flush` is enough after it. Whatever else it runs makes the namespaces be made anew:
# a legacy table stays registered once it was used, and sysctls and routes stay as they are.
FLUSHABLE = ("nft ", "iptables-nft", "ip6tables-nft", "ipset ")
_NUMBERS = itertools.count()

Load = Sequence[str]  # a command, and the lines of its stdin


class LoadError(Exception):
    """The kernel or its tools refused a ruleset."""


class Agent:
    """A script that runs in a namespace and answers each line of JSON with one."""

    def __init__(self, namespace: str, *argv: str) -> None:
        command = ["ip", "netns", "exec", namespace, sys.executable, *argv]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def send(self, question: Any) -> None:
        """Send a question; ``receive`` has its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()

    def receive(self) -> Any:
        """Return the answer."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args} ended with {self._process.wait()}")
        return json.loads(line)

    def ask(self, question: Any) -> Any:
        """Return the answer to a question."""
        self.send(question)
        return self.receive()

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


def _server_lines(bridged: bool) -> Iterable[str]:
    yield "link set lo up"
    for device in CABLES:
        yield f"link set {device} up"
    if bridged:
        yield f"link add br0 address {MACS['va']} type bridge"
        yield "link set va master br0"
        yield "link set br0 up"
    for device, network in (("br0" if bridged else "va", 1), ("vb", 2)):
        yield f"addr add 10.{network}.0.1/24 dev {device}"
        yield f"addr add fd0{network}::1/64 dev {device} nodad"
        yield f"addr add {LINK_LOCAL['va' if network == 1 else 'vb']}/64 dev {device} nodad"
    names = {"va": "br0" if bridged else "va", "vb": "vb"}
    for family, (gateway, other) in GATEWAYS.items():
        yield f"route add default via {gateway} dev {names['va']}"
        for net in ROUTED[family]["vb"]:
            yield f"route add {net} via {other} dev vb"
    for address in MONITOR.values():
        yield f"neigh replace {address} lladdr 02:00:00:00:0a:fa dev {names['va']} nud permanent"
    for source in SOURCES:
        if not source.routed:
            mac = MACS[CABLES[source.device]]
            yield f"neigh replace {source.address} lladdr {mac} dev {names[source.device]} nud permanent"


def _client_lines() -> Iterable[str]:
    for device, cable in CABLES.items():
        yield f"link set {cable} up"
        for source in SOURCES:
            if source.device == device:
                extra = "/128 nodad" if source.family == 6 else "/32"
                length, _blank, word = extra.partition(" ")
                yield f"addr add {source.address}{length} dev {cable} {word}"
        for metric, address in enumerate((*SERVER[4], *SERVER[6], LINK_LOCAL[device], "127.0.0.1")):
            number = 100 + metric + (50 if device == "vb" else 0)
            yield f"route add {address} dev {cable} metric {number}"
            yield f"neigh replace {address} lladdr {MACS[device]} dev {cable} nud permanent"


# Half-open connections end after one second, so that their answers do not meet the next ruleset.
SERVER_SYSCTLS = {
    "net.ipv4.tcp_synack_retries": 0,
    "net.ipv4.tcp_max_syn_backlog": 8192,
    "net.core.somaxconn": 4096,
    "net.ipv4.conf.all.rp_filter": 0,
    "net.ipv4.conf.default.rp_filter": 0,
    "net.ipv6.conf.all.accept_ra": 0,
    "net.ipv6.conf.default.addr_gen_mode": 1,
    "net.ipv4.icmp_ratelimit": 0,
}
CLIENT_SYSCTLS = {
    "net.ipv4.conf.all.route_localnet": 1,
    "net.ipv4.conf.all.rp_filter": 0,
    "net.ipv4.conf.default.rp_filter": 0,
    "net.ipv6.conf.default.addr_gen_mode": 1,
    "net.ipv4.tcp_syn_retries": 1,
    "net.ipv4.ip_local_port_range": "20000 60999",
}


class Lab:
    """The namespaces, from ``with`` to the end of its block."""

    def __init__(self, *, bridged: bool = False, sockets: Iterable[Waiting] = ()) -> None:
        self._bridged, self.waiting = bridged, (*(each.bridged() if bridged else each for each in WAITING), *sockets)
        self._agents: dict[str, Agent] = {}
        self._stale = False
        self.server = self.client = ""

    def __enter__(self) -> Lab:
        sweep()
        self._make()
        return self

    def __exit__(self, *_what: object) -> None:
        self._remove()

    def run(self, command: str, lines: Iterable[str] = ()) -> str:
        """Run a command of a shell on the server and return what it prints. Raise LoadError where it fails."""
        argv = ["ip", "netns", "exec", self.server, "sh", "-c", command]
        stdin = "\n".join(lines) + "\n"
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise LoadError(f"{command} ended with {done.returncode}: {(done.stderr or done.stdout)[-2000:]}")
        return done.stdout

    def load(self, loads: Iterable[Load]) -> None:
        """Run the loaders of a ruleset in order. Raise LoadError where one fails."""
        for command, *lines in loads:
            self._stale = self._stale or not command.startswith(FLUSHABLE)
            self.run(command, lines)

    def fresh(self) -> None:
        """Have no rules, no connections, no sets and no memory of those that were."""
        if self._stale:
            self._remove()
            self._make()
            return
        self._serve()
        self.run("nft flush ruleset; ipset destroy 2>/dev/null; conntrack -F 2>/dev/null; true")

    def renew(self) -> None:
        """Have the next ``fresh`` make everything anew."""
        self._stale = True

    def knock(
        self,
        knocks: Sequence[Knock],
        options: Sequence[dict[str, int]] = (),
        *,
        patience: float = PATIENCE,
        ecn: bool = False,
    ) -> list[str]:
        """Try all these at once, and return which socket answered each ("half": connected and no data, "": none).

        ``options`` are what the sender of each chooses (see knock.py).
        """
        chosen = options or [{}] * len(knocks)
        answers: list[str] = [""] * len(knocks)
        parts = {
            name: [place for place, knock in enumerate(knocks) if bool(knock.source) == (name == "client")]
            for name in ("client", "inside")
        }
        for name, places in parts.items():
            asked = [[*self._placed(knocks[place]), chosen[place]] for place in places]
            self._agents[name].send({"knocks": asked, "patience": patience, "ecn": ecn})
        for name, places in parts.items():
            for place, answer in zip(places, self._agents[name].receive()):
                answers[place] = answer
        return answers

    def _placed(self, knock: Knock) -> Knock:
        return knock._replace(device="br0") if self._bridged and knock.device == "va" else knock

    def begin_asking(self, sources: Iterable[Source] = SOURCES) -> None:
        """Have the product look at the server; ``asked`` has what it says."""
        self._agents["product"].send(sorted({(source.family, source.address) for source in sources}))

    def asked(self) -> dict[str, Any]:
        """Return what the product says."""
        answer: dict[str, Any] = self._agents["product"].receive()
        return answer

    def _make(self) -> None:
        name = f"fuzz{os.getpid()}n{next(_NUMBERS)}"
        self.server, self.client = f"{name}s", f"{name}c"
        self._stale = False
        for each in (self.server, self.client):
            _ip("netns", "add", each)
        pairs = [
            f"link add {device} address {MACS[device]} netns {self.server} "
            f"type veth peer name {cable} address {MACS[cable]} netns {self.client}"
            for device, cable in CABLES.items()
        ]
        _ip("-batch", "-", lines=pairs)
        for each, sysctls in ((self.server, SERVER_SYSCTLS), (self.client, CLIENT_SYSCTLS)):
            lines = [f"{key} = {value}" for key, value in sysctls.items()]
            _ip("netns", "exec", each, "sysctl", "-qp", "-", lines=lines)
        for each, lines in ((self.server, _server_lines(self._bridged)), (self.client, _client_lines())):
            _ip("-n", each, "-batch", "-", lines=lines)
        scripts = {
            "server": (self.server, str(SERVE)),
            "client": (self.client, str(KNOCK)),
            "inside": (self.server, str(KNOCK)),
            "product": (self.server, "-c", BEGIN, str(HERE.parents[1]), str(HERE / "ask.py")),
        }
        self._agents = {which: Agent(*argv) for which, argv in scripts.items()}
        self._serve()

    def _serve(self) -> None:
        failed = self._agents["server"].ask([[str(one), *one._replace(address=one.address)] for one in self.waiting])
        if failed:
            raise RuntimeError(f"sockets that could not be made: {failed}")

    def _remove(self) -> None:
        for agent in self._agents.values():
            agent.stop()
        self._agents = {}
        for name in (self.server, self.client):
            subprocess.run(["ip", "netns", "del", name], check=False, stderr=subprocess.DEVNULL)


def sweep() -> None:
    """Remove the namespaces of labs whose process is gone: one that was killed could not do it itself."""
    for path in Path("/run/netns").glob("fuzz*n*"):
        owner = path.name[len("fuzz") :].partition("n")[0]
        if owner.isdigit() and not Path("/proc", owner).exists():
            with contextlib.suppress(OSError):
                subprocess.run(["ip", "netns", "del", path.name], check=False, stderr=subprocess.DEVNULL)


def _ip(*argv: str, lines: Iterable[str] = ()) -> None:
    stdin = "\n".join(lines) + "\n"
    done = subprocess.run(["ip", *argv], input=stdin, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise RuntimeError(f"ip {' '.join(argv)} ended with {done.returncode}: {done.stderr}")
