# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The catalogue of what firewall_audit can find."""

from __future__ import annotations

from ..finding import Check, catalogue

PROCEDURE = "W2.3"

CHECKS = catalogue(
    Check(
        "firewall.rules_visible",
        PROCEDURE,
        "The packet filter of the host could be read, in every back end that holds rules.",
        "Run the audit as root (become: true), with nftables, and iptables where it is used, installed on the host.",
        "Linux and pf show rules to root only; a filter that is not seen is never called closed or open",
    ),
    Check(
        "firewall.blind",
        PROCEDURE,
        "Everything else on the host that decides who can connect could be seen.",
        "Run the audit as root with the tool that the message names installed, or judge what it names by hand.",
        "socket owners, ipsets, routes and XDP programs need root, or tools of their own",
    ),
    Check(
        "firewall.inactive",
        PROCEDURE,
        "The host filters what comes in, for IPv4 and for IPv6, on each interface.",
        "Allow SSH, then enable the host's firewall (ufw enable; systemctl enable --now firewalld or nftables).",
        "CIS Debian Linux 12 Benchmark, chapter 4: a host firewall is active; NIST SP 800-41r1, section 4.1",
    ),
    Check(
        "firewall.default_deny",
        PROCEDURE,
        "A port that no rule thinks of is closed to the outside.",
        "Make the default of the input chain drop, after rules that allow what the policy names.",
        "deny by default: NIST SP 800-41r1, section 4.2; CIS Debian Linux 12 Benchmark, 4.2 to 4.4",
    ),
    Check(
        "firewall.unexpected_open",
        PROCEDURE,
        "No socket can be reached by anybody whom the policy does not allow.",
        "Stop it, bind it to loopback or close the port; or add it to cryptobot_firewall_policy with its reason.",
        "the policy is the list of all that may be open",
    ),
    Check(
        "firewall.expected_closed",
        PROCEDURE,
        "What the policy allows is served, and can be reached by those whom it allows.",
        "Start the service, bind it to the right address, allow the port; or take the entry out of the policy.",
        "a blocked port of a service is an outage for whoever needs it",
    ),
    Check(
        "firewall.policy_expired",
        PROCEDURE,
        "No entry of the policy has passed its date.",
        "Ask its owner: remove the rule and the entry, or give the entry a new date and reason.",
        "temporary openings stay open: an entry allows nothing from the day after its date",
    ),
    Check(
        "firewall.family_difference",
        PROCEDURE,
        "IPv4 and IPv6 peers are treated alike.",
        "Give the other family the same rules, or bind the service to one family only.",
        "rules are often written for IPv4 alone: ip6tables and rich rules of family ipv4 leave IPv6 as it was",
    ),
    Check(
        "firewall.backends",
        PROCEDURE,
        "Only one of iptables-legacy and nf_tables holds rules.",
        "Move the rules of one into the other, then flush it: each filters what the other let through.",
        "https://wiki.nftables.org/wiki-nftables/index.php/Legacy_xtables_tools",
    ),
    Check(
        "firewall.shadowed_rule",
        PROCEDURE,
        "No rule is made void by one that takes precedence and says the opposite.",
        "Put the narrower rule first (ufw: delete the rule, then `ufw insert 1 ...`), or remove it.",
        "Linux: the first match decides; Windows: a block beats an allow; pf: the last match, or the first quick one",
    ),
    Check(
        "firewall.any_source_internal",
        PROCEDURE,
        "Services that are internal (databases, caches, monitoring) cannot be reached from everywhere.",
        "Allow the networks that need it instead of any, or bind the service to loopback.",
        "PostgreSQL, Redis, Kafka, monitoring and search are meant for the hosts of the site only",
    ),
    Check(
        "firewall.view_drift",
        PROCEDURE,
        "What manages rules says what is in force: ufw, firewalld, nftables.service, profiles of Windows, pf.",
        "Load what is stored (ufw reload; firewall-cmd --reload; systemctl restart nftables), or store what runs.",
        "rules that run and are not stored are gone at the next boot, and the other way round",
    ),
)
