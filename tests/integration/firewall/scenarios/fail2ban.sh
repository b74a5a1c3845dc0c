#!/bin/sh
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# fail2ban's own chains with two banned addresses, before the rules of a host that drops by default.
set -eu
iptables-nft -P INPUT DROP
iptables-nft -A INPUT -i lo -j ACCEPT
iptables-nft -A INPUT -p tcp --dport 22 -j ACCEPT
cp -a /etc/fail2ban /run/conf
printf '[Definition]\ndbfile = None\n' >/run/conf/fail2ban.local
cat >/run/conf/jail.local <<'JAIL'
[sshd]
enabled = true
backend = polling
logpath = /run/auth.log
banaction = iptables-multiport
action = iptables-multiport[name=sshd, port="22", protocol=tcp]
JAIL
touch /run/auth.log
fail2ban-client -c /run/conf -s /run/f2b.sock -p /run/f2b.pid --logtarget=/run/f2b.log start
fail2ban-client -c /run/conf -s /run/f2b.sock set sshd banip 192.0.2.66 198.51.100.99
for _attempt in 1 2 3 4 5 6 7 8 9 10; do
    if iptables-nft-save | grep -q 198.51.100.99; then exit 0; fi
    sleep 0.5
done
cat /run/f2b.log
exit 1
