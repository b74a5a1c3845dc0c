#!/bin/sh
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A filter at the interface itself, before everything else.
set -eu
nft -f - <<'RULES'
table netdev edge {
    chain eth0_in { type filter hook ingress device "eth0" priority 0; policy accept; ip saddr 198.51.100.0/24 drop; tcp dport 3306 drop; }
}
table inet filter {
    chain input { type filter hook input priority filter; policy accept; tcp dport 25 drop; }
}
RULES
