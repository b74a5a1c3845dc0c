#!/bin/sh
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# find.sh VERSION...
# Print the path of the first Python among VERSION... (3.11 3.12 ...) that starts; exit 1 where there is none.
# A Python with ensurepip wins over one without: Debian ships it apart, and `python -m venv` needs it.
# Looks on PATH and, where pyenv is installed, among pyenv's versions: a pyenv shim answers only for the selected ones.
set -eu

candidates() { # VERSION: every file that might be that Python, best first
    IFS=:
    for folder in $PATH; do
        printf '%s\n' "$folder/python$1" "$folder/python3"
    done
    unset IFS
    if command -v pyenv >/dev/null 2>&1; then
        ls -d "$(pyenv root)/versions/$1".*/bin/python 2>/dev/null || true
    fi
}

identity() { # FILE: "VERSION REAL-PATH yes|no", the last word telling whether ensurepip is there
    [ -x "$1" ] && "$1" -c '
import importlib.util, sys
has_pip = importlib.util.find_spec("ensurepip") is not None
print("%d.%d" % sys.version_info[:2], sys.executable, "yes" if has_pip else "no")' 2>/dev/null
}

without_pip=
for version in "$@"; do
    for candidate in $(candidates "$version"); do
        found=$(identity "$candidate") || continue
        case $found in
        "$version "*" yes")
            found=${found#* }
            echo "${found% *}"
            exit 0
            ;;
        "$version "*)
            found=${found#* }
            without_pip=${without_pip:-${found% *}}
            ;;
        esac
    done
done
[ -n "$without_pip" ] && echo "$without_pip"
