#!/bin/sh
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# powershell.sh
# Look at every PowerShell script that runs on a host, and at every expression that the core sends to one, for what
# Windows PowerShell 5.1 lacks. The scripts of the tests and of this folder only ever run on PowerShell 7. Without `pwsh`
# it is skipped, in CI it fails.
set -eu
cd "$(dirname "$0")/../.."
if ! command -v pwsh >/dev/null; then
    echo "PowerShell is needed: no \`pwsh\` on PATH" >&2
    [ "${CI:-}" = true ] && exit 1
    exit 77 # scripts/layers/outcome.py: skipped
fi
check=$PWD/scripts/lint/powershell51.ps1
sent=$(mktemp -d)
trap 'rm -rf "$sent"' EXIT
python3 scripts/lint/queries.py "$sent"
status=0
git ls-files --cached --others --exclude-standard -- 'plugins/*.ps1' 'plugins/*.psm1' 'roles/*.ps1' | sort -u |
    while IFS= read -r file; do if [ -f "$file" ]; then printf '%s\n' "$file"; fi; done |
    xargs -r pwsh -NoProfile -File "$check" || status=1
(cd "$sent" && printf '%s\n' *.ps1 | xargs -r pwsh -NoProfile -File "$check") || status=1
exit "$status"
