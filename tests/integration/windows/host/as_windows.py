# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""as_windows.py VERSION -I -B PAYLOAD: run a payload with a Python that says it is on Windows, and of a given version.

A Python cannot be had for Windows here. The core chooses its platform by sys.platform, so this is where it is changed;
everything else, os.name and the separators of paths with it, stays that of this machine. The module ssl looks for
parts that only Windows has when it is imported, so it is imported before.
"""

from __future__ import annotations

import runpy
import ssl  # noqa: F401  # pylint: disable=unused-import
import sys

version, *options, payload = sys.argv[1:]
if options != ["-I", "-B"]:
    sys.exit(f"the bridge starts Python with {options}, expected -I -B")
sys.platform = "win32"
if version:
    sys.version_info = tuple(int(word) for word in version.split("."))  # type: ignore[assignment]
sys.argv = [payload]
runpy.run_path(payload, run_name="__main__")
