#!/bin/sh
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# First packets are let in, the ones after them are not: nothing of TCP works, though the rules look open.
set -eu
nft -f - <<'RULES'
table inet filter {
    chain input {
        type filter hook input priority filter; policy drop;
        iif "lo" tcp sport 8000 accept
        ct state new tcp dport 22 accept
        ct state new udp dport 53 accept
        tcp dport 8000 accept
    }
}
RULES
