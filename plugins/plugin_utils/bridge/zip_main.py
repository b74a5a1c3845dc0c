# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The __main__.py of the payload: the core out of the bytes that Python was given, never out of a file.

bridge.ps1 verifies the bytes and starts Python with a line that reads them, and runs this file out of them. It leaves
ARCHIVE, the payload, and HEAD, the line that came before it, in this file's globals.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Optional
from zipfile import ZipFile

PLACE = "payload/"  # stands before the names in tracebacks, where a zip's path would


class Payload(MetaPathFinder, InspectLoader):
    """Finds and loads modules in a zip that lies in memory, as a meta path finder and loader."""

    def __init__(self, archive: ZipFile) -> None:
        self.archive, self.names = archive, frozenset(archive.namelist())

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> Optional[ModuleSpec]:
        """Return the spec of a module of the payload, or None where it has none of that name."""
        base = fullname.replace(".", "/")
        for file, is_package in ((base + "/__init__.py", True), (base + ".py", False)):
            if file in self.names:
                return ModuleSpec(fullname, self, origin=PLACE + file, is_package=is_package)
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Run a module's source."""
        origin = str(module.__spec__ and module.__spec__.origin)
        code = compile(self.get_source(module.__name__), origin, "exec", dont_inherit=True)
        exec(code, module.__dict__)  # noqa: S102  # this is what a loader is for

    def get_source(self, fullname: str) -> str:
        """Return a module's source; tracebacks show lines of it. Raise ImportError where there is no such module."""
        spec = self.find_spec(fullname)
        if spec is None or spec.origin is None:
            raise ImportError(fullname)
        return self.archive.read(spec.origin[len(PLACE) :]).decode("utf-8")


def main(archive: ZipFile, head: Mapping[str, Any]) -> int:
    """Run the core's entry with what the bridge saw of folders. Return the exit code."""
    sys.meta_path.insert(0, Payload(archive))
    core = "cryptobot_maintenance"
    importlib.import_module(core + ".trusted").tell(head["folders"])
    return int(importlib.import_module(core + ".entry").main())


if __name__ == "__main__":
    sys.exit(main(globals()["ARCHIVE"], globals()["HEAD"]))  # see above
