# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The __main__.py of the payload. It must parse on any Python, also a very old one, to be able to say so."""

import importlib
import sys

TOO_OLD = 78  # bridge.ps1 knows this exit code, and takes the version from the last line on stderr

if tuple(sys.version_info[:2]) < (3, 9):
    sys.stderr.write(".".join(map(str, sys.version_info[:3])) + "\n")
    sys.exit(TOO_OLD)

if __name__ == "__main__":
    sys.exit(importlib.import_module("cryptobot_maintenance.entry").main())
