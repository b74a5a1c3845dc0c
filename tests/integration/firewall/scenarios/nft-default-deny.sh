#!/bin/sh
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The usual server: drop by default, one table for both families.
set -eu
nft -f - <<'RULES'
table inet filter {
    chain input {
        type filter hook input priority filter; policy drop;
        iif "lo" accept
        ct state established,related accept
        ct state invalid drop
        meta l4proto { icmp, ipv6-icmp } accept
        tcp dport 22 counter accept
        ip saddr 10.0.0.0/8 tcp dport { 8000-8004, 9100 } accept
        ip6 saddr fd00::/8 tcp dport { 8000-8004, 9100 } accept
        udp dport 53 ip saddr != 192.0.2.0/24 accept
        counter reject with icmpx type admin-prohibited
    }
    chain forward { type filter hook forward priority filter; policy drop; }
    chain output { type filter hook output priority filter; policy accept; }
}
RULES
