#!/bin/sh
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Marks: set in one chain, asked for in another, with masks, and kept with the connection.
set -eu
nft -f - <<'RULES'
table inet mangle {
    chain prerouting {
        type filter hook prerouting priority mangle; policy accept;
        ip saddr 10.0.0.0/8 meta mark set 0x10
        tcp dport 8001 meta mark set meta mark | 0x1
        tcp dport 8002 ct mark set 0x2
    }
}
table inet filter {
    chain input {
        type filter hook input priority filter; policy drop;
        iif "lo" accept
        meta mark & 0x10 == 0x10 tcp dport 8000 accept
        meta mark & 0x1 != 0x0 accept
        ct mark 0x2 accept
        meta mark 0x20 accept
    }
}
RULES
