# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Audits made for tests of the rules, from small rulesets, sockets and entries of the policy."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, Optional

from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import Finding
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.context import (
    Context,
    Inputs,
    build_context,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.listeners import listeners_of
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.network import Network
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.ruleset import Ruleset
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.policy import parse_policy
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.run import RULES
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.snapshot import Boot, Manager, Snapshot
from ansible_collections.cryptobot.maintenance.plugins.module_utils.sockets.model import Socket

from .small import HOST, filter_table, ruleset

ESTABLISHED = "-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT"
DENY = ruleset(
    filter_table("-A INPUT -i lo -j ACCEPT", ESTABLISHED), filter_table("-A INPUT -i lo -j ACCEPT", ESTABLISHED)
)
NOT_SEEN = Ruleset((), {4: ("not root",), 6: ("not root",)})
MAYBE = "-m time --timestart 08:00"
OPEN_ALL = Ruleset()


def opening(*rules: str) -> Ruleset:
    """Return rules that deny by default, but for established connections and some rules, in both families."""
    text = filter_table(ESTABLISHED, *(f"-A INPUT {rule}" for rule in rules))
    return ruleset(text, text)


def socket(address: str = "0.0.0.0", port: int = 8000, proto: str = "tcp", **values: Any) -> Socket:
    return Socket(proto, 6 if ":" in address else 4, address, port, 1, 0, **values)


def allow(port: int = 8000, *sources: str, **values: Any) -> dict[str, Any]:
    return {"port": str(port), "proto": "tcp", "from": list(sources or ("any",)), **values}


def audit(
    rules: Ruleset = DENY,
    sockets: Sequence[Socket] = (),
    policy: Sequence[dict[str, Any]] = (),
    *,
    network: Network = HOST,
    managers: tuple[Manager, ...] = (),
    boot: tuple[Boot, ...] = (),
    unavailable: Optional[dict[str, str]] = None,
    **wanted: Any,
) -> Context:
    asked = Inputs(parse_policy(policy), dt.date(2026, 11, 22), internal_ports=frozenset([5432]))
    facts = Snapshot(rules, network, managers, (32768, 60999), {}, boot=boot)
    return build_context(asked._replace(**wanted), facts, listeners_of(sockets), unavailable or {})


def found(made: Context, check: str) -> list[tuple[str, str]]:
    return [(finding.status, finding.subject) for finding in RULES.judge(made) if finding.check == f"firewall.{check}"]


def only(made: Context, check: str) -> Finding:
    (finding,) = [finding for finding in RULES.judge(made) if finding.check == f"firewall.{check}"]
    return finding
