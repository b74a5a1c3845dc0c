# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands of `python3 tests/fleet`: each is a few lines over the module that does it."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from . import access, base, check, layers, lifecycle, owner, paths, prune, state
from .arguments import comma_list, parse, planned
from .errors import FleetError


def main(argv: Sequence[str]) -> int:
    """Given the words after the program's name, run the command and return the exit code."""
    options = parse(argv)
    signal.signal(signal.SIGTERM, lambda *_unused: sys.exit(143))  # so that a half-made fleet is taken down
    try:
        if options.command in MAKING:
            check.require()
        COMMANDS[options.command](options)
    except FleetError as error:
        print(f"fleet: {error}", file=sys.stderr)
        return error.exit_code

    return 0


def _check(options: argparse.Namespace) -> None:
    print(f"fleets can run here; cache and state: {paths.cache()}")


def _base(options: argparse.Namespace) -> None:
    for release in options.release or [base.DEFAULT_RELEASE]:
        print(base.ensure(release))


def _layer(options: argparse.Namespace) -> None:
    for release in options.release or [base.DEFAULT_RELEASE]:
        print(layers.ensure(release, comma_list(options.layers))[-1])


def _prune(options: argparse.Namespace) -> None:
    print(f"removed: {', '.join(prune.prune()) or 'nothing'}")


def _up(options: argparse.Namespace) -> None:
    started = time.monotonic()
    plan = planned(options)
    lifecycle.up(plan, owner.pid_of(options.owner))
    print(f"fleet {plan.name}: {len(plan.hosts)} hosts ready in {time.monotonic() - started:.1f} s")
    print(f"inventory: {paths.state(plan.name) / 'inventory.yml'}")


def _down(options: argparse.Namespace) -> None:
    started = time.monotonic()
    removed = lifecycle.down_stale() if options.stale else lifecycle.down(options.name)
    said = ", ".join(removed) or "nothing was left"
    print(f"fleet down: {said} ({time.monotonic() - started:.1f} s)")


def _list(options: argparse.Namespace) -> None:
    for name in state.names():
        known = owner.read(name)
        print(
            f"{name}\t{'stale' if owner.is_stale(known) else 'in use'}\t{known.state if known else paths.state(name)}"
        )


def _exec(options: argparse.Namespace) -> None:
    _become(access.exec_argv(options.name, options.argv))


def _run(options: argparse.Namespace) -> None:
    _become(access.run_argv(options.name, options.host, options.argv))


def _become(argv: Sequence[str]) -> None:
    sys.stdout.flush()
    os.execvp(argv[0], list(argv))


def _stop(options: argparse.Namespace) -> None:
    lifecycle.stop(options.name, options.host)


def _start(options: argparse.Namespace) -> None:
    lifecycle.start(options.name, options.host)


def _push(options: argparse.Namespace) -> None:
    access.push(options.name, options.host, Path(options.source), options.destination, options.exclude)


MAKING = ("check", "base", "layer", "prune", "up")  # these find out first whether the machine can
COMMANDS = {
    "check": _check,
    "base": _base,
    "layer": _layer,
    "prune": _prune,
    "up": _up,
    "down": _down,
    "list": _list,
    "exec": _exec,
    "run": _run,
    "stop": _stop,
    "start": _start,
    "push": _push,
}
