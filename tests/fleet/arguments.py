# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The command line of `python3 tests/fleet`, and the plan that `up` was asked for."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from . import base, layers, plan
from .errors import FleetError

HELP: dict[str, str] = {
    "check": "say whether this machine can run fleets; exit 3 with the reason when it cannot",
    "base": "build the Debian root of a release into the cache",
    "layer": "build layers, each on top of the one before, into the cache",
    "prune": "remove from the cache what today's tables of releases and layers no longer lead to",
    "up": "bring a fleet of hosts up; builds what the cache lacks",
    "down": "take a fleet down, whatever is left of it",
    "list": "list the fleets of this machine",
    "exec": "run a command of this machine in the fleet's network",
    "run": "run a command inside a host, by its systemd",
    "stop": "switch a host off abruptly",
    "start": "boot a host that is off",
    "push": "copy a folder's content, or a file, into a folder of a host",
}

TAKES_COMMAND = ("exec", "run")


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Given the words after the program's name, return the options; what is wrong ends the program with 2.

    The command of `exec` and `run` is cut off first: argparse would drop a second `--` inside of it.
    """
    words = list(argv)
    cut = words.index("--") if "--" in words else len(words)
    options = parser().parse_args(words[:cut])
    options.argv = words[cut + 1 :]
    if bool(options.argv) != (options.command in TAKES_COMMAND):
        parser().error(f"{options.command}: expected {'-- CMD' if options.command in TAKES_COMMAND else 'no -- CMD'}")

    return options


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    top = argparse.ArgumentParser(prog="fleet", description="Real systemd hosts for the tests.")
    subparsers = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands = {name: subparsers.add_parser(name, help=text, description=text) for name, text in HELP.items()}
    _add_building(commands)
    _add_up(commands["up"])
    _add_down(commands["down"])
    _add_access(commands)

    return top


def _add_building(commands: dict[str, argparse.ArgumentParser]) -> None:
    for name in ("base", "layer"):
        commands[name].add_argument("--release", action="append", choices=base.RELEASES, help="may be repeated")
    commands["layer"].add_argument("layers", metavar="LAYERS", help=f"some of {','.join(sorted(layers.LAYERS))}")


def _add_up(up: argparse.ArgumentParser) -> None:
    up.add_argument("--name", required=True, help="the fleet's name, unique on this machine")
    up.add_argument("--hosts", required=True, help="names, separated by commas")
    up.add_argument("--layers", action="append", default=[], help="A,B for all hosts, HOST=A,B for one; repeated")
    up.add_argument("--release", action="append", default=[], help="a release for all hosts, HOST=RELEASE for one")
    up.add_argument("--group", action="append", default=[], help="GROUP=HOST,HOST of the inventory; repeated")
    up.add_argument(
        "--owner",
        default="none",
        help="the process for which the fleet exists: its id, or the program's name of an ancestor of this"
        " process; `down --stale` removes the fleet when that process is gone (none: never)",
    )


def _add_down(down: argparse.ArgumentParser) -> None:
    which = down.add_mutually_exclusive_group(required=True)
    which.add_argument("--name", help="the fleet's name")
    which.add_argument("--stale", action="store_true", help="every fleet whose owner is gone")


def _add_access(commands: dict[str, argparse.ArgumentParser]) -> None:
    for name in ("exec", "run", "stop", "start", "push"):
        commands[name].add_argument("--name", required=True, help="the fleet's name")
    for name in ("run", "stop", "start", "push"):
        commands[name].add_argument("host", metavar="HOST")
    for name in TAKES_COMMAND:
        commands[name].epilog = "The command and its words follow after --."
    commands["push"].add_argument("source", metavar="SRC")
    commands["push"].add_argument("destination", metavar="DEST")
    commands["push"].add_argument("--exclude", action="append", default=[], help="a pattern of tar; repeated")


def planned(options: argparse.Namespace) -> plan.FleetPlan:
    """Given the options of `up`, return the plan. Raise FleetError naming what is wrong."""
    hosts = comma_list(options.hosts)
    chains = per_host("--layers", options.layers, hosts, "")

    return plan.make(
        options.name,
        hosts,
        layers_of={host: comma_list(chain) for host, chain in chains.items()},
        release_of=per_host("--release", options.release, hosts, base.DEFAULT_RELEASE),
        groups=dict(_group(value) for value in options.group),
    )


def per_host(option: str, values: Sequence[str], hosts: Sequence[str], default: str) -> dict[str, str]:
    """Given values like `db1=X` (one host) or `Y` (all others), return the value of each host.

    Raise FleetError for a host that the fleet does not have.
    """
    general = [value for value in values if "=" not in value]
    named = dict(value.split("=", 1) for value in values if "=" in value)
    for host, value in named.items():
        if host not in hosts:
            raise FleetError(f"{option} {host}={value}: no such host; expected one of: {', '.join(hosts)}")

    return {host: named.get(host, general[-1] if general else default) for host in hosts}


def comma_list(text: str) -> list[str]:
    """Given names separated by commas, return them; empty ones are dropped."""
    return [word.strip() for word in text.split(",") if word.strip()]


def _group(value: str) -> tuple[str, list[str]]:
    name, separator, members = value.partition("=")
    if not separator:
        raise FleetError(f"--group {value}: expected GROUP=HOST,HOST")

    return name, comma_list(members)
