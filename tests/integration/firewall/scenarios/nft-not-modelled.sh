#!/bin/sh
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Tests that depend on more than the packet: the time of day, chance, the sender's hardware address.
set -eu
nft -f - <<'RULES'
table inet filter {
    chain maybe { log; drop; }
    chain input {
        type filter hook input priority filter; policy drop;
        iif "lo" accept
        tcp dport 8000 meta hour "08:00"-"18:00" accept
        tcp dport 8001 numgen random mod 2 0 drop
        tcp dport 8001 accept
        tcp dport 8002 ether saddr 00:11:22:33:44:55 jump maybe
        tcp dport 8003 ip dscp cs1 accept
        tcp dport 8003 accept
        tcp dport 8004 fib saddr . iif oif missing drop
        tcp dport 8004 meta skuid 0 accept
        tcp dport 8004 fib daddr type local accept
    }
}
RULES
