# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Bring a fleet up and down, and stop and start its hosts.

Everything of a fleet is found by its name (cgroup, namespaces, folders), never by what a process
remembers, so that `down` also cleans up after a tool or a host that was killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import cgroup, host, inventory, layers, network, overlay, owner, paths, shell, state
from .errors import FleetError
from .lock import locked
from .plan import FleetPlan, HostPlan, check_name

BOOTS_AT_ONCE = 4

# Every systemd takes several; the kernel's default of 128 is used up by about twenty.
INOTIFY_NEEDED = {"max_user_instances": 8192, "max_user_watches": 524288}
NSPAWN_RUNTIME = Path("/run/systemd/nspawn")


def up(plan: FleetPlan, owner_pid: int) -> None:
    """Bring the fleet up, or leave nothing behind. The owner is the process for which it exists, or owner.NOBODY."""
    roots = {host_plan.name: layers.ensure(host_plan.release, host_plan.layers) for host_plan in plan.hosts}
    with _locked(plan.name):
        if plan.name in state.names():
            raise FleetError(f"fleet {plan.name} exists; take it down first")
        try:
            _create(plan, roots)
            owner.write(plan.name, owner_pid)
        except BaseException:
            _remove(plan.name)
            raise


def _create(plan: FleetPlan, roots: dict[str, list[Path]]) -> None:
    owner.write(plan.name, os.getpid())  # until it is up it exists for the process that makes it
    for folder in (paths.state(plan.name), paths.runtime(plan.name) / "ansible"):
        folder.mkdir(parents=True, mode=0o700)
    _make_keys(plan)
    _write_access(plan)
    _raise_inotify_limits()
    network.make(plan)
    with ThreadPoolExecutor(BOOTS_AT_ONCE) as pool:
        for _unused in pool.map(lambda one: _create_host(plan, one, roots[one.name]), plan.hosts):
            pass
    state.write_plan(plan)


def _create_host(plan: FleetPlan, one: HostPlan, lowers: list[Path]) -> None:
    host.prepare(plan, one, lowers)
    host.boot(plan.name, one.name)


def _make_keys(plan: FleetPlan) -> None:
    host.make_key(paths.state(plan.name) / "key", f"controller of {plan.name}")
    for one in plan.hosts:
        folder = paths.host_state(plan.name, one.name)
        folder.mkdir(parents=True)
        host.make_key(folder / "host_key", one.name)


def _write_access(plan: FleetPlan) -> None:
    folder, runtime = paths.state(plan.name), paths.runtime(plan.name)
    keys = {one.name: (paths.host_state(plan.name, one.name) / "host_key.pub").read_text() for one in plan.hosts}
    (folder / "known_hosts").write_text(inventory.known_hosts(plan, keys))
    (folder / "ssh_config").write_text(inventory.ssh_config(plan, folder, runtime))
    (folder / "inventory.yml").write_text(inventory.inventory(plan, folder, runtime))


def _raise_inotify_limits() -> None:
    for name, needed in INOTIFY_NEEDED.items():
        limit = Path("/proc/sys/fs/inotify") / name
        if int(limit.read_text()) < needed:
            limit.write_text(str(needed))


def stop(fleet: str, name: str) -> None:
    """Switch a host off abruptly: its link goes dead and every process is killed. Its files stay."""
    plan = state.read_plan(fleet)
    one = plan.host(name)
    network.plug(plan, one, "down")
    cgroup.kill(fleet, name)


def start(fleet: str, name: str) -> None:
    """Boot a host that is off. Raise FleetError when it is running."""
    plan = state.read_plan(fleet)
    one = plan.host(name)
    if cgroup.pids(fleet, name):
        raise FleetError(f"host {name} of fleet {fleet} is running")
    network.plug(plan, one, "up")
    host.boot(fleet, name)


def down(fleet: str) -> list[str]:
    """Take the fleet down, whatever is left of it; return the names of what was removed, its own or none."""
    check_name("fleet", fleet)
    with _locked(fleet):
        if fleet not in state.names():
            return []
        _remove(fleet)

    return [fleet]


def down_stale() -> list[str]:
    """Take down every fleet whose owner is gone; return their names."""
    removed = []
    for fleet in state.names():
        with contextlib.suppress(BlockingIOError), _locked(fleet, wait=False):
            if owner.is_stale(owner.read(fleet)):
                _remove(fleet)
                removed.append(fleet)

    return removed


def _remove(fleet: str) -> None:
    known = owner.read(fleet)
    folder = Path(known.state) if known else paths.state(fleet)
    _close_connections(paths.runtime(fleet))
    cgroup.kill(fleet)
    network.remove(fleet)
    overlay.remove(folder)
    cgroup.remove(fleet)
    overlay.remove(paths.runtime(fleet))
    _forget_machines(fleet)


def _close_connections(runtime: Path) -> None:
    """End the shared ssh connections, which would hold the fleet's switch for another minute."""
    for entry in runtime.rglob("*") if runtime.is_dir() else ():
        if entry.is_socket() and entry.suffix != ".ready":
            shell.succeeds(["ssh", "-F", "none", "-o", f"ControlPath={entry}", "-O", "exit", "host"])
            entry.unlink(missing_ok=True)


def _forget_machines(fleet: str) -> None:
    """Remove what a killed nspawn leaves under /run: its propagation folders and the locks that nobody holds."""
    for folder in ("propagate", "unix-export"):
        for entry in (NSPAWN_RUNTIME / folder).glob(host.machine(fleet, "*")):
            overlay.remove(entry)
    for entry in (NSPAWN_RUNTIME / "locks").glob("*"):
        with contextlib.suppress(OSError), entry.open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            entry.unlink()


def _locked(fleet: str, wait: bool = True) -> contextlib.AbstractContextManager[None]:
    return locked(paths.runtime_root() / ".locks" / f"{fleet}.lock", wait)
