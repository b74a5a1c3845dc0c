#!/bin/sh
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Marks, NAT and raw tables in the manner of kube-proxy, Docker and a captive portal.
set -eu
iptables-nft-restore <<'RULES'
*raw
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A PREROUTING -p udp --dport 514 -j CT --notrack
COMMIT
*mangle
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
-A PREROUTING -s 10.0.0.0/8 -j MARK --set-xmark 0x4000/0x4000
-A PREROUTING -p tcp --dport 9000 -j MARK --set-mark 0x1
-A PREROUTING -p tcp --dport 9001 -j CONNMARK --save-mark
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A PREROUTING -p tcp --dport 80 -j REDIRECT --to-ports 8080
-A DOCKER -i docker0 -j RETURN
-A DOCKER ! -i docker0 -p tcp --dport 8443 -j DNAT --to-destination 172.17.0.2:443
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
:KUBE-FIREWALL - [0:0]
-A INPUT -j KUBE-FIREWALL
-A INPUT -m conntrack --ctstate DNAT -j ACCEPT
-A INPUT -p tcp --dport 8000 -m mark ! --mark 0x4000/0x4000 -j DROP
-A INPUT -p tcp --dport 9001 -m connmark --mark 0x1 -j DROP
-A INPUT -p udp --dport 514 -m conntrack --ctstate NEW -j DROP
-A FORWARD -o docker0 -j DOCKER
-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp --dport 443 -j ACCEPT
-A KUBE-FIREWALL -m mark --mark 0x1/0x1 -j DROP
COMMIT
RULES
