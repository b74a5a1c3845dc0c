#!/bin/sh
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# core_unit.sh VERSION [PYTEST-OPTION...]
# Run the core's unit tests under that Python, in an environment of its own without Ansible: the core needs none.
# Exit 77 with the reason where that Python is not on this machine.
set -eu
version=$1
shift
environment=.venv-unit/$version
pins=requirements/unit-$version.txt

if ! scripts/python/find.sh "$version" >/dev/null; then
    echo "no Python $version on PATH or in pyenv"
    exit 77
fi
scripts/python/venv.sh "$environment" "$version"
if ! cmp -s "$pins" "$environment/pins"; then
    "$environment/bin/pip" install -qq -r "$pins"
    cp "$pins" "$environment/pins"
fi
exec "$environment/bin/python" -m pytest -n 2 tests/unit/plugins/module_utils "$@"
