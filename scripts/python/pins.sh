#!/bin/sh
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# pins.sh [NAME...]
# Write requirements/NAME.txt, exact pins of everything that requirements/NAME.in leads to, as pip resolves it today
# in a fresh environment of the Python that the file is for. Without NAME, all of them.
set -eu
cd "$(dirname "$0")/../.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

resolve() { # PYTHON-VERSION FILE.in...: everything that pip installs for these files, into $scratch/resolved
    version=$1
    shift
    rm -rf "$scratch/venv"
    scripts/python/venv.sh "$scratch/venv" "$version"
    for file in "$@"; do set -- "$@" -r "$file"; shift; done
    "$scratch/venv/bin/pip" install -qq "$@"
    "$scratch/venv/bin/pip" freeze >"$scratch/resolved"
}

publish() { # NAME SOURCE: what was resolved becomes requirements/NAME.txt
    echo "# Written by \`make pins\` from $2; edit that file instead." | cat - "$scratch/resolved" >"$scratch/pins"
    mv "$scratch/pins" "requirements/$1.txt"
    echo "requirements/$1.txt"
}

pin() { # NAME
    case $1 in
    core-2.19) resolve 3.11 requirements/core-2.19.in ;;
    core-2.21) resolve 3.13 requirements/core-2.21.in ;;
    unit-*) resolve "${1#unit-}" requirements/unit.in ;;
    test) # together with the engine, whose own pins stay in its own file
        resolve 3.11 requirements/core-2.19.in requirements/test.in
        grep -vxFf requirements/core-2.19.txt "$scratch/resolved" >"$scratch/pins"
        mv "$scratch/pins" "$scratch/resolved"
        ;;
    *)
        echo "unknown pins: $1" >&2
        exit 2
        ;;
    esac
}

[ $# -gt 0 ] || set -- core-2.19 core-2.21 test unit-3.9 unit-3.11 unit-3.13
for name in "$@"; do
    pin "$name"
    publish "$name" "${name%%-3.*}.in"
done
