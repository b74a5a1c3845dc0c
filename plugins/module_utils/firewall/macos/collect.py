# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading pf, the application firewall and the network of a macOS host: the only I/O of this area there."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from ...errors import CoreError
from ...finding import EMPTY
from ...host import Host
from ..model.intervals import BITS
from ..reading import NOTHING_READ, Reading, command, complete
from ..scope import Places
from .pf import MAIN, is_enabled, parse_anchors

ALF_OPTIONS = ("--getglobalstate", "--getblockall", "--getallowsigned", "--getstealthmode", "--listapps")
NOT_ROOT = "pf shows its rules to root only, and this account is not root"
SOCKETFILTERFW = "/usr/libexec/ApplicationFirewall/socketfilterfw"
_FAMILIES = {4: "inet", 6: "inet6"}
# pfctl says so on every macOS, whose kernel has no queues; beside that it ends with 0 where the kernel refuses it the
# rules, and tells so on standard error alone (pfctl.c leaves out what pfctl_show_rules returns).
_NO_QUEUES = r"^(No ALTQ support in kernel|ALTQ related functions disabled)$"
_TABLE = re.compile(r"<([^<>\s]+)>")


class PfReadings(NamedTuple):
    """All that was read: ``rules`` and ``translations`` of pf by anchor, ``tables`` by anchor and name.

    ``alf`` is by option of socketfilterfw, ``routes`` by family. ``services`` are the names of ports.
    """

    info: Reading
    anchors: Reading = NOTHING_READ
    rules: Mapping[str, Reading] = EMPTY
    translations: Mapping[str, Reading] = EMPTY
    tables: Mapping[tuple[str, str], Reading] = EMPTY
    skipped: Reading = NOTHING_READ
    alf: Mapping[str, Reading] = EMPTY
    interfaces: Reading = NOTHING_READ
    routes: Mapping[int, Reading] = EMPTY
    ephemeral: Reading = NOTHING_READ
    services: Reading = NOTHING_READ


def collect(host: Host) -> PfReadings:
    """Return what this account may read of a macOS host's firewalls. Raise ToolTimeout when the time is used up."""
    info = _pfctl(host, ["-s", "info"]) if host.is_admin() else Reading(unavailable=NOT_ROOT)
    readings = PfReadings(
        info,
        alf={option: command(host, [SOCKETFILTERFW, option]) for option in ALF_OPTIONS},
        interfaces=complete(host, ["ifconfig", "-a"]),
        routes={family: complete(host, ["netstat", "-rnl", "-f", _FAMILIES[family]]) for family in BITS},
        ephemeral=command(host, ["sysctl", "-n", "net.inet.ip.portrange.first", "net.inet.ip.portrange.last"]),
    )
    return _with_pf(host, readings) if _is_on(info) else readings


def _pfctl(host: Host, words: Iterable[str]) -> Reading:
    return complete(host, ["pfctl", *words], _NO_QUEUES)


def _is_on(info: Reading) -> bool:
    """Return whether pf is known to be on: where it is off, nothing that it is loaded with counts."""
    try:
        return is_enabled(info.sure())
    except CoreError:
        return False


def _with_pf(host: Host, readings: PfReadings) -> PfReadings:
    # "pfctl -a '*' -sr" fails at wildcards on macOS, so anchors are asked for one by one
    anchors = _pfctl(host, ["-v", "-s", "Anchors"])
    names = [MAIN, *parse_anchors(anchors.text)]
    rules = {name: _pfctl(host, [*_in(name), "-s", "rules"]) for name in names}
    translations = {name: _pfctl(host, [*_in(name), "-s", "nat"]) for name in names}
    return readings._replace(
        anchors=anchors,
        rules=rules,
        translations=translations,
        tables=_tables(host, {name: rules[name].text + translations[name].text for name in names}),
        skipped=_pfctl(host, ["-v", "-s", "Interfaces"]),
        services=_file(host, "/etc/services"),
    )


def _in(anchor: str) -> list[str]:
    return ["-a", anchor] if anchor else []


def _tables(host: Host, texts: dict[str, str]) -> dict[tuple[str, str], Reading]:
    """Given the rules of each anchor, return the tables that they name: those of the anchor and the main ones."""
    asked = {(place, table) for name, text in texts.items() for table in _TABLE.findall(text) for place in (name, MAIN)}
    return {(name, table): _pfctl(host, [*_in(name), "-t", table, "-T", "show"]) for name, table in sorted(asked)}


def _file(host: Host, path: str) -> Reading:
    try:
        return Reading(host.read(path))
    except CoreError as error:
        return Reading(unavailable=str(error))


def collect_places(host: Host, pids: Collection[int]) -> Places:
    """Given processes, return for each where it works: its executable, the words of its command line, its folder."""
    if not pids:
        return {}
    asked = ",".join(map(str, sorted(pids)))
    places: dict[int, list[str]] = {pid: [] for pid in pids}
    for form in ("pid=,comm=", "pid=,args="):
        # ps and lsof end with 1 where one of the processes has ended meanwhile
        _note(places, command(host, ["ps", "-ww", "-o", form, "-p", asked], None).text.splitlines(), form)
    _note_folders(places, command(host, ["lsof", "-a", "-d", "cwd", "-Fn", "-p", asked], None).text.splitlines())
    return {pid: tuple(found) for pid, found in places.items()}


def _note(places: dict[int, list[str]], lines: Iterable[str], form: str) -> None:
    for line in lines:
        pid, _space, rest = line.strip().partition(" ")
        if pid.isdigit() and int(pid) in places:
            places[int(pid)] += [rest.strip()] if "comm" in form else rest.split()


def _note_folders(places: dict[int, list[str]], lines: Iterable[str]) -> None:
    """Lsof -F: a line of a letter and a value each; p begins a process, n is the name of the file."""
    pid = -1
    for line in lines:
        if line[:1] == "p" and line[1:].isdigit():
            pid = int(line[1:])
        elif line[:1] == "n" and pid in places:
            places[pid].append(line[1:])
