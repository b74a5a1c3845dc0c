# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way back: a set restored beside what is there, proved, and put in its place while the services are held down."""

from __future__ import annotations

from typing import Any

from ..backup import SPEC as BACKUP
from ..options import common_options, option
from ..registry import declare
from ..services import SERVICES

RESTORED, RESUMED, ROLLED_BACK, TIDIED, LISTED = "restored", "resumed", "rolled_back", "tidied", "listed"

SPEC: dict[str, Any] = {
    "state": option(
        "str",
        [
            (
                "V(restored) verifies a set, keeps what is there in a safety set, restores beside, proves that, holds "
                "the services down, swaps, and starts them again. A failure before the end of the swap puts everything "
                "back."
            ),
            "V(resumed) goes on with a restore that was interrupted, from the step that it had come to.",
            (
                "V(rolled_back) puts back what was there before, of a restore that was interrupted or that is done and "
                "whose old state is still kept."
            ),
            "V(tidied) removes old states whose O(keep_old) is over, and those of O(restore) at once.",
            "V(listed) shows which restores there were, and changes nothing.",
        ],
        choices=[RESTORED, RESUMED, ROLLED_BACK, TIDIED, LISTED],
        default=RESTORED,
    ),
    "dir": BACKUP["dir"],
    "sources": BACKUP["sources"],
    "services": SERVICES,
    "set": option(
        "str",
        "Which set. V(newest) good one, or the id or name of one. Safety sets are taken only where they are named.",
        default="newest",
    ),
    "archive": option(
        "path",
        [
            (
                "Restore this archive of the application's own script (V(backup.sh), V(backup.ps1)), a file on the "
                "host, in place of a set."
            ),
            (
                "Such an archive lacks much, and a finding says what. What is there and not in it stays as it is; what "
                "is restored gets the owner and mode of what it replaces. Its logs stay in it unless O(only) names "
                "V(logs)."
            ),
            (
                "Its folders belong below O(install_dir), and only where a source of files has them; its database goes "
                "to the source that is of the same name. Names for O(only) are those of its folders and of sources."
            ),
        ],
    ),
    "install_dir": option(
        "path", "The folder of Cryptobot. Required with O(archive).", variable="cryptobot_install_dir"
    ),
    "label": option("str", "Of which label V(newest) is, such as V(weekly). Without it any will do."),
    "time": option(
        "str",
        (
            "Moment such as V(2026-11-29T18:00:00Z), in UTC. The newest good set that was begun before it is taken in "
            "place of V(newest)."
        ),
    ),
    "from_host": option(
        "str", "Name of the host that made the set, where that is another one than this. Else such a set is refused."
    ),
    "accept_other": option(
        "bool",
        (
            "Whether a source is restored although it is declared otherwise now (other paths, another database) than "
            "when the set was made."
        ),
        default=False,
    ),
    "only": option("list of str", "Names of the sources that are restored. All of the set by default.", default=[]),
    "databases": option(
        "list of str", "Of V(postgresql) sources these databases alone. All of them by default.", default=[]
    ),
    "tables": option(
        "list of str",
        [
            (
                "Restore the rows of these tables alone, and keep everything else of the database as it is. The tables "
                "have to have the same columns as in the set."
            ),
            "For V(sqlite) sources. Name one source by O(only).",
        ],
        default=[],
    ),
    "files": option(
        "list of str",
        (
            "Of V(files) sources what matches one of these shell patterns alone, by absolute path, such as "
            "V(/opt/cryptobot/config/*.yml). What else is there stays as it is."
        ),
        default=[],
    ),
    "into": option(
        "path",
        (
            "Folder to restore into, in place of where the sources lie. It must not be there, or be empty. Nothing is "
            "swapped and no service is touched then."
        ),
    ),
    "safety_set": option(
        "bool",
        "Whether a set of what will be replaced is made before, with the label V(safety), pinned for 30 days.",
        default=True,
    ),
    "keep_old": option("str", "How long the old state is kept for O(state=rolled_back).", default="48h"),
    "restore": option("str", "Id of the restore that is meant, as V(listed) shows it. The newest by default."),
    "hold": option(
        "list of str",
        (
            "Services that are held down meanwhile. All of O(services) by default, but one that listens on the port of "
            "a V(postgresql) source."
        ),
        default=[],
    ),
    "stop_timeout": option("float", "Seconds that a service has to end.", default=90.0),
    "gate_timeout": option("float", "Seconds that a service has from its start to pass its health gate.", default=90.0),
    "space_factor": option("float", "How many times the size of what is restored must be free.", default=1.1),
    "scratch_dir": BACKUP["scratch_dir"],
    "store": BACKUP["store"],
    "repository": BACKUP["repository"],
    "repository_password": BACKUP["repository_password"],
    "repository_password_file": BACKUP["repository_password_file"],
    "repository_environment": BACKUP["repository_environment"],
    "restic": BACKUP["restic"],
    "sign_key_file": BACKUP["sign_key_file"],
    "trusted_accounts": BACKUP["trusted_accounts"],
    **common_options(14400),
}

AREA = declare(
    __name__,
    module="backup_restore",
    spec=SPEC,
    procedures=(),
    plan_only=True,
    acts=True,
    low_priority=False,
    tags=("B2.2", "DB3.1"),
)
