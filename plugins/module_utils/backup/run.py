# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The noun ``backup``: take sets, prove that they can be read, list them, remove those that no rule keeps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..finding import Result
from ..host import Host
from ..trusted_accounts import others_of
from .catalog.signature import read_key
from .judge import RULES as ALL_RULES
from .settings import read_settings
from .states.listed import listed
from .states.present import present
from .states.pruned import pruned
from .states.verified import verified

RULES = ALL_RULES
STATES = {"present": present, "verified": verified, "listed": listed, "pruned": pruned}


def run(params: dict[str, Any], host: Host, check_mode: bool = False) -> Result:
    """Given the options of the module backup_archive, bring the backups into the state asked for, or plan to.

    Raise InputError where an option is wrong, LockHeld where another maintenance run works on this host.
    """
    settings = read_settings(params, host.platform)
    if settings.sign_key_file:
        settings = replace(settings, sign_key=read_key(settings.sign_key_file))
    if settings.trusted_accounts:
        settings = replace(settings, others=others_of("trusted_accounts", settings.trusted_accounts))
    return STATES[settings.state](settings, host, check_mode)
