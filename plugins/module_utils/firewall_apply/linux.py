# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a Linux host is asked before its firewall is changed: who has the rules, and whom it must not lock out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

from ..errors import CoreError, SourceMissing
from ..host import Host
from ..sockets.linux import MAX_TABLE, parse_connections
from ..sockets.model import Ends, plain
from . import FIREWALLD, NFTABLES, UFW
from .declared import Peer, Refused

UFW_CONF = "/etc/ufw/ufw.conf"
UNITS = {FIREWALLD: "firewalld.service", NFTABLES: "nftables.service"}
OTHERS = ("netfilter-persistent.service", "iptables.service", "ip6tables.service", "ferm.service", "shorewall.service")
PROGRAMS = {UFW: "ufw", FIREWALLD: "firewall-cmd", NFTABLES: "nft"}
SYSTEMD = "/run/systemd/system"
ANCESTORS = 40


def setting(text: str, name: str) -> str:
    """Given a file of NAME=value lines, return a value, unquoted and in lower case; empty where it is not there."""
    lines = [line.partition("=")[2] for line in text.splitlines() if line.partition("=")[0].strip() == name]
    return lines[-1].strip().strip("\"'").lower() if lines else ""


def runs_systemd(host: Host) -> bool:
    """Return whether systemd is the first process of the host (sd_booted(3))."""
    with suppress(CoreError):
        host.entries(SYSTEMD)
        return True
    return False


def is_enabled(host: Host, unit: str) -> bool:
    """Return whether systemd starts a unit at boot, or runs it now."""
    if not runs_systemd(host):
        return False
    said = [host.run(["systemctl", word, unit], expect=None).stdout.strip() for word in ("is-enabled", "is-active")]
    return said[0] in ("enabled", "enabled-runtime") or said[1] == "active"


def starts_at_boot(host: Host, unit: str) -> bool:
    """Return whether a unit is started at boot; without systemd nobody knows, and nothing can be done about it."""
    if not runs_systemd(host):
        return True
    return host.run(["systemctl", "is-enabled", unit], expect=None).stdout.strip() in ("enabled", "alias")


def choose_manager(host: Host, wanted: str) -> str:
    """Given what the inventory says, return which program has the rules of this host. Raise Refused."""
    enabled = list(_enabled(host))
    if len(enabled) > 1:
        raise Refused(f"{' and '.join(enabled)} are both enabled; expected one of them, so that one has the rules")
    manager = wanted if wanted != "auto" else "".join(enabled)
    if not manager:
        raise Refused("none of ufw, firewalld and nftables is enabled; say which by cryptobot_firewall_manager")
    if manager not in PROGRAMS:
        raise Refused(f"the manager is {manager}, expected one of {', '.join(PROGRAMS)}: this is a Linux host")
    if enabled and enabled != [manager]:
        raise Refused(f"the manager is {manager}, but {enabled[0]} is enabled; disable it, or name it")
    if host.which(PROGRAMS[manager]) is None:
        raise Refused(f"the manager is {manager}, but the command {PROGRAMS[manager]} is not on this host")
    return manager


def _enabled(host: Host) -> Iterator[str]:
    with suppress(SourceMissing):
        if setting(host.read(UFW_CONF), "ENABLED") == "yes":
            yield UFW
    yield from (manager for manager, unit in UNITS.items() if is_enabled(host, unit))
    yield from (unit for unit in OTHERS if is_enabled(host, unit))


def management(host: Host) -> Peer:
    """Return the ssh connection that this runs in. Raise Refused where there is none to keep."""
    said = next(_said_by_ssh(host), "")
    words = said.split()
    if len(words) != 4 or not (words[1].isdigit() and words[3].isdigit()):
        raise Refused(
            "the connection that this came by cannot be seen (no SSH_CONNECTION), so it could not be kept; expected "
            "to come by ssh"
        )
    peer = Peer(plain(words[0]), int(words[1]), int(words[3]))
    if not _is_there(host, Ends(plain(words[2]), peer.own_port, peer.address, peer.port)):
        raise Refused(f"the connection from {peer} is not among those of the kernel, so it is not the present one")
    return peer


def _said_by_ssh(host: Host) -> Iterator[str]:
    """Yield what sshd told this process and those above it: sudo takes it out of the environment, theirs has it."""
    if os.environ.get("SSH_CONNECTION"):
        yield os.environ["SSH_CONNECTION"]
    pid = "self"
    for _step in range(ANCESTORS):
        try:
            words = host.read(f"/proc/{pid}/environ").split("\0")
            pid = host.read(f"/proc/{pid}/stat").rsplit(")", 1)[1].split()[1]
        except CoreError:
            return
        yield from (word.partition("=")[2] for word in words if word.startswith("SSH_CONNECTION="))
        if pid in ("0", "1"):
            return


def _is_there(host: Host, ends: Ends) -> bool:
    for family, path in ((4, "/proc/net/tcp"), (6, "/proc/net/tcp6")):
        with suppress(SourceMissing):  # a kernel without IPv6
            if parse_connections(family, host.read(path, MAX_TABLE), {ends}):
                return True
    return False
