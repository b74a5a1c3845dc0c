#!/bin/sh
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The usual iptables server on the nft back end, with the extensions that such servers use.
set -eu
iptables-nft-restore <<'RULES'
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:LOGDROP - [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -m conntrack --ctstate INVALID -j DROP
-A INPUT -p icmp -j ACCEPT
-A INPUT -p tcp -m tcp --dport 22 -m conntrack --ctstate NEW -j ACCEPT
-A INPUT -p tcp -m multiport --dports 80,443,8000:8004 -s 10.0.0.0/8 -j ACCEPT
-A INPUT -p tcp --dport 9100 -m iprange --src-range 10.0.5.10-10.0.5.20 -j ACCEPT
-A INPUT ! -i eth1 -p tcp --dport 3000 -j DROP
-A INPUT -p tcp --dport 3000 -j ACCEPT
-A INPUT -p udp --sport 67 --dport 68 -j ACCEPT
-A INPUT -p tcp ! --syn -m conntrack --ctstate NEW -j DROP
-A INPUT -p tcp --dport 2222 -m limit --limit 4/min -j ACCEPT
-A INPUT -p tcp --dport 2223 -m hashlimit --hashlimit-above 10/min --hashlimit-mode srcip --hashlimit-name ssh -j DROP
-A INPUT -p tcp --dport 2223 -m connlimit --connlimit-above 5 -j REJECT
-A INPUT -p tcp --dport 2223 -m comment --comment "a port for \"guests\"" -j ACCEPT
-A INPUT -p tcp --dport 2224 -m time --timestart 08:00 --timestop 18:00 -j ACCEPT
-A INPUT -p udp --dport 53 -m addrtype --dst-type LOCAL -j ACCEPT
-A INPUT -m pkttype --pkt-type broadcast -j DROP
-A INPUT -j LOGDROP
-A LOGDROP -m limit --limit 3/min -j LOG --log-prefix "-dropped- "
-A LOGDROP -j DROP
COMMIT
RULES
ip6tables-nft-restore <<'RULES'
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -m rt --rt-type 0 -j DROP
-A INPUT -p ipv6-icmp -j ACCEPT
-A INPUT -p tcp --dport 22 -j ACCEPT
-A INPUT -s fe80::/10 -p tcp --dport 8000 -j ACCEPT
COMMIT
RULES
