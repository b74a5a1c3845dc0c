#!/bin/sh
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Rates and counts: what is said of a quiet sender's first packet.
set -eu
nft -f - <<'RULES'
table inet filter {
    chain input {
        type filter hook input priority filter; policy drop;
        iif "lo" accept
        ct state established,related accept
        tcp dport 22 ct state new limit rate over 10/minute drop
        tcp dport 22 ct count over 20 reject
        tcp dport 22 accept
        tcp dport 8000 limit rate 5/second burst 10 packets accept
        tcp flags & (fin|syn|rst|ack) == syn tcp dport 8001 accept
        tcp flags & (fin|syn|rst|ack) != syn tcp dport 8002 accept
        tcp flags syn tcp dport 8003 accept
    }
}
RULES
