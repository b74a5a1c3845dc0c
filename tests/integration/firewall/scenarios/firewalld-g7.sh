#!/bin/sh
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The application's own rich rules: reject and accept of the same port in one zone, IPv4 only, runtime not stored.
set -eu
mkdir -p /run/dbus
dbus-daemon --system --fork --nopidfile
firewalld --nofork --nopid >/run/firewalld.log 2>&1 &
for _attempt in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    if firewall-cmd --state >/dev/null 2>&1; then break; fi
    sleep 0.5
done
firewall-cmd -q --zone=public --change-interface=eth0
firewall-cmd -q --zone=public --add-port=8000/tcp
firewall-cmd -q --zone=public --add-rich-rule='rule family=ipv4 port port=5432 protocol=tcp reject'
firewall-cmd -q --zone=public --add-rich-rule='rule family=ipv4 source address=10.0.0.0/8 port port=5432 protocol=tcp accept'
