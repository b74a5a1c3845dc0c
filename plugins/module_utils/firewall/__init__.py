# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which ports are open, and to whom. POLICY is the shape of cryptobot_firewall_policy."""

from __future__ import annotations

from typing import Any

from ..options import EXCEPTION, common_options, option
from ..registry import declare

POLICY: dict[str, Any] = {
    "port": option(
        "str",
        "Port, or range of ports such as V(8000-8004). Of a range each port that is served must be reachable.",
        required=True,
    ),
    "proto": option("str", "Protocol of the port.", choices=["tcp", "udp"], default="tcp"),
    "from": option(
        "list of str",
        "Who may reach it. V(any), V(loopback), or networks of IPv4 or IPv6 such as V(10.0.0.0/8).",
        required=True,
    ),
    "service": option("str", "Name of the service, for the report."),
    "why": option("str", "Reason of the entry."),
    "owner": option("str", "Who answers for the entry."),
    "expires": option(
        "str",
        (
            "Last day of the entry, such as V(2027-06-30), in UTC. After it the entry allows nothing any more, and is "
            "a finding itself."
        ),
    ),
    "required": option(
        "bool", "Whether the port must be served and be reachable. If not, the entry only allows it.", default=True
    ),
}

# PostgreSQL, Redis, Kafka, Elasticsearch, Kibana, Prometheus, Alertmanager, and the exporters for hosts, Redis and
# PostgreSQL: the ports of Cryptobot's surroundings that its documents call internal.
INTERNAL_PORTS = [5432, 6379, 9092, 9200, 5601, 9090, 9093, 9100, 9121, 9187]

SPEC: dict[str, Any] = {
    "policy": option(
        "list of dict",
        (
            "All that may be reached, in the shape of the inventory variable C(cryptobot_firewall_policy). What it "
            "does not name may be reached from the host itself only."
        ),
        default=[],
        options=POLICY,
        variable="cryptobot_firewall_policy",
    ),
    "scope": option(
        "str",
        [
            "V(all) looks at every listening socket of the host.",
            (
                "V(policy) looks only at sockets of ports that O(policy) names, and at those of Cryptobot's own "
                "processes, which O(own_paths), O(own_units) and O(own_users) tell from others. It suits a host that "
                "has other masters too."
            ),
        ],
        choices=["all", "policy"],
        default="all",
        variable="cryptobot_firewall_scope",
    ),
    "own_paths": option(
        "list of path",
        (
            "Folders of Cryptobot. A process whose executable, working folder or a word of its command line lies in "
            "one of them is Cryptobot's own. Windows does not say in which folder a process works. Used with "
            "O(scope=policy)."
        ),
        default=[],
    ),
    "own_units": option(
        "list of str",
        (
            "Shell patterns of systemd units, Windows services (in any case) and launchd labels that are Cryptobot's "
            "own. Of a label such as C(com.cryptobot.auth) what stands behind a dot counts as well. Used with "
            "O(scope=policy)."
        ),
        default=["cryptobot*"],
    ),
    "own_users": option(
        "list of str",
        (
            "Accounts whose sockets are Cryptobot's own, on Windows in any case and without their domain. Used with "
            "O(scope=policy)."
        ),
        default=["cryptobot"],
    ),
    "require_filter": option(
        "bool",
        (
            "Whether this host itself must filter what comes in. If not (a network firewall does it), a filter that is "
            "absent or lets everything through is reported as V(skipped). What is open beyond the policy stays "
            "V(critical)."
        ),
        default=True,
        variable="cryptobot_firewall_required",
    ),
    "internal_ports": option(
        "list of int",
        "TCP ports of services that must not be reachable from everywhere, whatever O(policy) says.",
        default=INTERNAL_PORTS,
    ),
    "exceptions": option(
        "list of dict",
        [
            (
                "Findings that somebody answers for until a day, in the shape of the inventory variable "
                "C(cryptobot_firewall_exceptions). They are V(skipped), with who, why and until when."
            ),
            "One that has expired excuses nothing and is a finding itself. One that nothing is found for is named.",
        ],
        default=[],
        options=EXCEPTION,
        variable="cryptobot_firewall_exceptions",
    ),
    "baseline": option(
        "str",
        [
            "What becomes of the memory of what was open to whom, with which V(firewall.new_exposure) compares.",
            (
                "V(move) remembers what this run sees, so that what is new is reported once. V(keep) leaves it as it "
                "is, so that what is new is reported until a run with V(move) takes it as known. Check mode never "
                "moves it."
            ),
        ],
        choices=["move", "keep"],
        default="move",
        variable="cryptobot_firewall_baseline",
    ),
    "limit": option(
        "int", "How many sockets are returned at most with their exposures. Findings are never left out.", default=500
    ),
    **common_options(60),
}

AREA = declare(
    __name__,
    module="firewall_audit",
    spec=SPEC,
    procedures=("W2.3",),
)
