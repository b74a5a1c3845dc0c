# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""as_windows.py VERSION -I -B -c CODE: run what the bridge runs, by a Python that says it is on Windows.

VERSION is what it says that it is; where that is empty, it says what it is.

A Python cannot be had for Windows here. The core chooses its platform by sys.platform, so this is where it is changed;
everything else, os.name and the separators of paths with it, stays that of this machine; drive.py gives it a drive C:.
Modules that look for parts that only Windows has when they are imported, are imported as what they are.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

import drive  # lies beside this file

# What these modules have in addition on Windows. The store of certificates is empty, and no call ever fails.
ADDED = {
    "ssl": {"enum_certificates": lambda store: []},
    "ctypes": {"WinDLL": drive.Library, "get_last_error": lambda: 2, "WinError": lambda code: OSError(code, "no file")},
}


class OfThisMachine:
    """Finds modules that differ on Windows, and has them believe that they are where they are while imported."""

    @staticmethod
    def find_spec(name: str, path: object, target: object = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name) if name in ADDED else None
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            pretended, sys.platform = sys.platform, "linux"
            execute(module)
            sys.platform = pretended
            vars(module).update(ADDED[name])

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


version, *options, code = sys.argv[1:]
if options != ["-I", "-B", "-c"]:
    sys.exit(f"the bridge starts Python with {options}, expected -I -B -c")
sys.path.remove(os.path.dirname(os.path.abspath(__file__)))
drive.attach()
sys.platform = "win32"
sys.meta_path.insert(0, OfThisMachine)  # type: ignore[arg-type]
if version:
    sys.version_info = tuple(int(word) for word in version.split("."))  # type: ignore[assignment]
sys.argv = ["-c"]
exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})
