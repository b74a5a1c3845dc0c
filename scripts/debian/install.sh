#!/bin/sh
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# install.sh PACKAGE|FILE.txt...
# Have these Debian packages installed; a FILE.txt lists one a line, with comments after #.
# Installs only what is missing, and only as root on Debian. Otherwise prints what is missing and the command, exit 1.
set -eu

wanted() { # the packages that the arguments name, one a line
    for argument in "$@"; do
        case $argument in
        *.txt) sed 's/#.*//' "$argument" | tr -s '[:space:]' '\n' | sed '/^$/d' ;;
        *) echo "$argument" ;;
        esac
    done
}

missing() { # those of the wanted packages that dpkg does not have installed
    for package in $(wanted "$@" | sort -u); do
        state=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null) || state=
        [ "$state" = installed ] || echo "$package"
    done
}

if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "not a Debian system; needed: $(wanted "$@" | sort -u | paste -sd ' ' -)"
    exit 1
fi
absent=$(missing "$@" | paste -sd ' ' -)
[ -n "$absent" ] || exit 0
if [ "$(id -u)" -ne 0 ]; then
    echo "missing Debian packages; run as root: apt-get install $absent"
    exit 1
fi

export DEBIAN_FRONTEND=noninteractive
# A service that a package brings has no business on the machine that only tests with it.
policy=${POLICY:-/usr/sbin/policy-rc.d}
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
fi
# shellcheck disable=SC2086  # $absent is words, one per package
install_absent() {
    apt-get install -qq --yes --no-install-recommends -o DPkg::Lock::Timeout=600 $absent >/dev/null
}
echo "installing Debian packages: $absent" >&2
# Package lists may be absent or older than the mirror: fetch them once, and only then.
# shellcheck disable=SC2086
if ! apt-cache show $absent >/dev/null 2>&1 || ! install_absent; then
    apt-get update -qq >/dev/null
    install_absent
fi
