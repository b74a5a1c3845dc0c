#!/bin/sh
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# run.sh [FAULT]
# Have the demo Cryptobot run under .demo/, break it by FAULT if one is named, and run the weekly maintenance on it.
# Its services listen from DEMO_PORT on; where that is not set, from 18000 or, where these ports are taken, elsewhere.
# Ends with the exit code of the run, which is not 0 where it found something critical.
set -eu
cd "$(dirname "$0")/../.."
fault=${1:-}
PATH=$PWD/.venv/bin:$PATH
ANSIBLE_CONFIG=$PWD/ansible.cfg
export PATH ANSIBLE_CONFIG

manage() { # ACTION [WORD...]
    action=$1
    shift
    python tests/demo/manage.py "$action" --root .demo "$@"
}

latest() { # the run that the link "latest" names; nothing before the first one
    readlink .demo/reports/latest || true
}

manage up ${DEMO_PORT:+--base-port "$DEMO_PORT"}
manage heal
if [ -n "$fault" ]; then manage fault "$fault"; fi

before=$(latest)
code=0
ansible-playbook -i inventories/demo playbooks/weekly.yml || code=$?

echo
if [ "$(latest)" = "$before" ]; then
    echo "The run wrote no report: it broke off with exit code $code, see above."
    exit "$((code ? code : 1))"
fi
echo "Report: $PWD/.demo/reports/latest/report.html (report.json beside it)"
case $code:$fault in
0:) echo "The weekly run found nothing critical." ;;
0:*) echo "The weekly run found nothing critical; what it says about the fault \"$fault\" is in the report." ;;
*:) echo "The weekly run ended with exit code $code: it found something critical, or a host could not be looked at." ;;
*) echo "The weekly run ended with exit code $code, as it should: it found the planted fault \"$fault\"." ;;
esac
if [ -n "$fault" ]; then echo "\`make demo\` heals the fault and runs again; \`make demo-clean\` removes the demo."; fi
exit "$code"
