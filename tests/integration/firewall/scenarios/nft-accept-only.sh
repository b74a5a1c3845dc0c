#!/bin/sh
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# A table with rules that stops nothing: counters, accepts, policy accept.
set -eu
nft -f - <<'RULES'
table inet filter {
    chain input {
        type filter hook input priority filter; policy accept;
        iif "lo" accept
        tcp dport 22 counter accept
        counter log prefix "in: "
    }
}
RULES
