# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real folders for the tests: old and young files, links, pipes and hostile names, and what is left of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ansible_collections.cryptobot.maintenance.plugins.module_utils.cleanup.run import run
from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import Result
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import Host, choose_host

from .examples import DAY, declared, parameters


def put(path: Path, days: float = 30.0, content: bytes = b"x" * 5000) -> Path:
    """Make a file that is so many days old, with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return aged(path, days)


def aged(path: Path, days: float = 30.0) -> Path:
    """Give a name an age, a symlink itself and not what it leads to."""
    at = path.lstat().st_mtime - days * DAY
    os.utime(path, (at, at), follow_symlinks=False)
    return path


def left(folder: Path) -> list[str]:
    """Return every name below a folder, sorted."""
    names = [os.path.join(root, name) for root, folders, files in os.walk(folder) for name in (*folders, *files)]
    return sorted(os.path.relpath(name, folder) for name in names)


def clean(folder: Path, check_mode: bool = False, host: Host | None = None, **changes: Any) -> Result:
    """Run the area with one rule on a folder; the changes are options of the rule, or of the module by their names."""
    module_options = {name: changes.pop(name) for name in list(changes) if name in parameters() and name != "rules"}
    options = parameters(declared(path=str(folder), **changes), **module_options)
    options["state_dir"] = module_options.get("state_dir", str(folder.parent / f"{folder.name}-state"))
    return run(options, host or choose_host(120), check_mode)


def states(result: Result) -> dict[str, str]:
    """Return the state of each action by the last name of its subject."""
    return {os.path.basename(action.subject): action.state for action in result.actions}
