#!/bin/sh
# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# run.sh [ANSIBLE-TEST-SANITY-OPTION...]
# Run `ansible-test sanity` on the checkout. ansible-test wants to stand in a folder .../ansible_collections/NAMESPACE/
# NAME and looks through links, so it gets a copy of the files that git knows or would know, in the tests' cache.
set -eu
cd "$(dirname "$0")/../.."
cache=${CRYPTOBOT_TEST_CACHE:-$HOME/.cache/cryptobot-maintenance}
tree=$cache/sanity/ansible_collections/cryptobot/maintenance

copy_checkout() { # the files of the work tree, without the link by which the checkout finds itself
    rm -rf "$tree"
    mkdir -p "$tree"
    git ls-files --cached --others --exclude-standard -- ':!.collections' |
        while IFS= read -r file; do if [ -e "$file" ]; then printf '%s\n' "$file"; fi; done |
        tar --create --files-from=- | tar --extract --directory "$tree"
}

real_pythons() { # folders of the Pythons on this machine: ansible-test cannot use the shims of a version manager
    for version in 3.9 3.10 3.11 3.12 3.13 3.14; do
        if found=$(scripts/python/find.sh "$version"); then dirname "$found"; fi
    done | paste -sd : -
}

# ansible-test downloads get-pip into this folder unless it finds it there; which version of it, only its data tells.
lend_get_pip() {
    folder=$HOME/.ansible/test/cache
    version=$(.venv/bin/python -c '
from ansible_test._internal.python_requirements import collect_bootstrap
from ansible_test._internal.host_configs import NativePythonConfig
import sys
print(collect_bootstrap(NativePythonConfig(version="%d.%d" % sys.version_info[:2], path=sys.executable))[0].pip_version)')
    lent=$folder/get_pip_$(echo "$version" | tr . _).py
    if [ ! -e "$lent" ]; then
        mkdir -p "$folder"
        cp scripts/sanity/get_pip.py "$lent"
        trap 'rm -f "$lent"' EXIT
    fi
}

copy_checkout
lend_get_pip
pythons=$(real_pythons)
bin=$PWD/.venv/bin
# validate-modules asks pwsh about PowerShell modules, and gives up as a whole where there is none.
if ! command -v pwsh >/dev/null; then
    for module in plugins/modules/*.ps1; do
        if [ -e "$module" ]; then set -- --exclude "$module" "$@"; fi
    done
fi
# pslint needs PSScriptAnalyzer from PowerShell's own gallery, which is no package registry of ours.
set -- --skip-test pslint --color no "$@"
cd "$tree"
PATH=$bin:$pythons:$PATH ansible-test sanity "$@"
