#!/bin/sh
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# ufw as it is after `ufw allow ssh` and `ufw enable`.
set -eu
ufw allow 22/tcp
ufw --force enable
