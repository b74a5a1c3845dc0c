# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the options of an area are made of. Each is typed once, in the SPEC of its area; from there come the
argument_spec, the documentation of modules, roles and inventory, and what the validation says.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Union

from .errors import InputError

# What only this collection reads of an option: neither Ansible's validator nor ansible-test knows it.
ANNOTATIONS = frozenset({"description", "example", "variable", "version_added"})


def option(kind: str, description: Union[str, Sequence[str]], **more: Any) -> dict[str, Any]:
    """Given the type of an option (``list of X`` for a list), what it is, and what else an argument_spec or ANNOTATIONS
    know of it, return the option.
    """
    name, _of, elements = kind.partition(" of ")
    return {"type": name, **({"elements": elements} if elements else {}), "description": description, **more}


def argument_spec(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Given a SPEC, return what Ansible knows of it."""
    return {
        name: {
            key: argument_spec(value) if key == "options" else value
            for key, value in each.items()
            if key not in ANNOTATIONS
        }
        for name, each in spec.items()
    }


def common_options(timeout: int, seconds: str = "Seconds that the whole run may take.") -> dict[str, Any]:
    """Given the default bound of a whole run in seconds, and what it is of, return the options common to all areas."""
    return {
        "state_dir": option(
            "path",
            [
                (
                    "Folder in which the collection remembers what it compares with at the next run, and where its "
                    "lock is held."
                ),
                (
                    "It is made, readable by its owner only, where it does not exist. An audit also works where it "
                    "cannot be written."
                ),
            ],
            default="/var/lib/cryptobot-maintenance",
        ),
        "timeout": option("int", seconds, default=timeout),
    }


# An entry of exceptions: findings that somebody answers for (accepted.py).
EXCEPTION: dict[str, Any] = {
    "check": option("str", "Id of the check, such as V(firewall.latent_opening).", required=True),
    "subject": option(
        "str",
        "Subject of the finding as a report shows it, or a shell pattern of it. All subjects of the check by default.",
        default="*",
    ),
    "owner": option("str", "Who answers for it.", required=True),
    "reason": option("str", "Why it may be so.", required=True),
    "expires": option(
        "str",
        "Last day on which it counts, in UTC, such as V(2027-06-30). After it it is a finding.",
        required=True,
    ),
}


def expand(path: str) -> str:
    """Given a path as an operator writes it, return it absolute with ``~`` resolved. Symlinks are left as they are.

    Raise InputError where the account whose home it names does not exist.
    """
    try:
        return os.path.abspath(str(Path(path).expanduser()))
    except RuntimeError:
        raise InputError("a path", path, "the home folder of an account of this host") from None
