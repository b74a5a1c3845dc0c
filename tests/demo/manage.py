# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make, run, break and remove the demo Cryptobot.

python3 tests/demo/manage.py up --root .demo
python3 tests/demo/manage.py status --root .demo
python3 tests/demo/manage.py down --root .demo
python3 tests/demo/manage.py clean --root .demo
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Optional

from cryptobot_demo import commands, processes
from cryptobot_demo.catalog import SERVICES
from cryptobot_demo.database import AUDIT_ROWS
from cryptobot_demo.faults import FAULTS, heal, plant
from cryptobot_demo.layout import install
from cryptobot_demo.postgres import render_sql
from cryptobot_demo.root import DemoError, open_demo
from cryptobot_demo.systemd import UnitOptions, write_units

if TYPE_CHECKING:
    Actions = argparse._SubParsersAction[argparse.ArgumentParser]
    Runner = Callable[[argparse.Namespace], int]


def run_install(arguments: argparse.Namespace) -> int:
    """Write an installation."""
    done = install(arguments.install_dir, seed=arguments.seed, size=arguments.rows)
    print(f"{arguments.install_dir}: {'installed' if done else 'already there, nothing changed'}")
    return 0


def run_up(arguments: argparse.Namespace) -> int:
    """Install what is absent and start what does not run."""
    return say(
        commands.up(
            arguments.root,
            base_port=arguments.base_port,
            seed=arguments.seed,
            size=arguments.rows,
            quiet=arguments.quiet,
        )
    )


def run_down(arguments: argparse.Namespace) -> int:
    """Stop the services."""
    return say(commands.stop_all(open_demo(arguments.root)))


def run_status(arguments: argparse.Namespace) -> int:
    """Show the services; 3 where one of them does not run or answer (as ``systemctl status``)."""
    lines, well = commands.status(open_demo(arguments.root))
    say(lines)
    return 0 if well else 3


def run_start(arguments: argparse.Namespace) -> int:
    """Start one service."""
    started = processes.start(open_demo(arguments.root), arguments.name)
    return say([f"{arguments.name}: {'started' if started else 'already running'}"])


def run_stop(arguments: argparse.Namespace) -> int:
    """Stop one service."""
    stopped = processes.stop(open_demo(arguments.root), arguments.name)
    return say([f"{arguments.name}: {'stopped' if stopped else 'was not running'}"])


def run_fault(arguments: argparse.Namespace) -> int:
    """Plant one fault."""
    return say([plant(open_demo(arguments.root), arguments.name)])


def run_heal(arguments: argparse.Namespace) -> int:
    """Undo every planted fault."""
    healed = heal(open_demo(arguments.root))
    return say([f"{name}: healed" for name in healed] or ["no fault was planted"])


def run_faults(arguments: argparse.Namespace) -> int:
    """List the faults."""
    return say([f"{name:<15} {fault.check:<25} {fault.description}" for name, fault in FAULTS.items()])


def run_units(arguments: argparse.Namespace) -> int:
    """Write the systemd units."""
    options = UnitOptions(**{field.name: getattr(arguments, field.name) for field in fields(UnitOptions)})
    return say([str(path) for path in write_units(arguments.dest, options)])


def run_sql(arguments: argparse.Namespace) -> int:
    """Print the script for PostgreSQL."""
    now = arguments.now or datetime.now(timezone.utc).replace(tzinfo=None)
    print(
        render_sql(seed=arguments.seed, now=now, audit_rows=arguments.audit_rows, bloat_rounds=arguments.bloat_rounds)
    )
    return 0


def run_clean(arguments: argparse.Namespace) -> int:
    """Stop the services and remove the root folder."""
    return say(commands.clean(arguments.root))


def say(lines: list[str]) -> int:
    """Print lines; return 0."""
    print("\n".join(lines))
    return 0


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(description="Make, run, break and remove the demo Cryptobot.")
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    add_install(actions)
    add_up(actions)
    add_units(actions)
    add_sql(actions)
    for name, run, text in (
        ("down", run_down, "stop the services"),
        ("status", run_status, "show the services"),
        ("heal", run_heal, "undo every planted fault"),
        ("clean", run_clean, "stop the services and remove the root folder"),
    ):
        add_action(actions, name, run, text)
    for name, run, text in (("start", run_start, "start one service"), ("stop", run_stop, "stop one service")):
        add_action(actions, name, run, text).add_argument("name", choices=list(SERVICES))
    add_action(actions, "fault", run_fault, "plant one fault").add_argument("name", choices=list(FAULTS))
    actions.add_parser("faults", help="list the faults and the findings that name them").set_defaults(run=run_faults)
    return parser


def add_action(actions: Actions, name: str, run: Runner, text: str) -> argparse.ArgumentParser:
    """Add an action on one demo and return its parser."""
    action = actions.add_parser(name, help=text)
    action.add_argument("--root", type=Path, required=True)
    action.set_defaults(run=run)
    return action


def add_install(actions: Actions) -> None:
    """Add ``install``."""
    action = actions.add_parser("install", help="write the files of an installation, if it is not there yet")
    action.add_argument("--install-dir", type=Path, required=True)
    add_size(action)
    action.set_defaults(run=run_install)


def add_up(actions: Actions) -> None:
    """Add ``up``."""
    action = actions.add_parser("up", help="install into ROOT/cryptobot if absent, and start the services")
    action.add_argument("--root", type=Path, required=True)
    action.add_argument("--base-port", type=base_port, help="port of auth, the others follow (default: 18000)")
    action.add_argument("--quiet", action="store_true", help="services log only their start, stop and errors")
    add_size(action)
    action.set_defaults(run=run_up)


def base_port(text: str) -> int:
    """Return a port that five services can follow from. Raise ArgumentTypeError, before anything is written."""
    last = 65535 - len(SERVICES) + 1
    if not text.isdigit() or not 1024 <= int(text) <= last:
        raise argparse.ArgumentTypeError(f"{text!r} is no port for the first of five services, expected 1024 to {last}")
    return int(text)


def add_units(actions: Actions) -> None:
    """Add ``systemd-units``: one option per field of UnitOptions."""
    action = actions.add_parser("systemd-units", help="write one systemd unit per service")
    action.add_argument("--dest", type=Path, required=True)
    for field in fields(UnitOptions):
        action.add_argument("--" + field.name.replace("_", "-"), type=type(field.default), default=field.default)
    action.set_defaults(run=run_units)


def add_sql(actions: Actions) -> None:
    """Add ``sql``."""
    action = actions.add_parser("sql", help="print tables and rows for an empty PostgreSQL database")
    action.add_argument("--seed", type=int, default=1)
    action.add_argument("--now", type=datetime.fromisoformat, help="naive UTC time that the rows lead up to")
    action.add_argument("--audit-rows", type=int, default=20000)
    action.add_argument("--bloat-rounds", type=int, default=0, help="how often every audit row is updated")
    action.set_defaults(run=run_sql)


def add_size(action: argparse.ArgumentParser) -> None:
    """Add the options that decide what the database holds."""
    action.add_argument("--seed", type=int, default=1, help="the same seed invents the same rows (default: 1)")
    action.add_argument("--rows", choices=list(AUDIT_ROWS), default="normal", help="size of the database")


def main(argv: Optional[list[str]] = None) -> int:
    """Run what the command line asks for; 2 where it cannot be done."""
    arguments = make_parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except (DemoError, OSError) as error:
        print(f"manage.py: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
