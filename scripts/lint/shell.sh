#!/bin/sh
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# shell.sh
# Run shellcheck on every shell script that git knows or would know.
set -eu
git ls-files --cached --others --exclude-standard -- '*.sh' .ci/run | sort -u |
    while IFS= read -r file; do if [ -f "$file" ]; then printf '%s\n' "$file"; fi; done |
    xargs shellcheck
