# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ways into a fleet: commands in the switch, commands in a host, files into a host."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from . import host, network, paths, shell, state
from .errors import FleetError


def exec_argv(fleet: str, argv: Sequence[str]) -> list[str]:
    """Return the command that runs ARGV on this machine but in the fleet's network."""
    return network.inside(network.switch(state.read_plan(fleet).name), argv)


def run_argv(fleet: str, name: str, argv: Sequence[str]) -> list[str]:
    """Return the command that has the host's own systemd run ARGV. Raise FleetError when the host is off.

    A bare nsenter would keep all capabilities of the caller: a `date -s` in there sets the clock of
    the whole machine. What systemd-run starts has only what the host has.
    """
    state.read_plan(fleet).host(name)
    pid = host.leader(fleet, name)
    if pid is None:
        raise FleetError(f"host {name} of fleet {fleet} is off")
    systemd_run = ["systemd-run", "--quiet", "--wait", "--pipe", "--collect", "--service-type=exec", "--"]

    return ["nsenter", f"--target={pid}", "--all", "--", *systemd_run, *argv]


def ssh_argv(fleet: str, name: str, command: str) -> list[str]:
    """Return the ssh command that has the host's shell run COMMAND, over a connection of its own."""
    return ["ssh", "-F", str(paths.state(fleet) / "ssh_config"), "-o", "ControlPath=none", name, command]


def push(fleet: str, name: str, source: Path, destination: str, exclude: Sequence[str] = ()) -> None:
    """Copy a folder's content into a folder of the host, which is made; or one file, which keeps its name.

    It goes through ssh, for the lower and upper folders of a mounted overlay must not be written.
    """
    state.read_plan(fleet).host(name)
    unpack = ssh_argv(fleet, name, unpack_command(destination))
    with tempfile.TemporaryFile("w+", errors="replace") as said:
        pack = subprocess.Popen(pack_argv(source, exclude), stdout=subprocess.PIPE, stderr=said)
        unpacked = subprocess.run(unpack, stdin=pack.stdout, stdout=said, stderr=said, check=False)
        pack.communicate()  # also drains what ssh did not take, so that tar can end
        said.seek(0)
        if pack.returncode != 0 or unpacked.returncode != 0:
            raise FleetError(f"cannot copy {source} to {name}:{destination}: {shell.last_lines(said.read())}")


def pack_argv(source: Path, exclude: Sequence[str]) -> list[str]:
    """Return the tar command that packs a folder's content, or one file under its own name."""
    folder, member = (source, ".") if source.is_dir() else (source.parent, source.name)
    excluded = [f"--exclude={pattern}" for pattern in exclude]

    return ["tar", f"--directory={folder}", *excluded, "--create", "--file=-", "--", member]


def unpack_command(destination: str) -> str:
    """Return the shell command of the host that makes the folder and unpacks into it, everything owned by root."""
    folder = shlex.quote(destination)

    return f"mkdir -p -- {folder} && tar --directory={folder} --no-same-owner --extract --file=-"
