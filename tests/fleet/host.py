# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One host: its root, its container, and what it takes to see it ready, find it and kill it."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

from . import base, cgroup, network, overlay, paths, shell
from .errors import FleetError
from .plan import FleetPlan, HostPlan

READY_SECONDS = 120.0

# nspawn ends with 133 when the system inside reboots, and leaves it to its caller to start it again. The namespace, and
# what the kernel filters in it, outlives the system: a real kernel begins each boot without a rule.
SUPERVISOR = 'net=$1; shift; while nsenter --net="$net" nft flush ruleset; "$@"; [ $? -eq 133 ]; do :; done'

NSPAWN_ENVIRONMENT = {
    # A pure cgroup v2 tree inside, as Debian has it since 11; systemd from 256 on accepts nothing else.
    "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
    # /proc/sys/net belongs to the host's own namespace and may be written; the rest is the machine's.
    "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network",
}


def machine(fleet: str, host: str) -> str:
    """Return nspawn's name for the host; unlike the host's own name it is unique on the machine."""
    return f"{fleet}.{host}"  # no name holds a dot, so `lab.*` is fleet lab and nothing of fleet lab-b


def machine_id(fleet: str, host: str) -> str:
    """Return the host's machine-id (machine-id(5): 32 hexadecimal digits), the same for the same names."""
    return uuid.uuid5(uuid.NAMESPACE_DNS, f"{host}.{fleet}").hex


def hosts_file(plan: FleetPlan) -> str:
    """Return the text of /etc/hosts: nothing else resolves names in the fleet's network."""
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    for host in plan.hosts:
        lines += [f"{host.address} {host.name}", f"{host.address6} {host.name}"]

    return "\n".join(lines) + "\n"


def nspawn_argv(fleet: str, host: str) -> list[str]:
    """Return the command that boots the host."""
    return [
        "systemd-nspawn",
        "--quiet",
        "--boot",
        "--register=no",
        "--keep-unit",
        "--console=pipe",
        f"--directory={paths.host_state(fleet, host) / 'root'}",
        f"--machine={machine(fleet, host)}",
        f"--hostname={host}",
        f"--network-namespace-path={network.path(network.namespace(fleet, host))}",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        "--notify-ready=yes",
        "--capability=CAP_NET_ADMIN,CAP_NET_RAW,CAP_SYS_ADMIN",
    ]


def prepare(plan: FleetPlan, host: HostPlan, lowers: Sequence[Path]) -> None:
    """Mount the host's root over the read-only folders and write what makes it this host."""
    folder = paths.host_state(plan.name, host.name)
    root = overlay.mount(lowers, folder)
    for name, text in _identity(plan, host).items():
        base.write(root, name, text)
    private = folder.joinpath("host_key").read_text()
    base.write(root, "etc/ssh/ssh_host_ed25519_key", private, 0o600)
    (root / "root/.ssh").chmod(0o700)


def make_key(file: Path, comment: str) -> None:
    """Make an ed25519 key pair without a passphrase: FILE and FILE.pub."""
    shell.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", file])


def _identity(plan: FleetPlan, host: HostPlan) -> dict[str, str]:
    state = paths.state(plan.name)

    return {
        "etc/machine-id": machine_id(plan.name, host.name) + "\n",
        "etc/hostname": host.name + "\n",
        "etc/hosts": hosts_file(plan),
        "root/.ssh/authorized_keys": (state / "key.pub").read_text(),
    }


def boot(fleet: str, host: str) -> None:
    """Start the host and wait for READY=1 of its systemd. Raise FleetError with the console's end when none comes."""
    address = paths.runtime(fleet) / f"{host}.ready"
    address.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
        ready.bind(str(address))
        supervisor = _start(fleet, host, address)
        if not _is_ready(ready, supervisor):
            raise FleetError(f"host {host} did not boot: {_console_end(fleet, host)}")


def _start(fleet: str, host: str, ready: Path) -> subprocess.Popen[bytes]:
    net = network.path(network.namespace(fleet, host))
    argv = ["sh", "-c", SUPERVISOR, machine(fleet, host), str(net), *nspawn_argv(fleet, host)]
    environment = {**os.environ, **NSPAWN_ENVIRONMENT, "NOTIFY_SOCKET": str(ready)}
    with (paths.host_state(fleet, host) / "console.log").open("ab") as console:
        return subprocess.Popen(
            cgroup.entering(argv, fleet, host),
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            env=environment,
            start_new_session=True,  # a Ctrl-C at the terminal must not reach the host
        )


def _is_ready(ready: socket.socket, supervisor: subprocess.Popen[bytes]) -> bool:
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end and supervisor.poll() is None:
        readable, _unused, _unused = select.select([ready], [], [], 0.2)
        if readable and b"READY=1" in ready.recv(4096).splitlines():
            return True

    return False


def _console_end(fleet: str, host: str) -> str:
    console = paths.host_state(fleet, host) / "console.log"

    return f"{shell.last_lines(console.read_text(errors='replace'))} ({console})"


def leader(fleet: str, host: str) -> int | None:
    """Return the machine's pid of the host's PID 1, which changes with each reboot; None when the host is down."""
    for pid in sorted(cgroup.pids(fleet, host)):
        if is_leader(_status(pid)):
            return pid

    return None


def is_leader(status: str) -> bool:
    """Given the text of /proc/PID/status, return whether the process is number 1 one pid namespace below ours."""
    for line in status.splitlines():
        if line.startswith("NSpid:"):
            numbers = line.split()[1:]
            return len(numbers) == 2 and numbers[1] == "1"

    return False


def _status(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return ""
