#!/bin/sh
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Rules that never decide: a narrow one after a wide one of the opposite verdict, in both directions.
set -eu
nft -f - <<'RULES'
table inet filter {
    chain input {
        type filter hook input priority filter; policy drop;
        iif "lo" accept
        tcp dport 5432 drop
        ip saddr 10.0.0.5 tcp dport 5432 accept
        tcp dport 8000-8100 accept
        ip saddr 192.0.2.0/24 tcp dport 8050 drop
        ip saddr 10.0.0.0/8 drop
        ip saddr 10.2.3.4 accept
        tcp dport 22 accept
        tcp dport 22 accept
    }
}
RULES
