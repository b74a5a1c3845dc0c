# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answer questions from stdin by the model, with the rules that this namespace has: what becomes of a packet?

A question is [protocol, port, source, [target, interface]].
"""

from __future__ import annotations

import ipaddress
import json
import sys

from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.linux.collect import collect
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.linux.parse import parse
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.choices import USUAL_SOURCE_PORT
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.evaluate import Evaluator
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.intervals import spanning
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.packet import (
    LOOPBACK,
    TCP,
    UDP,
    Packet,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import LinuxHost

PROTOCOLS = {"tcp": TCP, "udp": UDP}


def answer(evaluator: Evaluator, proto: str, port: int, source: str, way: tuple[str, str]) -> str:
    """Return what becomes of a packet from one source: ``way`` is the address it is sent to and the interface."""
    target = ipaddress.ip_address(way[0])
    packet = Packet(target.version, PROTOCOLS[proto], int(target), port, USUAL_SOURCE_PORT, way[1])
    number = int(ipaddress.ip_address(source))
    inside = way[1] == LOOPBACK
    (piece,) = (evaluator.exchange(packet, number),) if inside else evaluator.connect(packet, spanning(number, number))
    return piece.verdict


def main() -> None:
    """Answer all questions."""
    facts = parse(collect(LinuxHost(60)))
    evaluator = Evaluator(facts.ruleset, facts.network.local)
    print(json.dumps([answer(evaluator, *question) for question in json.load(sys.stdin)]))


if __name__ == "__main__":
    main()
