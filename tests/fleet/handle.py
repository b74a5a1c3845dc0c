# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fleet as an object, for tests: bring it up, act on its hosts, run Ansible against it, take it down."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import access, base, lifecycle, paths, plan, shell
from .errors import FleetError

CHECKOUT = Path(__file__).resolve().parents[2]
PLAYBOOK_SECONDS = 900


class Fleet:
    """Hosts that are up. Made by `Fleet.up`; whoever makes one takes it down."""

    def __init__(self, name: str) -> None:
        """Take a fleet that is up by its name."""
        self.name = name
        self.inventory = paths.state(name) / "inventory.yml"
        self.ssh_config = paths.state(name) / "ssh_config"

    @classmethod
    def up(
        cls,
        name: str,
        hosts: Sequence[str],
        *,
        layers: Mapping[str, Sequence[str]] | Sequence[str] = (),
        release: Mapping[str, str] | str = base.DEFAULT_RELEASE,
        groups: Mapping[str, Sequence[str]] | None = None,
    ) -> Fleet:
        """Bring a fleet up that exists for this process.

        `layers` and `release` are one value for all hosts, or a mapping from host names; a host that
        the mapping lacks has no layers, or the default release.
        """
        layers_of = layers if isinstance(layers, Mapping) else dict.fromkeys(hosts, layers)
        release_of = release if isinstance(release, Mapping) else dict.fromkeys(hosts, release)
        wanted = plan.make(
            name,
            hosts,
            layers_of={host: layers_of.get(host, ()) for host in hosts},
            release_of={host: release_of.get(host, base.DEFAULT_RELEASE) for host in hosts},
            groups=groups or {},
        )
        lifecycle.up(wanted, os.getpid())

        return cls(name)

    def down(self) -> None:
        """Take the fleet down, whatever is left of it."""
        lifecycle.down(self.name)

    def stop(self, host: str) -> None:
        """Switch a host off abruptly."""
        lifecycle.stop(self.name, host)

    def start(self, host: str) -> None:
        """Boot a host that is off."""
        lifecycle.start(self.name, host)

    def push(self, host: str, source: Path, destination: str, exclude: Sequence[str] = ()) -> None:
        """Copy a folder's content, or a file, into a folder of the host."""
        access.push(self.name, host, source, destination, exclude)

    def run(self, host: str, *argv: str) -> str:
        """Have the host's systemd run a command; return its standard output. Raise FleetError when it fails."""
        return shell.run(access.run_argv(self.name, host, argv))

    def status(self, host: str, *argv: str) -> int:
        """Have the host's systemd run a command; return its exit code."""
        done = subprocess.run(access.run_argv(self.name, host, argv), capture_output=True, check=False)

        return done.returncode

    def ansible(
        self, program: str, *words: object, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run one of Ansible's programs on this fleet's inventory, from the checkout; return what came of it.

        `WORDS` follow the inventory, so further `-i` add to it. The checkout's ansible.cfg makes the
        collection known. Raise subprocess.TimeoutExpired when it does not end.
        """
        argv = [executable(program), "-i", str(self.inventory), *map(str, words)]
        variables = {**os.environ, "ANSIBLE_NOCOLOR": "1", **(environment or {})}

        return subprocess.run(
            argv, cwd=CHECKOUT, env=variables, capture_output=True, text=True, check=False, timeout=PLAYBOOK_SECONDS
        )

    def playbook(
        self, playbook: object, *words: object, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a playbook, by path or by the collection's name for it, on this fleet."""
        return self.ansible("ansible-playbook", playbook, *words, environment=environment)


def executable(program: str) -> str:
    """Return the program beside the running Python (a virtual environment) or on PATH. Raise FleetError if neither."""
    found = shutil.which(program, path=str(Path(sys.executable).parent)) or shutil.which(program)
    if found is None:
        raise FleetError(f"{program} is neither beside {sys.executable} nor on PATH")

    return found
