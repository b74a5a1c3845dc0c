# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables of many hosts: those that are the same for several hosts are looked at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import UNKNOWN
from ansible_collections.cryptobot.maintenance.plugins.module_utils.seam import safe

from .checks import CHECKS
from .names import is_own, known_by_its_end
from .reading import is_endless, without_endless
from .variables import Said, texts

_TEMPLATE = re.compile(r"\{\{|\{%")
_NAMED = 3
_EVERYTHING = frozenset({"vars", "varnames", "hostvars"})  # what a template can reach any variable by


class Alike(NamedTuple):
    """Hosts whose variables say the same, the variables of the first, its platform, and those without an end."""

    hosts: tuple[str, ...]
    raw: Mapping[str, Any]
    platform: str
    endless: tuple[Said, ...] = ()


def platform_of(group_names: Iterable[str]) -> str:
    """Given a host's groups, return its platform: a host in neither of the others' groups runs Linux."""
    groups = set(group_names)
    return "windows" if "windows" in groups else "darwin" if "macos" in groups else "linux"


def alike(variables: Mapping[str, Mapping[str, Any]]) -> list[Alike]:
    """Given the variables of each host as they are written, return the hosts in groups that are alike."""
    found: dict[str, tuple[Alike, list[str]]] = {}
    for host, given in variables.items():
        raw, endless = without_endless(given)
        platform = platform_of(raw.get("group_names") or ())
        key = f"{platform} {_fingerprint(host, raw)} {endless}"
        found.setdefault(key, (Alike((), raw, platform, tuple(endless)), []))[1].append(host)
    return [group._replace(hosts=tuple(names)) for group, names in found.values()]


def own(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return the variables that are this collection's, or would be but for a slip of the hand."""
    return {name: raw[name] for name in raw if is_own(name) or known_by_its_end(name)}


def _fingerprint(host: str, raw: Mapping[str, Any]) -> str:
    """As `fingerprint`; a host whose values nobody foresaw is like no other."""
    try:
        return fingerprint(host, raw)
    except Exception:  # noqa: BLE001 - the look at this one host says what it is
        return host


def fingerprint(host: str, raw: Mapping[str, Any]) -> str:
    """Return a text that is the same for two hosts only where their variables have the same values: the variables as
    they are written, and all that their templates name.
    """
    wanted, seen = list(own(raw)), {}
    while wanted:
        name = wanted.pop()
        if name in seen:
            continue
        if is_endless(raw[name]):
            return host
        seen[name] = raw[name]
        words = {
            word for text in texts(raw[name]) if _TEMPLATE.search(text) for word in re.findall(r"[A-Za-z_]\w*", text)
        }
        if words & _EVERYTHING:
            return host
        wanted += [word for word in words if word in raw and word != "groups"]
    return repr(sorted(seen.items(), key=lambda item: item[0]))


class Line(NamedTuple):
    """A mistake and the hosts that have it."""

    said: Said
    hosts: tuple[str, ...]

    def __str__(self) -> str:
        named = self.hosts if len(self.hosts) <= _NAMED + 1 else self.hosts[:_NAMED]  # "1 more" would only hide a name
        more = len(self.hosts) - len(named)
        names = ", ".join(named) + (f" and {more} more hosts" if more else "")
        return safe(f"{names}: {self.said.mistake}")


def lines_of(found: Sequence[tuple[Alike, Sequence[Said]]]) -> list[Line]:
    """Given the mistakes of each group, return a line for each, with all hosts that have it."""
    hosts: dict[Said, list[str]] = {}
    for group, said in found:
        for each in said:
            hosts.setdefault(each, []).extend(group.hosts)
    return by_said(hosts)


def by_said(hosts: Mapping[Said, Iterable[str]]) -> list[Line]:
    """Given the hosts of each mistake, return the lines."""
    return [Line(said, tuple(names)) for said, names in hosts.items()]


def answers(lines: Sequence[Line], asked: Sequence[str], *, stop: bool) -> dict[str, dict[str, Any]]:
    """Given the lines that count and the hosts, return by host what the report is to say of those that are left out."""
    wrong = {host for line in lines for host in line.hosts}
    found = {host: _answer(_findings(host, lines)) for host in asked if host in wrong}
    if stop and wrong:
        text = (
            f"left out: the variables of {count(len(wrong), 'other host')} are wrong, and cryptobot_on_mistake is stop"
        )
        aside = CHECKS["run.inventory"].finding(UNKNOWN, "variables", text).as_dict()
        found.update({host: _answer([aside]) for host in asked if host not in wrong})
    return found


def count(number: int, thing: str) -> str:
    """Return a number of things in words."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _findings(host: str, lines: Sequence[Line]) -> Iterator[dict[str, Any]]:
    check = CHECKS["run.inventory"]
    for line in lines:
        if host in line.hosts:
            mistake = line.said.mistake
            yield check.finding(
                UNKNOWN, mistake.place, str(mistake), expected=mistake.expected, actual=mistake.value or None
            ).as_dict()


def _answer(findings: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return {"status": UNKNOWN, "changed": False, "left_out": True, "findings": list(findings)}


def nowhere(pattern: str) -> dict[str, dict[str, Any]]:
    """Given a pattern that no host fits, return what the report is to say."""
    text = f"no host to work on: {pattern!r} fits none of the hosts of this run"
    return {pattern: _answer([CHECKS["run.inventory"].finding(UNKNOWN, "hosts", text, expected="a host").as_dict()])}
