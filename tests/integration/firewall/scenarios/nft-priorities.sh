#!/bin/sh
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Several base chains on one way: an accept ends its own chain only, a drop is final, lower priorities come first.
set -eu
nft -f - <<'RULES'
table inet early {
    chain raw { type filter hook prerouting priority raw; policy accept; tcp dport 23 drop; tcp dport 7000 accept; }
    chain input { type filter hook input priority filter - 10; policy accept; tcp dport { 22, 7001 } accept; tcp dport 7002 drop; }
}
table ip late {
    chain input { type filter hook input priority filter + 10; policy drop; iif "lo" accept; tcp dport { 22, 7000, 7002 } accept; }
}
RULES
