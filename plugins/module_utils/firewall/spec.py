# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of firewall_audit, as data. ``POLICY`` is the shape of the inventory's cryptobot_firewall_policy."""

from __future__ import annotations

from typing import Any

from ..options import common_options

POLICY: dict[str, Any] = {
    "port": {"type": "str", "required": True},
    "proto": {"type": "str", "choices": ["tcp", "udp"], "default": "tcp"},
    "from": {"type": "list", "elements": "str", "required": True},
    "service": {"type": "str"},
    "why": {"type": "str"},
    "owner": {"type": "str"},
    "expires": {"type": "str"},
    "required": {"type": "bool", "default": True},
}

# PostgreSQL, Redis, Kafka, Elasticsearch, Kibana, Prometheus, Alertmanager, and the exporters for hosts, Redis and
# PostgreSQL: the ports of Cryptobot's surroundings that its documents call internal.
INTERNAL_PORTS = [5432, 6379, 9092, 9200, 5601, 9090, 9093, 9100, 9121, 9187]

SPEC: dict[str, Any] = {
    **common_options(60),
    "policy": {"type": "list", "elements": "dict", "options": POLICY, "default": []},
    "scope": {"type": "str", "choices": ["all", "policy"], "default": "all"},
    "own_paths": {"type": "list", "elements": "path", "default": []},
    "own_units": {"type": "list", "elements": "str", "default": ["cryptobot*"]},
    "own_users": {"type": "list", "elements": "str", "default": ["cryptobot"]},
    "require_filter": {"type": "bool", "default": True},
    "internal_ports": {"type": "list", "elements": "int", "default": INTERNAL_PORTS},
    "limit": {"type": "int", "default": 500},
}
