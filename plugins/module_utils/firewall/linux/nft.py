# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What ``nft -j list ruleset`` prints, as tables (format: libnftables-json(5); nft 0.9.8 to 1.1 are recorded)."""

from __future__ import annotations

import json
import re
from typing import Any

from ...errors import ParseError
from ..model.ruleset import ACCEPT, DROP, INGRESS, NFT, UNKNOWN, Chain, Doubt, FilterRule, Table, Verdict
from .nft_statements import NOT_SHOWN, read_rule

SOURCE = "nft -j list ruleset"
_SHOWN = 200  # characters of a rule that could not be read

# Seen to print the limits that go with elements added by rules: 1.0.6 does, 0.9.8 does not.
_TELLS_LIMITS = (1, 0, 6)
# Up to 1.0.6 the JSON does not say which device a chain at ingress sits on.
_SOME_DEVICE = Doubt("the packet comes by a device of this chain, which nft does not tell")

# What reading JSON of another form than expected can raise.
_OTHER_FORM = (ValueError, KeyError, TypeError, AttributeError, IndexError, StopIteration, RecursionError)

Key = tuple[str, str]  # family and name of a table
Version = tuple[int, ...]


def parse_nft(text: str) -> tuple[Table, ...]:
    """Given the JSON of a ruleset, return its tables. Raise ParseError where it is of another form."""
    try:
        entries = json.loads(text)["nftables"]
        drafts: dict[Key, dict[str, Any]] = {}
        for entry in entries:
            _collect(drafts, entry)
        version = _version(entries)
        return tuple(_table(key, draft, version) for key, draft in drafts.items())
    except _OTHER_FORM as error:
        raise ParseError(SOURCE, 1, text, f"not the JSON of a ruleset ({error!r})") from error


def _version(entries: list[Any]) -> Version:
    """Return the version of nft that printed the entries; the lowest where it does not say."""
    text = next((entry["metainfo"].get("version", "") for entry in entries if "metainfo" in entry), "")
    return tuple(int(part) for part in re.findall(r"\d+", text))


def _collect(drafts: dict[Key, dict[str, Any]], entry: dict[str, Any]) -> None:
    """Given one entry of the list, put it where it belongs. Kinds that decide nothing are left out."""
    kind, body = next(iter(entry.items()))
    if kind == "table":
        drafts[body["family"], body["name"]] = {"chains": {}, "sets": {}, "rules": {}}
    elif kind == "chain":
        draft = drafts[body["family"], body["table"]]
        draft["chains"][body["name"]] = body
    elif kind in ("set", "map"):
        drafts[body["family"], body["table"]]["sets"][body["name"]] = body.get("elem", [])
    elif kind == "rule":
        draft = drafts[body["family"], body["table"]]
        draft["rules"].setdefault(body["chain"], []).append(body)


def _table(key: Key, draft: dict[str, Any], version: Version) -> Table:
    family, name = key
    chains = {}
    for chain, body in draft["chains"].items():
        rules = [rule for raw in draft["rules"].get(chain, ()) for rule in _rules(raw, draft["sets"], version)]
        chains[chain] = _chain(body, rules)
    return Table(NFT, family, name, chains)


def _rules(raw: dict[str, Any], sets: dict[str, Any], version: Version) -> list[FilterRule]:
    where = f"{raw['family']} {raw['table']} {raw['chain']} handle {raw['handle']}"
    try:
        statements = [_with_gaps(statement, version) for statement in raw.get("expr", [])]
        return read_rule(where, statements, sets)
    except _OTHER_FORM:
        # one rule of another form must not hide the others: what it does is unknown, and it says so
        text = str(raw.get("expr"))[:_SHOWN]
        return [FilterRule(where, text, (Doubt(text),), (), Verdict(UNKNOWN))]


def _with_gaps(statement: dict[str, Any], version: Version) -> dict[str, Any]:
    """Given a statement, return it with a mark where this version of nft leaves out the limit of set elements."""
    if "set" not in statement or version >= _TELLS_LIMITS:
        return statement
    return {"set": {**statement["set"], "stmt": [{NOT_SHOWN: "whether a limit goes with the element"}]}}


def _chain(body: dict[str, Any], rules: list[FilterRule]) -> Chain:
    hook, policy, devices = body.get("hook", ""), body.get("policy", ACCEPT), body.get("dev", ())
    priority = int(body.get("prio", 0))
    if policy not in (ACCEPT, DROP):
        raise ValueError(f"the policy {policy!r} of a chain")
    if hook == INGRESS and not devices:
        rules = [rule._replace(tests=(_SOME_DEVICE, *rule.tests)) for rule in rules]
        rules += [FilterRule(body["name"], f"policy {policy}", (_SOME_DEVICE,), (), Verdict(policy))]
        policy = ACCEPT
    names = (devices,) if isinstance(devices, str) else tuple(devices)
    return Chain(body["name"], tuple(rules), hook, priority, policy, names, body.get("type") == "nat")


def needs_iptables(text: str) -> bool:
    """Given the JSON of a ruleset, return whether iptables-nft wrote rules that only iptables-nft-save spells out."""
    return '"xt"' in text
