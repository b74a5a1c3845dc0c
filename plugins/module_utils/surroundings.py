# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a program that runs for another account gets: its rights, the folder it runs in, its environment (POSIX)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Optional

from .rights import NotSwitched, Rights, acting_with


class Surroundings(NamedTuple):
    """What a program of another account gets in place of ours: rights (None: it keeps ours), folder, whole environment,
    which may hold secrets. The folder is entered with those rights: what it is may be the account's to say.
    """

    rights: Optional[Rights]
    folder: str
    environment: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Surroundings({self.rights}, {self.folder!r})"

    @contextlib.contextmanager
    def of_process(self) -> Iterator[dict[str, Any]]:
        """Yield the arguments of subprocess.Popen for them; for the block we are in the folder ourselves. Raise OSError
        or NotSwitched. Our own account is kept where it is the same one.
        """
        given: dict[str, Any] = {"env": dict(self.environment)}
        if self.rights is None or self.rights.uid == os.geteuid():
            with _standing_in(self.folder, None):
                yield given
            return
        groups = list(self.rights.groups)
        with _standing_in(self.folder, self.rights):
            yield {**given, "user": self.rights.uid, "group": self.rights.gid, "extra_groups": groups}

    def fault_of_folder(self) -> str:
        """Return why no process can be started in the folder, or empty."""
        try:
            with self.of_process():
                return ""
        except OSError as error:
            return error.strerror or str(error)
        except NotSwitched as error:
            return str(error)


@contextlib.contextmanager
def _standing_in(folder: str, rights: Optional[Rights]) -> Iterator[None]:
    """Be in a folder for a block, entered with the rights of an account (None: ours). Popen would enter it with ours: a
    link that the account put there in the meantime would lead it where only we may go.
    """
    before = os.open(".", os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_PATH", 0))
    try:
        with acting_with(rights) if rights else contextlib.nullcontext():
            os.chdir(folder)
        yield
    finally:
        os.fchdir(before)
        os.close(before)
