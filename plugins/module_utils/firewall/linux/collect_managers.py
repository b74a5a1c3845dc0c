# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading what manages rules on a Linux host, and what the next boot will load: files, units, and firewalld's answers.

Nothing is loaded, not even to check it: ``nft -c`` registers hooks and loads modules on the way.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator
from contextlib import suppress

from ...errors import CoreError, SourceDenied, SourceMissing
from ...host import Host
from ..reading import Reading, command
from .ufw import FILES as UFW_FILES
from .ufw import TOOLS

ENABLED, ACTIVE = "units enabled", "units active"
FIREWALLD, FIREWALLD_CONF = "firewalld.service", "/etc/firewalld/firewalld.conf"
NFTABLES = "nftables.service"
NFT_CONF, NFT_RUNS = "nftables.conf with its includes", "nft -s list ruleset"
SAVED = {family: (f"/etc/iptables/rules.v{family}", f"/etc/sysconfig/{tool}") for family, tool in TOOLS.items()}
HOOKS = "files that name iptables or nft"
PLUGINS = "/usr/share/netfilter-persistent/plugins.d"
FIREWALLD_ASKED = ("--list-all-zones", "--list-all-policies", "--direct --get-all-rules")
_LIST = ["--type=service", "--no-legend", "--no-pager", "--plain"]
_NFT_CONFS = ("/etc/nftables.conf", "/etc/sysconfig/nftables.conf")
_INCLUDE = re.compile(r'^[ \t]*include[ \t]+["\']([^"\']+)["\'].*$', re.MULTILINE)
_COMPARED = 8 << 20  # bytes of a listing
_TOO_LONG = f"more than {_COMPARED} bytes are not compared"
_INCLUDES = 64  # files that are followed, in all
# What else may run a command while the system starts, and a word that makes it a loader of rules.
_AT_BOOT = (
    *("/etc/rc.local", "/etc/network/interfaces", "/etc/crontab", "/var/spool/cron/crontabs/root"),
    *("/etc/network/interfaces.d/*", "/etc/network/if-pre-up.d/*", "/etc/network/if-up.d/*", "/etc/cron.d/*"),
    *("/etc/systemd/system/*.service", "/usr/local/lib/systemd/system/*.service"),
    *("/etc/NetworkManager/dispatcher.d/*", "/etc/networkd-dispatcher/routable.d/*"),
)
_LOADS = re.compile(r"^[^#\n]*\b(?:ip6?tables(?:-nft|-legacy)?(?:-restore)?|nft|ipset|firewall(?!/))\b", re.MULTILINE)


def collect_managers(host: Host) -> dict[str, Reading]:
    """Return what is stored and started, by path or question. Raise ToolTimeout when the time is used up."""
    paths = [*UFW_FILES, FIREWALLD_CONF, *(path for saved in SAVED.values() for path in saved)]
    found = {path: read_file(host, path) for path in paths}
    found[NFT_CONF] = _nft_conf(host)
    if not _has_systemd(host):
        return found
    found[ENABLED] = command(host, ["systemctl", "list-unit-files", "--state=enabled,generated", *_LIST])
    found[ACTIVE] = command(host, ["systemctl", "list-units", "--state=active", *_LIST])
    with suppress(SourceMissing):
        found[PLUGINS] = Reading(" ".join(host.entries(PLUGINS)))
    found[HOOKS] = Reading("\n".join(_hooks(host, found[ENABLED].text)))
    if host.is_admin() and FIREWALLD in found[ENABLED].text + found[ACTIVE].text:
        found.update(_firewalld(host))
    if host.is_admin() and NFTABLES in found[ENABLED].text + found[ACTIVE].text and host.which("nft") is not None:
        runs = command(host, NFT_RUNS.split())
        found[NFT_RUNS] = Reading(unavailable=f"{NFT_RUNS}: {_TOO_LONG}") if len(runs.text) > _COMPARED else runs
    return found


def read_file(host: Host, path: str) -> Reading:
    """Return a file, or why it cannot be read."""
    try:
        return Reading(host.read(path))
    except (SourceMissing, SourceDenied) as error:
        return Reading(unavailable=str(error))


def _has_systemd(host: Host) -> bool:
    try:
        host.entries("/run/systemd/system")
    except CoreError:
        return False
    return True


def _firewalld(host: Host) -> dict[str, Reading]:
    asked = [f"{stored}{question}" for question in FIREWALLD_ASKED for stored in ("", "--permanent ")]
    return {question: command(host, ["firewall-cmd", *question.split()]) for question in asked}


def _nft_conf(host: Host) -> Reading:
    """Return what nftables.service would load as one text, or why a part of it cannot be read."""
    for path in _NFT_CONFS:
        try:
            return Reading(_included(host, host.read(path), [path]))
        except SourceMissing as error:
            if error.source not in _NFT_CONFS:
                return Reading(unavailable=str(error))
        except CoreError as error:
            return Reading(unavailable=str(error))
    return Reading()


def _included(host: Host, text: str, followed: list[str]) -> str:
    """Given a text, return it with its includes in their places. Raise SourceMissing or SourceDenied."""

    def content(match: re.Match[str]) -> str:
        return "\n".join(
            _included(host, host.read(path), followed) for path in _fitting(host, match[1]) if _new(path, followed)
        )

    return _INCLUDE.sub(content, text)


def _new(path: str, followed: list[str]) -> bool:
    followed.append(path)
    if len(followed) > _INCLUDES:
        raise SourceDenied(path, f"more than {_INCLUDES} files are included")
    return True


def _fitting(host: Host, pattern: str) -> list[str]:
    """Given a path of which the last part may have wildcards, return the files; relative ones lie in /etc."""
    folder, _slash, name = (pattern if pattern.startswith("/") else f"/etc/{pattern}").rpartition("/")
    if not re.search(r"[*?\[]", name):
        return [f"{folder}/{name}"]
    try:
        return [f"{folder}/{entry}" for entry in sorted(fnmatch.filter(host.entries(folder), name))]
    except SourceMissing:
        return []


def _hooks(host: Host, enabled: str) -> Iterator[str]:
    """Return the files that may load rules while the system starts: units only where they are enabled."""
    for pattern in _AT_BOOT:
        paths: list[str] = []
        with suppress(SourceDenied):  # where rules are followed, it may be read: both need root
            paths = _fitting(host, pattern)
        for path in paths:
            name = path.rpartition("/")[2]
            if (not name.endswith(".service") or name in enabled) and _LOADS.search(read_file(host, path).text):
                yield path
