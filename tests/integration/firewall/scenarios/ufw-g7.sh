#!/bin/sh
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The order of the application's own setup_firewall.sh: deny before the narrower allow, which then never decides, and
# all services open to the world.
set -eu
ufw --force enable
ufw default deny incoming
ufw allow ssh
for port in 8000 8001 8010 8020 8030 3000; do ufw allow $port/tcp; done
ufw deny 5432/tcp
ufw deny 6379/tcp
ufw allow from 127.0.0.1 to any port 5432 proto tcp
ufw allow from 127.0.0.1 to any port 6379 proto tcp
