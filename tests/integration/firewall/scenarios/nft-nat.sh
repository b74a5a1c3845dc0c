#!/bin/sh
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Redirects and DNAT: a port reached by another one, traffic that leaves for a container, maps of destinations.
set -eu
nft -f - <<'RULES'
table ip nat {
    chain prerouting {
        type nat hook prerouting priority dstnat; policy accept;
        tcp dport 80 redirect to :8080
        tcp dport 8443 dnat to 172.17.0.2:443
        dnat ip addr . port to tcp dport map { 9001 : 172.17.0.3 . 80, 9002 : 172.17.0.4 . 80 }
        iifname "eth1" tcp dport 2200 redirect to :22
    }
}
table inet filter {
    chain input {
        type filter hook input priority filter; policy drop;
        iif "lo" accept
        ct status dnat accept
        tcp dport 22 ip saddr 10.0.0.0/8 accept
        tcp dport 8443 accept
    }
}
RULES
