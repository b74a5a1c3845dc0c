#!/bin/sh
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Sets by name: with ranges and networks, with timeouts, over two fields, empty, and filled by rules.
set -eu
nft -f - <<'RULES'
table inet filter {
    set admins { type ipv4_addr; flags interval; elements = { 10.1.0.0/16, 192.0.2.7, 203.0.113.4-203.0.113.9 } }
    set banned { type ipv4_addr; flags timeout; elements = { 10.1.2.3 timeout 1d } }
    set nobody { type ipv4_addr; }
    set services { type inet_service; flags interval; elements = { 22, 8000-8004 } }
    set pairs { type ipv4_addr . inet_service; elements = { 10.9.0.1 . 5432, 10.9.0.2 . 6379 } }
    set wide_pairs { type ipv4_addr . inet_service; flags interval; elements = { 10.8.0.0/16 . 9000-9010, 10.7.0.1 . 9100 } }
    set seen { type ipv4_addr; size 1000; flags dynamic,timeout; timeout 1m; }
    chain input {
        type filter hook input priority filter; policy drop;
        iif "lo" accept
        ct state established,related accept
        ip saddr @banned drop
        ip saddr @nobody accept
        ip saddr @admins tcp dport @services accept
        ip saddr . tcp dport @pairs accept
        ip saddr . tcp dport @wide_pairs accept
        udp dport 53 update @seen { ip saddr limit rate over 10/second } drop
        udp dport 53 accept
        tcp dport != { 1-1023, 2222, 5432, 6379, 8000-9999 } accept
    }
}
RULES
