#!/bin/sh
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# own_network.sh COMMAND...
# Run the command in a network namespace of its own, where the user may make one; else as it is. It has a loopback, and
# an address (of those for documentation) that leads nowhere: what listens on all addresses is then open to somebody.
# own_network.sh --possible
# End with 0 where it may.
set -eu

possible() {
    [ "$(id -u)" = 0 ] && command -v ip >/dev/null && unshare --net ip link add type veth 2>/dev/null
}

if [ "$*" = --possible ]; then
    possible
elif possible; then
    exec unshare --net sh -euc '
        ip link set lo up
        ip link add name nowhere type veth peer name behind
        ip address add 192.0.2.1/24 dev nowhere
        ip link set nowhere up
        ip link set behind up
        exec "$@"' sh "$@"
else
    exec "$@"
fi
