# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The store and its repository as they are declared."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple, Optional

from ..errors import InputError
from ..finding import EMPTY
from ..options import expand, option

_LOGIN = re.compile(r"(?<=://)[^/@]*@")
_ELSEWHERE = ("sftp:", "s3:", "rest:", "rclone:", "b2:", "azure:", "gs:", "swift:")
_FILE = "repository_password_file"
_RESTIC_OWN = ("RESTIC_REST_USERNAME", "RESTIC_REST_PASSWORD")

OPTIONS: dict[str, Any] = {
    "store": option(
        "str",
        [
            (
                "Where sets lie. V(archive) is a folder for each set in O(dir), readable with C(tar), C(zstd), "
                "C(sqlite3) and C(pg_restore). V(restic) is a repository of restic, which encrypts and takes what is "
                "new alone; O(dir) then has the manifest and the evidence of each set, and what is staged."
            ),
            "The page C(docs/backup-stores.md) says which one when.",
        ],
        choices=["archive", "restic"],
        default="archive",
        variable="cryptobot_backup.store",
    ),
    "repository": option(
        "str",
        [
            (
                "Repository of restic: an absolute path, or where V(sftp:), V(s3:), V(rest:), V(rclone:), V(b2:), "
                "V(azure:), V(gs:) or V(swift:) lead. Required for O(store=restic)."
            ),
            (
                "It is made by the first run. Where one that this host knew is gone, none is made in its place. Let no "
                "other program write to it."
            ),
        ],
        variable="cryptobot_backup.repository",
    ),
    "repository_password": option(
        "str",
        "Password of the repository. It travels in the environment, never in a command line. Without it nothing of the "
        "repository can be read, so keep it where the host is not.",
        no_log=True,
        variable="cryptobot_backup.repository_password",
    ),
    "repository_password_file": option(
        "path",
        "File on the host with that password, of mode 0600 and owned by root or the account of the run.",
        no_log=False,
        variable="cryptobot_backup.repository_password_file",
    ),
    "repository_environment": option(
        "dict",
        "Variables that restic gets, such as C(AWS_ACCESS_KEY_ID) and C(AWS_SECRET_ACCESS_KEY). Of restic's own only "
        "C(RESTIC_REST_USERNAME) and C(RESTIC_REST_PASSWORD).",
        no_log=True,
        default={},
        variable="cryptobot_backup.repository_environment",
    ),
    "restic": option(
        "path",
        "Program restic where it is not on the PATH. From version 0.14 on.",
        variable="cryptobot_backup.restic",
    ),
}


class Repository(NamedTuple):
    """A repository of restic and how it is opened."""

    where: str
    password: str = ""
    password_file: str = ""
    environment: Mapping[str, str] = EMPTY
    program: str = "restic"

    def __repr__(self) -> str:
        """Return it as text without what opens it, and without a login in its address."""
        return f"Repository({self.shown!r})"

    @property
    def shown(self) -> str:
        """Where it is, for people: without a login that stands in its address."""
        return _LOGIN.sub("", self.where)

    @property
    def path(self) -> str:
        """Its folder on this host; empty where it lies elsewhere."""
        return self.where if os.path.isabs(self.where) else ""


def read_repository(params: Mapping[str, Any], platform: str) -> Optional[Repository]:
    """Given the options, return the repository; None for sets that lie in the backup folder.

    Raise InputError naming the first option that is wrong.
    """
    if params["store"] != "restic":
        return None
    if platform == "windows":
        expected = "none on Windows: store restic was not tried there by this collection"
        raise InputError("repository", params["repository"], expected)
    where, password, file = (params[name] or "" for name in ("repository", "repository_password", _FILE))
    elsewhere = where.startswith(_ELSEWHERE)
    if not elsewhere and not where.startswith(("/", "~")):
        raise InputError("repository", _LOGIN.sub("", where), f"an absolute path, or one of {', '.join(_ELSEWHERE)}")
    if bool(password) == bool(file):
        expected = f"the password of the repository: either it or {_FILE}"
        raise InputError("repository_password", "both" if file else None, expected)
    program = expand(params["restic"]) if params["restic"] else "restic"
    return Repository(
        where if elsewhere else expand(where), password, expand(file) if file else "", _environment(params), program
    )


def _environment(params: Mapping[str, Any]) -> dict[str, str]:
    given = {str(name): str(value) for name, value in (params["repository_environment"] or {}).items()}
    for name in given:
        if name.startswith("RESTIC_") and name not in _RESTIC_OWN:
            expected = f"no variable of restic's own but {' and '.join(_RESTIC_OWN)}"
            raise InputError("repository_environment", name, expected)
    return given
