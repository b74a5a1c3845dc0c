#!/bin/sh
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Sets of ipset in iptables rules: networks, addresses with ports, ports.
set -eu
ipset create office hash:net
ipset add office 10.0.0.0/16
ipset add office 192.0.2.0/25
ipset create pairs hash:ip,port
ipset add pairs 10.9.0.1,tcp:5432
ipset add pairs 10.9.0.2,udp:53
ipset create opened bitmap:port range 0-10000
ipset add opened 8000-8004
ipset create odd hash:net,iface
iptables-nft -P INPUT DROP
iptables-nft -A INPUT -i lo -j ACCEPT
iptables-nft -A INPUT -m set --match-set office src -p tcp --dport 22 -j ACCEPT
iptables-nft -A INPUT -m set --match-set pairs src,dst -j ACCEPT
iptables-nft -A INPUT -m set ! --match-set office src -p tcp --dport 8001 -j DROP
iptables-nft -A INPUT -p tcp -m set --match-set opened dst -j ACCEPT
iptables-nft -A INPUT -m set --match-set odd src,src -p tcp --dport 9000 -j ACCEPT
