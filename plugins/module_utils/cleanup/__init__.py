# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What may be deleted, and nothing else. RULE is the shape of cryptobot_cleanup_rules."""

from __future__ import annotations

from typing import Any

from ..options import common_options, option
from ..registry import declare

RULE: dict[str, Any] = {
    "name": option("str", "What the rule is called in findings. No other rule has this name.", required=True),
    "path": option(
        "path",
        [
            (
                "The folder that the rule speaks of, absolute, and without a symlink anywhere on the way. The folder "
                "itself is never deleted."
            ),
            (
                "On Windows a drive and long names, such as V(C:\\\\CryptoBot\\\\logs), of any length and with either "
                "kind of slashes. Shares, devices, short names (8.3), names that end in a dot or a space, and streams "
                "are refused, because they hide where a path ends."
            ),
            (
                "On macOS F(/tmp), F(/var) and F(/etc) are taken for what they are links to, below F(/private), and "
                "F(/System/Volumes/Data) for the folders that are joined to it."
            ),
        ],
        required=True,
    ),
    "patterns": option(
        "list of str",
        [
            "Shell patterns of file names. A file that fits any of them is meant; without any, every file is.",
            (
                "They are compared with the name alone, so they have no slash. A leading dot is a character like "
                "others. Upper and lower case count on every platform."
            ),
        ],
        default=[],
    ),
    "age": option(
        "str",
        [
            "How old a file must be at least, such as V(12h), V(7d) or V(4w). The unit is needed.",
            "Required where the patterns leave nothing out, and with O(rules[].empty_dirs).",
        ],
    ),
    "age_by": option(
        "str",
        [
            "Which of its times an age is counted from, and what O(rules[].keep) calls new.",
            (
                "V(newest) takes the latest of the three, as C(systemd-tmpfiles) does. It suits F(/tmp), where an "
                "unpacked file has the old V(mtime) of its origin."
            ),
            "On Windows V(ctime) is when the file was made there, and V(atime) is often not kept.",
        ],
        choices=["mtime", "ctime", "atime", "newest"],
        default="mtime",
    ),
    "owner": option(
        "str",
        [
            "Account, by name or number, that must own a file. Files of others are not meant.",
            (
                "Windows has no such numbers, and an owner that is not known never matches. There a rule with an owner "
                "deletes nothing and is V(unknown)."
            ),
        ],
    ),
    "keep": option("int", "So many of the newest files that the rule speaks of stay, however old they are.", default=0),
    "recurse": option("bool", "Whether the folders below are meant too.", default=False),
    "min_size": option("str", "Size that a file must have at least, such as V(10M)."),
    "empty_dirs": option(
        "bool",
        (
            "Whether folders below that are as old as O(rules[].age) are removed when they are empty, or become so by "
            "this run. It needs O(rules[].recurse)."
        ),
        default=False,
    ),
    "optional": option("bool", "Whether it is fine that the folder does not exist.", default=False),
}

SPEC: dict[str, Any] = {
    "rules": option(
        "list of dict",
        "What may be deleted. This is the inventory variable C(cryptobot_cleanup_rules).",
        required=True,
        options=RULE,
        variable="cryptobot_cleanup_rules",
    ),
    "install_dir": option(
        "path", "The folder of Cryptobot. No rule may lie at or above it.", variable="cryptobot_install_dir"
    ),
    "protected": option(
        "list of path",
        [
            (
                "Folders and files that nothing may touch, such as backups and databases. No rule may lie at, in or "
                "above one."
            ),
            (
                "The data is protected, by whatever path it is reached. A symlink, a second name, a bind mount, a "
                "subvolume, an overlay or a drive made by C(subst) does not get around it. O(state_dir) and the "
                "folders of the system itself are always protected."
            ),
            (
                "On Windows a path without a drive is protected on every drive. Upper and lower case do not count "
                "there and on macOS."
            ),
        ],
        default=[],
    ),
    "free_bytes": option(
        "str",
        [
            "Free at most this much, such as V(5G), and stop. The oldest files go first.",
            "The file with which the size is reached is still deleted.",
        ],
    ),
    "max_files": option(
        "int", "Delete at most so many files and folders in one run. What is left is reported.", default=100_000
    ),
    "max_entries": option(
        "int",
        "Look at at most so many names in one run. A rule that is not looked through to the end is V(unknown).",
        default=200_000,
    ),
    "scan_seconds": option("float", "Seconds that looking through the folders may take.", default=60.0),
    "reclaimable_warning": option(
        "str", "In check mode, more than this that could be deleted is a warning.", default="1G"
    ),
    "usage_roots": option(
        "list of path", "Folders of which to say what takes the space, by the names directly in them.", default=[]
    ),
    **common_options(600, "Seconds that the whole run may take. What is not reached by then is left for the next run."),
}

AREA = declare(
    __name__,
    module="disk_cleanup",
    spec=SPEC,
    procedures=("W1.2",),
    plan_only=True,
    acts=True,
)
