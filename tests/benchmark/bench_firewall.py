# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""firewall_audit beside ``nft -j list ruleset`` on large rulesets, each in a network namespace of its own.

The peer only prints what the kernel holds; ours also reads it, joins it with the sockets and judges. Both are whole
programs: firewall_audit as Ansible starts it on a host. Besides seconds the peak of memory is measured.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from pair import LEFT_OUT, emit

CHECKOUT = Path(__file__).resolve().parents[2]
MODULE = CHECKOUT / "plugins" / "modules" / "firewall_audit.py"
RUNS = int(os.environ.get("CRYPTOBOT_BENCH_RUNS", "3"))
TIMEOUT = 60  # the module's own default
AIM = 0.33  # at most three times what the peer takes
BUDGET_S, BUDGET_MB = 2.0, 200.0
HUGE_BYTES = 68_000_000

SERVE = """
import resource, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
waiting = [socket.socket() for _ in range(int(sys.argv[1]))]
for place, one in enumerate(waiting):
    one.bind(("", 10000 + place))
    one.listen(1)
print("ready", flush=True)
sys.stdin.read()
"""
# Runs a command and prints its seconds and the peak of its memory in MB on the last line of stderr.
MEASURE = """
import resource, subprocess, sys, time
begun = time.monotonic()
ended = subprocess.run(sys.argv[2:], stdout=open(sys.argv[1], "wb"))
print(time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024, file=sys.stderr)
sys.exit(ended.returncode)
"""
HEAD = "table inet filter {{\n{sets}\nchain input {{\ntype filter hook input priority filter; policy drop;\n"
USUAL = 'iif "lo" accept\nct state established,related accept\nmeta l4proto ipv6-icmp accept\n'


class Run(NamedTuple):
    """What one run took: seconds, and the peak of its memory in MB."""

    seconds: float
    memory: float


def ruleset(rules: Iterator[str], sets: str = "") -> str:
    """Given rules of the input chain and sets, return a ruleset as ``nft -f`` takes it."""
    return HEAD.format(sets=sets) + USUAL + "\n".join(rules) + "\n}\n}\n"


def address(number: int) -> str:
    """Given a number, return an address of its own that is nobody's neighbour: every second one of 16.0.0.0/8."""
    return f"16.{number >> 15 & 255}.{number >> 7 & 255}.{(number & 127) * 2}"


def many_rules(count: int) -> str:
    """Return a ruleset of rules each about one source and one port, half of them for sockets that are there."""
    return ruleset(f"ip saddr {address(place)} tcp dport {10000 + place % 1000} accept" for place in range(count))


def large_set(count: int) -> str:
    """Return a ruleset with one set of single addresses, no two of them neighbours."""
    elements = ", ".join(address(place) for place in range(count))
    sets = f"set banned {{\ntype ipv4_addr\nflags interval\nelements = {{ {elements} }}\n}}"
    return ruleset(iter(("ip saddr @banned drop", "tcp dport 10000-10099 accept")), sets)


SITUATIONS = {"rules": (many_rules(10_000), 20), "set": (large_set(100_000), 20), "sockets": (many_rules(100), 500)}


@contextmanager
def host(rules: str, sockets: int) -> Iterator[list[str]]:
    """Have a namespace with rules and sockets for a block; yields the words that run a command in it."""
    name = f"fwbench{os.getpid()}"
    inside = ["ip", "netns", "exec", name]
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        for words in (
            "link set lo up",
            "link add eth0 type veth peer name out0",
            "link set eth0 up",
            "link set out0 up",
            "addr add 10.9.0.1/24 dev eth0",
        ):
            subprocess.run(["ip", "-n", name, *words.split()], check=True)
        subprocess.run(["ip", "-n", name, "route", "add", "default", "via", "10.9.0.254"], check=True)
        subprocess.run([*inside, "nft", "-f", "-"], input=rules, text=True, check=True)
        argv = [*inside, sys.executable, "-c", SERVE, str(sockets)]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as serving:
            if serving.stdout is None or serving.stdout.readline() != "ready\n":
                raise RuntimeError("the sockets did not begin to listen")
            yield inside
            serving.kill()
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


def measured(inside: list[str], argv: list[str], out: Path) -> Run:
    """Run a command in a namespace, its output to a file, and return what it took. Raise RuntimeError."""
    environment = {**os.environ, "PYTHONPATH": str(out.parent / "tree")}
    ended = subprocess.run(
        [*inside, sys.executable, "-c", MEASURE, str(out), *argv],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if ended.returncode:
        raise RuntimeError(f"{argv[0]} ended with {ended.returncode}\n{ended.stderr[-2000:]}{out.read_text()[-2000:]}")
    seconds, memory = ended.stderr.splitlines()[-1].split()
    return Run(float(seconds), float(memory))


def audit(inside: list[str], folder: Path, sockets: int) -> Run:
    """Run firewall_audit and see that it judged every socket."""
    given, out = folder / "arguments.json", folder / "ours"
    policy = [{"port": "10000-10099", "from": ["any"]}]
    options = {"policy": policy, "state_dir": str(folder / "state"), "timeout": TIMEOUT, "limit": sockets}
    given.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": options}))
    took = measured(inside, [sys.executable, str(MODULE), str(given)], out)
    answer = json.loads(out.read_text())
    if len(answer["sockets"]) != sockets:
        raise RuntimeError(f"of {sockets} sockets {len(answer['sockets'])} were judged")
    return took


def compare(name: str, rules: str, sockets: int, folder: Path) -> None:
    """Measure both sides in turn and print the results."""
    with host(rules, sockets) as inside:
        ours, peer = [], []
        for _number in range(RUNS):
            ours.append(audit(inside, folder, sockets))
            peer.append(measured(inside, ["nft", "-j", "list", "ruleset"], folder / "peer"))
    if name != "sockets":  # nft looks at none
        emit(f"firewall.{name}", [run.seconds for run in ours], [run.seconds for run in peer], "s", AIM)
    emit(f"firewall.{name}.budget", [run.seconds for run in ours], [BUDGET_S], "s", 1.0)
    emit(f"firewall.{name}.memory", [run.memory for run in ours], [BUDGET_MB], "MB", 1.0)


def huge() -> str:
    """Return a ruleset of which the kernel's JSON has about 68 MB."""
    per_rule = 320  # bytes of a rule's JSON, measured
    return many_rules(HUGE_BYTES // per_rule)


def main() -> None:
    """Measure each situation, and that a huge ruleset ends within the module's timeout."""
    if os.geteuid() or shutil.which("nft") is None:
        print("needs root and nft", file=sys.stderr)
        raise SystemExit(LEFT_OUT)
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    with tempfile.TemporaryDirectory() as name:
        parent = Path(name, "tree", "ansible_collections", "cryptobot")
        parent.mkdir(parents=True)
        (parent / "maintenance").symlink_to(CHECKOUT)
        for situation, (rules, sockets) in SITUATIONS.items():
            compare(situation, rules, sockets, Path(name))
        with host(huge(), 20) as inside:
            peer = measured(inside, ["nft", "-j", "list", "ruleset"], Path(name, "peer"))
            size = Path(name, "peer").stat().st_size
            print(f"huge: {size / 1e6:.0f} MB of JSON in {peer.seconds:.1f} s", file=sys.stderr)
            took = audit(inside, Path(name), 20)
        emit("firewall.huge.timeout", [took.seconds], [float(TIMEOUT)], "s", 1.0)
        emit("firewall.huge.memory", [took.memory], [2048.0], "MB", 1.0)


if __name__ == "__main__":
    main()
