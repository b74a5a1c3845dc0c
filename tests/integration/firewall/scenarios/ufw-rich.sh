#!/bin/sh
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Limits, interfaces, networks, ranges, IPv6 and a drift: one rule was added to the kernel behind ufw's back.
set -eu
ufw --force enable
ufw limit 22/tcp
ufw allow in on eth1 to any port 9100 proto tcp
ufw allow proto tcp from 10.0.0.0/8 to any port 8000:8004
ufw allow proto tcp from fd00::/8 to any port 8000:8004
ufw reject 25/tcp
ufw allow proto tcp to 203.0.113.10 port 8443
iptables -A ufw-user-input -p tcp --dport 9999 -j ACCEPT
