# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The whole way from a bare host to one that is ready to trade: what it needs, in which order, and whether it is.

What is done on that way others do: packages and accounts Ansible's own modules, data and services backup_restore.
"""

from __future__ import annotations

from typing import Any

from ..options import common_options, option
from ..registry import declare
from ..restore import SPEC as RESTORE

BEGUN, JUDGED = "begun", "judged"

_STEP: dict[str, Any] = {
    "name": option("str", "Name of the step.", required=True),
    "title": option("str", "What it does, in a few words.", default=""),
    "after": option(
        "str", "Name of the step that it comes after. A row of O(steps) without it comes after the one above it."
    ),
    "tasks": option("str", "File of tasks that it is, for the role. The module does not read it."),
}
_ACCOUNT: dict[str, Any] = {
    "name": option("str", "Name of the account.", required=True),
    "uid": option("int", "Its number. The one that it had where that is known and free here, else the next."),
    "home": option("path", "Its home folder, which is not made."),
    "shell": option("str", "Its shell.", default="/usr/sbin/nologin"),
    "groups": option("list of str", "Groups that it is in beside the one of its name.", default=[]),
}

SPEC: dict[str, Any] = {
    "state": option(
        "str",
        [
            (
                "V(begun) proves that the set is there and holds (L1), refuses a host that an installation lives on, "
                "and says what the host needs and in which order. It may be asked again at any time: what is there by "
                "then is not needed any more."
            ),
            "V(judged) says of O(findings) whether the host is ready to trade, and closes the recovery where it is.",
        ],
        choices=[BEGUN, JUDGED],
        default=BEGUN,
    ),
    "over": option(
        "bool",
        (
            "Whether the recovery is begun although an installation lives on the host. What it replaces is kept in a "
            "safety set then."
        ),
        default=False,
    ),
    "steps": option(
        "list of dict",
        (
            "The steps, in their order. A later row of the same name takes the place of an earlier one, and one that "
            "says O(steps.after) comes there."
        ),
        default=[],
        options=_STEP,
    ),
    "packages": option(
        "list of str", "Packages of the distribution that the installation needs, beside the recorded ones.", default=[]
    ),
    "recorded_packages": option(
        "bool",
        (
            "Whether packages that a C(system) source of the set has as chosen by a person, and that are missing here, "
            "are needed too. They count only where the host runs the same release of the same distribution."
        ),
        default=True,
    ),
    "packages_left_out": option(
        "list of str",
        "Shell patterns of recorded packages that belong to the machine and not to the installation.",
        default=[],
    ),
    "accounts": option(
        "list of dict",
        "Accounts beside those that the set names as owners, or what is to be otherwise of one of those.",
        default=[],
        options=_ACCOUNT,
    ),
    "servers": option(
        "list of str",
        "Units of the database servers. Without any, those of this host's PostgreSQL and Redis sources that are there.",
        default=[],
    ),
    "findings": option("list of dict", "For V(judged): what was found when the host was looked at, as findings."),
    "trade_service": option("str", "Name of the trade service among O(services).", default="trade"),
    "failed_step": option("str", "For V(judged): name of the step that failed, so that nothing was looked at."),
    "failure": option("str", "For V(judged): why that step failed."),
    **{name: RESTORE[name] for name in ("dir", "sources", "services", "set", "label", "time", "from_host")},
    **{name: RESTORE[name] for name in ("accept_other", "scratch_dir", "store", "repository", "repository_password")},
    **{name: RESTORE[name] for name in ("repository_password_file", "repository_environment", "restic")},
    **{name: RESTORE[name] for name in ("sign_key_file", "trusted_accounts")},
    **common_options(3600),
}

AREA = declare(
    __name__,
    module="recover_host",
    spec=SPEC,
    procedures=(),
    plan_only=True,
    acts=True,
    tags=("B2.3",),
)
