# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stand in for the get-pip script that ansible-test downloads, where only the package registry can be reached.

ansible-test starts it inside an empty virtual environment, with pip's options and the exact packages as arguments and
GET_PIP naming this file. Python carries a pip of its own (ensurepip); that one installs the asked-for packages.
"""

from __future__ import annotations

import os
import subprocess
import sys

NOT_FOR_PIP = ("--no-setuptools", "--no-wheel")  # get-pip's own options

environment = {name: value for name, value in os.environ.items() if name != "GET_PIP"}


def python(*arguments: str) -> None:
    """Run this Python with the arguments; what goes wrong ends this script."""
    subprocess.run([sys.executable, *arguments], env=environment, check=True)


python("-m", "ensurepip")
python("-m", "pip", "install", *[argument for argument in sys.argv[1:] if argument not in NOT_FOR_PIP])
# Older Pythons' ensurepip brings setuptools along, which ansible-test did not ask for.
python("-m", "pip", "uninstall", "--quiet", "--yes", "setuptools")
