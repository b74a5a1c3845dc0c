#!/bin/sh
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A blocklist of some hundred networks before the rest, as fail2ban, CrowdSec and lists of countries make it.
set -eu
{
    echo 'table inet filter { set blocked { type ipv4_addr; flags interval; elements = {'
    a=1
    while [ "$a" -le 220 ]; do
        b=0
        while [ "$b" -le 3 ]; do
            [ "$a" -eq 127 ] || [ "$a" -eq 10 ] || echo "$a.$((b * 61)).$((a % 7)).0/24,"
            b=$((b + 1))
        done
        a=$((a + 1))
    done
    cat <<'RULES'
    192.0.2.1 } }
    chain input {
        type filter hook input priority filter; policy drop;
        iif "lo" accept
        ip saddr @blocked drop
        tcp dport { 22, 443 } accept
    }
}
RULES
} | nft -f -
