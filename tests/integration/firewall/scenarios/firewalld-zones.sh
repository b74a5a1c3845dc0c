#!/bin/sh
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# firewalld: the public zone with a service, ports and a source restriction; a trusted network; a drop zone.
set -eu
mkdir -p /run/dbus
dbus-daemon --system --fork --nopidfile
firewalld --nofork --nopid >/run/firewalld.log 2>&1 &
for _attempt in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    if firewall-cmd --state >/dev/null 2>&1; then break; fi
    sleep 0.5
done
firewall-cmd -q --permanent --zone=public --change-interface=eth0
firewall-cmd -q --permanent --zone=internal --change-interface=eth1
firewall-cmd -q --permanent --zone=internal --add-port=8000-8004/tcp
firewall-cmd -q --permanent --zone=trusted --add-source=10.9.0.0/24
firewall-cmd -q --permanent --zone=drop --add-source=198.51.100.0/24
firewall-cmd -q --permanent --zone=public --add-rich-rule='rule family=ipv4 source address=192.0.2.0/24 port port=9100 protocol=tcp accept'
firewall-cmd -q --reload
