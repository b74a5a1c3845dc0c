# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is kept of a Linux host's firewall before a change: the kernel's rules table by table, files, units, sysctls.

It counts only where it was tried: the rules are loaded in an empty network namespace, and must be listed there as here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ..errors import CoreError, SourceMissing, ToolMissing
from ..host import Host
from ..process import plain_environment
from ..publish import publish_file
from . import FIREWALLD, NFTABLES, UFW, firewalld, nftables, ufw
from .declared import Refused
from .linux import runs_systemd

IPTABLES = frozenset({"raw", "mangle", "nat", "filter", "security"})
NATIVE, BY_IPTABLES = "nft", "iptables"
PROGRAMS = ("sh", "nft", "tar", "flock", "unshare", "ip", "cmp", "sed")
_COUNTERS = re.compile(r"^#.*\n|\[\d+:\d+\]", re.M)


class Parts(NamedTuple):
    """What one manager has outside of the kernel."""

    paths: tuple[str, ...]
    unit: str
    sysctls: str = ""


PARTS = {
    UFW: Parts(ufw.PATHS, ufw.UNIT, ufw.SYSCTL),
    FIREWALLD: Parts(firewalld.PATHS, firewalld.UNIT),
    NFTABLES: Parts((*nftables.MAINS, nftables.FOLDER), nftables.UNIT),
}


def require_programs(host: Host) -> None:
    """Raise Refused where something is missing that a rollback needs."""
    missing = [name for name in PROGRAMS if host.which(name) is None]
    if missing:
        raise Refused(f"what would restore the rules is not on this host: {', '.join(missing)}")


def keep(host: Host, folder: Path, manager: str) -> None:
    """Write into a folder what a rollback restores. Raise CoreError where that would not be exactly what is there."""
    parts = PARTS[manager]
    _write(folder, "links", "".join(f"{name}\n" for name in host.entries("/sys/class/net") if name != "lo"))
    _keep_files(host, folder, parts.paths)
    _write(folder, "units", _unit_line(host, parts.unit))
    _write(folder, "sysctl", "".join(_sysctls(host, parts.sysctls)))
    _keep_sets(host, folder)
    for family, number in (("ip", 4), ("ip6", 6)):
        _keep_legacy(host, folder, family, number)
    said = ""
    for ways in ((BY_IPTABLES, NATIVE), (NATIVE,)):
        _keep_tables(host, folder, ways)
        said = rehearse(host, folder)
        if not said:
            return
    raise Refused(f"the rules of this host could not be restored exactly, so they are not changed: {said}")


def rehearse(host: Host, folder: Path) -> str:
    """Load what is kept in an empty network namespace; return what differs there, empty where nothing does."""
    script, name = folder.parent / "rollback.sh", folder.name.partition("-")[2]
    argv = ["unshare", "--net", "sh", str(script), str(folder.parent), name, "rehearse"]
    done = host.run(argv, expect=None, env={"PATH": plain_environment(None)["PATH"]})
    if not done.rc:
        return ""
    said = [line for line in done.stderr.splitlines() if line.strip(" \t^~")]
    return "; ".join(said[:3]) or "they are listed otherwise after they were loaded"


def _write(folder: Path, name: str, text: str) -> None:
    publish_file(folder / name, text.encode())


def _keep_files(host: Host, folder: Path, paths: Sequence[str]) -> None:
    there = [path for path in paths if os.path.lexists(path)]
    _write(folder, "absent", "".join(f"{path}\n" for path in paths if path not in there))
    if there:
        relative = [path.lstrip("/") for path in there]
        host.run(["tar", "-C", "/", "-cpf", str(folder / "files.tar"), *relative])
        os.chmod(folder / "files.tar", 0o600)


def _unit_line(host: Host, unit: str) -> str:
    """Return a unit with whether it is started at boot and runs now; nothing where there is no such unit."""
    if not runs_systemd(host):
        return ""
    enabled = host.run(["systemctl", "is-enabled", unit], expect=None).stdout.strip()
    active = host.run(["systemctl", "is-active", unit], expect=None).stdout.strip()
    return f"{unit} {enabled[:-1]} {active or 'unknown'}\n" if enabled in ("enabled", "disabled") else ""


def _sysctls(host: Host, path: str) -> Iterator[str]:
    """Yield what the kernel has of the settings that a manager's file would change."""
    with suppress(SourceMissing):
        for line in host.read(path).splitlines() if path else ():
            name, equals, _value = line.strip().partition("=")
            if equals and not name.startswith(("#", ";")):
                key = name.strip().replace("/", ".")
                with suppress(CoreError):
                    yield f"{key} = {host.read('/proc/sys/' + name.strip().replace('.', '/'), 4096).strip()}\n"


def _keep_sets(host: Host, folder: Path) -> None:
    try:
        _write(folder, "sets", host.run(["ipset", "save"], expect=None).stdout)
    except ToolMissing:
        _write(folder, "sets", "")


def _keep_legacy(host: Host, folder: Path, family: str, number: int) -> None:
    """Keep the tables of iptables-legacy, where any is in use: to ask for one would bring it into use."""
    with suppress(SourceMissing):
        if host.read(f"/proc/net/{family}_tables_names", 4096).strip():
            tool = "iptables" if number == 4 else "ip6tables"
            text = host.run([f"{tool}-legacy-save", "-c"]).stdout
            _write(folder, f"legacy{number}", text)
            _write(folder, f"legacy{number}.list", _COUNTERS.sub("", host.run([f"{tool}-legacy-save"]).stdout))


def _keep_tables(host: Host, folder: Path, ways: Sequence[str]) -> None:
    lines = []
    listed = host.run(["nft", "list", "tables"]).stdout.splitlines()
    for number, (family, name) in enumerate(line.split()[1:3] for line in listed):
        way = BY_IPTABLES if family in ("ip", "ip6") and name in IPTABLES and BY_IPTABLES in ways else NATIVE
        listing = host.run(["nft", "-s", "list", "table", family, name]).stdout
        text = in_order(_saved(host, family, name), listing) if way == BY_IPTABLES else ""
        way = way if text else NATIVE
        if way == NATIVE and _has_modules(host, family, name):
            raise Refused(f"the table {family} {name} could not be restored exactly: it has rules of iptables' modules")
        _write(folder, f"{number}.list", listing)
        _write(folder, f"{number}.nft", text or host.run(["nft", "list", "table", family, name]).stdout)
        lines.append(f"{number} {family} {name} {way}\n")
    _write(folder, "index", "".join(lines))


def _has_modules(host: Host, family: str, name: str) -> bool:
    """Return whether a table has what nft only translates: loaded from its listing it would be something else."""
    if family in ("inet", "netdev"):
        return False
    return '"xt":' in host.run(["nft", "-j", "list", "table", family, name]).stdout


def in_order(saved: str, listing: str) -> str:
    """Given what iptables would restore a table from, and nft's listing of it, return it with the chains made in the
    listing's order: iptables sorts them, and names some that are not there. Empty where it does not have them all.
    """
    chains = {line[1:].split()[0]: line for line in saved.splitlines() if line.startswith(":")}
    order = re.findall(r"^\tchain (\S+) {$", listing, re.M)
    rest = [line for line in saved.splitlines() if line and line[0] not in ":#*"]
    table = [line for line in saved.splitlines() if line.startswith("*")]
    if not set(order) <= set(chains) or len(table) != 1:
        return ""
    return "\n".join([*table, *(chains[name] for name in order), *rest, ""])


def _saved(host: Host, family: str, name: str) -> str:
    """Return what iptables would restore a table from; empty where it cannot."""
    tool = "iptables-nft-save" if family == "ip" else "ip6tables-nft-save"
    try:
        return host.run([tool, "-c", "-t", name]).stdout
    except CoreError:
        return ""
