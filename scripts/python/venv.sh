#!/bin/sh
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# venv.sh FOLDER VERSION...
# Have a virtual environment in FOLDER whose Python is one of VERSION...; an existing one that suits is kept.
# As root on Debian, a missing python3-venv is installed; anybody else is told the one command.
set -eu
here=$(dirname "$0")
folder=$1
shift

suits() { # does the environment start, and with one of the wanted versions?
    [ -x "$folder/bin/pip" ] || return 1
    found=$("$folder/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || return 1
    case " $* " in *" $found "*) return 0 ;; esac
    return 1
}

has_ensurepip() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

if suits "$@"; then exit 0; fi

if ! python=$("$here/find.sh" "$@"); then
    echo "No Python $* found on PATH. Install one (Debian 12: apt-get install python3 python3-venv)." >&2
    exit 1
fi
if ! has_ensurepip "$python"; then
    if ! said=$("$here/../debian/install.sh" python3-venv); then
        echo "$python cannot make virtual environments: $said" >&2
        exit 1
    fi
fi
rm -rf "$folder"
"$python" -m venv "$folder"
