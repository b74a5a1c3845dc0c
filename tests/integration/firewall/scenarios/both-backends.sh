#!/bin/sh
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# One program filters by iptables-legacy, another by nft: both must let a packet through.
set -eu
iptables-legacy -A INPUT -p tcp --dport 8000 -j DROP
iptables-legacy -A INPUT -p tcp --dport 22 -j ACCEPT
nft -f - <<'RULES'
table inet filter {
    chain input { type filter hook input priority filter; policy drop; iif "lo" accept; tcp dport { 22, 8000, 8001 } accept; }
}
RULES
