#!/bin/sh
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Verdict maps: anonymous, by name, over two fields, with a default element; chains entered by jump and goto.
set -eu
nft -f - <<'RULES'
table inet filter {
    map by_port {
        type inet_service : verdict
        elements = { 22 : accept, 25 : drop, 443 : jump web, 8080 : goto web }
    }
    map by_way {
        type ifname . inet_service : verdict
        elements = { "eth0" . 8000 : accept, "eth1" . 8000 : drop }
    }
    chain web {
        ip saddr 198.51.100.0/24 drop
        ip saddr 10.0.0.0/8 return
        accept
    }
    chain input {
        type filter hook input priority filter; policy drop;
        iifname vmap { "lo" : accept }
        ct state vmap { established : accept, related : accept, invalid : drop }
        tcp dport vmap @by_port
        iifname . tcp dport vmap @by_way
        meta nfproto vmap { ipv6 : drop }
        tcp dport 443 log prefix "back from web " accept
    }
}
RULES
