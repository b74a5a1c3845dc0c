# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading the packet filter, the routes and what manages them on a Linux host: the only I/O of this area there.

Nothing is changed, and nothing is loaded: the legacy tools are only asked about tables that the kernel says it has,
because asking for others would create them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Optional

from ...errors import CoreError, SourceDenied, SourceMissing
from ...host import Host
from ..model.intervals import BITS
from ..model.ruleset import LEGACY, XTABLES
from ..reading import Reading, command
from .collect_managers import collect_managers, read_file
from .nft import MOST, XTABLES_NAMES, Named, is_whole, needs_code, needs_iptables, needs_listing, read_listing
from .nft_kernel import (
    NETLINK_NETFILTER,
    RULES_REQUEST,
    TABLES_REQUEST,
    may_ask_for_frames,
    parse_tables,
    proves_absence,
)
from .stack import Readings, collect_stack

NO_TABLES = '{"nftables": []}'
NO_NFT = "nft is not installed"
NOT_ROOT = "the kernel shows its packet filter to root only, and this account is not root"
EPHEMERAL = "/proc/sys/net/ipv4/ip_local_port_range"
_LIST = ["nft", "-j", "list"]
_IPTABLES, _INET = {4: "iptables", 6: "ip6tables"}, ("ip", "ip6")
_LEGACY_NAMES = {4: "/proc/net/ip_tables_names", 6: "/proc/net/ip6_tables_names"}


def collect(host: Host) -> Readings:
    """Return what this account may read of a Linux host's packet filter. Raise ToolTimeout when the time is used up."""
    nft, listing, tables = _nft(host)
    legacy = {(LEGACY, family): reading for family in BITS for reading in _legacy(host, family)}
    saves = {**_nft_saves(host, nft), **legacy}
    return Readings(
        nft,
        saves,
        _ipsets(host, saves.values()),
        command(host, ["ip", "-j", "link", "show"]),
        {family: command(host, ["ip", "-j", f"-{family}", "route", "show", "table", "all"]) for family in BITS},
        read_file(host, EPHEMERAL),
        collect_managers(host),
        stack=collect_stack(host),
        listing=listing,
        tables=tables,
    )


def _nft(host: Host) -> tuple[Reading, Reading, tuple[Named, ...]]:
    """Return the rules of nftables as JSON, as text where the JSON leaves something out, and which tables there are.

    These the kernel itself is asked for, lest a broken answer be taken for the whole; where it is silent, the text.
    """
    if not host.is_admin():
        return Reading(unavailable=NOT_ROOT), Reading(), ()
    listed = command(host, [*_LIST, "ruleset"]) if host.which("nft") else Reading(unavailable=NO_NFT)
    if listed.unavailable:
        return _by_kernel(host, listed.unavailable), Reading(), ()
    tables, framed = _by_netlink(host, listed.text)
    if tables is not None and not framed and not needs_listing(listed.text):
        return listed, Reading(), tuple(tables)
    code = ["--debug=netlink"] if framed or needs_code(listed.text) else []
    listing = command(host, ["nft", "-t", *code, "list", "ruleset"])
    named = tuple(dict.fromkeys([*(tables or []), *read_listing(listing.text).flags]))
    return listed if is_whole(listed.text) else _table_by_table(host, listed, listing), listing, named


def _by_netlink(host: Host, text: str) -> tuple[Optional[list[Named]], bool]:
    """Given the JSON of the rules, return the tables that the kernel has, None where it does not say, and whether the
    code of the rules must be read for what nft hides.
    """
    tables = None
    try:
        tables = parse_tables(host.ask_kernel(NETLINK_NETFILTER, TABLES_REQUEST))
        read = bool(tables) and len(text) <= MOST
        return tables, read and may_ask_for_frames(host.ask_kernel(NETLINK_NETFILTER, RULES_REQUEST))
    except CoreError:
        return tables, True


def _table_by_table(host: Host, listed: Reading, listing: Reading) -> Reading:
    """Given JSON that ends in the middle, and the text of the rules, return the JSON of each table that is not dormant.

    1.0.6 may end it at the flags of a table (seen: exit code 0); one that ends so alone, too, is missed by the parser.
    """
    shown = read_listing(listing.text).flags
    if not shown and not listing.unavailable:
        return listed
    awake = [place for place, flags in shown.items() if "dormant" not in flags]
    asked = [command(host, [*_LIST, "table", *place]).text.strip() for place in awake]
    return Reading("\n".join([NO_TABLES, *filter(is_whole, asked)]), listing.unavailable)


def _by_kernel(host: Host, why: str) -> Reading:
    """Given why nft does not tell the rules, return what the kernel proves: that there are none, or iptables' alone."""
    try:
        tables = parse_tables(host.ask_kernel(NETLINK_NETFILTER, TABLES_REQUEST))
    except CoreError as error:
        if proves_absence(error):
            return Reading(NO_TABLES)
        return Reading(unavailable=f"{why}, and the kernel did not say which tables it has: {error}")
    others = [f"{family} {name}" for family, name in tables if family not in _INET or name not in XTABLES_NAMES]
    if others or (tables and why != NO_NFT):
        named = ", ".join(others) or "of iptables-nft"
        return Reading(unavailable=f"{why}, and the kernel has the nf_tables tables {named}")
    # the marker that iptables-nft wrote rules makes iptables-nft-save be asked for them
    return Reading('{"nftables": [], "xt": null}' if tables else NO_TABLES)


def _nft_saves(host: Host, nft: Reading) -> dict[tuple[str, int], Reading]:
    if not needs_iptables(nft.text):
        return {}
    return {(XTABLES, family): _save(host, family, XTABLES) for family in BITS}


def _legacy(host: Host, family: int) -> Iterable[Reading]:
    """Given a family, return its legacy tables, or nothing where the kernel says that there are none."""
    if not host.is_admin():
        return
    try:
        names = host.read(_LEGACY_NAMES[family]).split()
    except SourceMissing:  # the kernel has no such tables at all
        return
    except SourceDenied as error:
        yield Reading(unavailable=str(error))
        return
    if names:
        yield _save(host, family, LEGACY)


def _save(host: Host, family: int, backend: str) -> Reading:
    """Given a family and a back end, return what its save command prints; the plain name may be either's."""
    suffix = "legacy" if backend == LEGACY else "nft"
    for tool in (f"{_IPTABLES[family]}-{suffix}-save", f"{_IPTABLES[family]}-save"):
        if host.which(tool) and (
            suffix in tool or ("nf_tables" in command(host, [tool, "--version"]).text) == (backend == XTABLES)
        ):
            return command(host, [tool])
    tool = f"{_IPTABLES[family]}-{suffix}-save"
    return Reading(unavailable=f"the kernel has {backend} tables of IPv{family}, and {tool} is not installed")


def _is_of(host: Host, tool: str, backend: str) -> bool:
    return ("nf_tables" in command(host, [tool, "--version"]).text) == (backend == XTABLES)


def _ipsets(host: Host, saves: Iterable[Reading]) -> Reading:
    return command(host, ["ipset", "save"]) if any("--match-set" in save.text for save in saves) else Reading()


def collect_places(host: Host, pids: Collection[int]) -> dict[int, tuple[str, ...]]:
    """Given processes, return for each where it works: its executable, its working folder, its command line's words."""
    return {pid: tuple(_places(host, pid)) for pid in pids}


def _places(host: Host, pid: int) -> Iterable[str]:
    try:
        yield from (host.link(f"/proc/{pid}/{name}") for name in ("exe", "cwd"))
        yield from host.read(f"/proc/{pid}/cmdline").split("\0")
    except (SourceMissing, SourceDenied):  # it ended, or is somebody else's
        return
