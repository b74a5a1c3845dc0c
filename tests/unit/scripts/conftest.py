# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Load the programs of scripts/, which are no package: each is started by its path and imports its siblings."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Callable

import pytest

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Given "folder/name", import that program afresh; its siblings are forgotten again after the test."""

    def load_program(program: str) -> ModuleType:
        folder, name = program.split("/")
        monkeypatch.syspath_prepend(str(SCRIPTS / folder))
        for sibling in (SCRIPTS / folder).glob("*.py"):
            monkeypatch.delitem(sys.modules, sibling.stem, raising=False)
        module = importlib.import_module(name)
        for sibling in (SCRIPTS / folder).glob("*.py"):
            loaded = sys.modules.pop(sibling.stem, None)
            if loaded is not None:
                monkeypatch.setitem(sys.modules, sibling.stem, loaded)
        return module

    return load_program
