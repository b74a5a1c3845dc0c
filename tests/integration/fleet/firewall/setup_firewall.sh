#!/bin/sh
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# What the application's own setup_firewall.sh does, its faults included: rebuilt from what it leaves on a host.
#   the services are opened by another map of ports than they listen at (8010, 8020, 8030 instead of 8002 to 8004);
#   ufw is enabled before ssh is allowed, and denies the databases before it allows them from 127.0.0.1;
#   firewalld gets rich rules for IPv4 alone; iptables is saved to a file that nothing loads, and IPv6 is left as it is.
set -eu
services="8000 8001 8010 8020 8030 3000"
databases="5432 6379"

setup_ufw() {
    ufw --force enable
    ufw allow ssh
    for port in $services; do ufw allow "$port/tcp"; done
    for port in $databases; do ufw deny "$port/tcp"; done
    for port in $databases; do ufw allow from 127.0.0.1 to any port "$port" proto tcp; done
}

setup_firewalld() {
    firewall-cmd --permanent --add-service=ssh
    for port in $services; do
        firewall-cmd --permanent --add-rich-rule="rule family=\"ipv4\" port port=\"$port\" protocol=\"tcp\" accept"
    done
    for port in $databases; do
        firewall-cmd --permanent --add-rich-rule="rule family=\"ipv4\" source address=\"127.0.0.1\" port port=\"$port\" protocol=\"tcp\" accept"
        firewall-cmd --permanent --add-rich-rule="rule family=\"ipv4\" port port=\"$port\" protocol=\"tcp\" reject"
    done
    firewall-cmd --reload
}

setup_iptables() {
    iptables -F
    iptables -P INPUT DROP
    iptables -P FORWARD DROP
    iptables -P OUTPUT ACCEPT
    iptables -A INPUT -i lo -j ACCEPT
    iptables -A INPUT -m state --state ESTABLISHED,RELATED -j ACCEPT
    iptables -A INPUT -p tcp --dport 22 -j ACCEPT
    for port in $services; do iptables -A INPUT -p tcp --dport "$port" -j ACCEPT; done
    for port in $databases; do
        iptables -A INPUT -p tcp --dport "$port" -s 127.0.0.1 -j ACCEPT
        iptables -A INPUT -p tcp --dport "$port" -j DROP
    done
    mkdir -p /etc/iptables
    iptables-save > /etc/iptables/rules.v4
}

"setup_$1"
