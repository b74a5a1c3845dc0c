# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Drills: a scenario played on copies, the way back timed, the result kept. Nothing that is live is touched."""

from __future__ import annotations

from typing import Any

from ..backup import SPEC as BACKUP
from ..options import common_options, option
from ..registry import declare

NONE, DELETE, ENCRYPT, FLIP, CHANGE = "none", "delete", "encrypt", "flip", "change"
STORE = (
    "store",
    "repository",
    "restic",
    *(f"repository_{name}" for name in ("password", "password_file", "environment")),
)

_SCENARIO: dict[str, Any] = {
    "name": option("str", "Name of the scenario.", required=True),
    "title": option("str", "What happened, in one sentence.", required=True),
    "types": option(
        "list of str",
        "Types of sources that come back. All of the set by default.",
        default=[],
        choices=["files", "sqlite", "postgresql", "redis", "system"],
    ),
    "damage": option(
        "str",
        (
            "What is done to a first restored copy. It has to be noticed before the second one is restored and timed. "
            "V(delete) removes everything, V(encrypt) writes random bytes over all files, V(flip) changes one byte in "
            "the middle of each database, V(change) appends to each file. With V(none) there is nothing but the set."
        ),
        choices=[NONE, DELETE, ENCRYPT, FLIP, CHANGE],
        default=NONE,
    ),
    "before": option(
        "str",
        (
            "How old the set has to be at least, such as V(24h): what encrypts or changes files has been at it for a "
            "while. Default is the newest good set."
        ),
        default="0s",
    ),
    "questions": option("list of str", "Questions that the lessons sheet asks whoever reads it.", default=[]),
}

_SMOKE: dict[str, Any] = {
    "name": option("str", "Name of the service.", required=True),
    "command": option(
        "list of str",
        (
            "Command that starts it from the restored copy, on another port than the live one has. C({root}) is "
            "the folder in which the sources lie, each in a folder of its name."
        ),
        required=True,
    ),
    "user": option("str", "Account that runs it. Required where the drill runs as root."),
    "environment": option("dict", "Variables of its environment, beside PATH.", default={}, no_log=True),
    "port": option("int", "Port on which it has to answer, on V(127.0.0.1).", required=True),
    "path": option("str", "Path that it has to answer with 200.", default="/health"),
    "seconds": option("float", "How long it may take to be well.", default=60.0),
}

SPEC: dict[str, Any] = {
    "dir": BACKUP["dir"],
    "scenario": option("str", "Name of the scenario that is played, one of O(scenarios).", required=True),
    "scenarios": option(
        "list of dict",
        "The scenarios that there are, as data. The role C(dr_drill) has four, and takes more.",
        required=True,
        options=_SCENARIO,
    ),
    "label": option("str", "Of which label the set is, such as V(weekly). Without it any will do."),
    "of_host": option(
        "str",
        "Name of the host whose sets are meant. Without it this host's own; a scratch host names the one it is for.",
    ),
    "rto_minutes": option(
        "float", "Within how many minutes everything has to be back (recovery time objective).", default=60.0
    ),
    "rpo_hours": option(
        "float", "How many hours of data may be lost at most (recovery point objective).", default=26.0
    ),
    "smoke": option(
        "list of dict",
        (
            "Services that are started from the restored copy and have to be well. Without any the databases are "
            "opened and their rows counted, and nothing of the application is run."
        ),
        default=[],
        options=_SMOKE,
    ),
    "endpoints": option(
        "list of str",
        (
            "Where exchanges answer, as C(host:port). While one of them can be reached nothing of the application is "
            "started, because its keys are live; O(sandbox) is the other proof. Nor is it where a name is not resolved."
        ),
        default=[
            "api.binance.com:443",
            "api.kraken.com:443",
            "api.coinbase.com:443",
            "api.bybit.com:443",
            "www.okx.com:443",
            "api.kucoin.com:443",
            "api-pub.bitfinex.com:443",
        ],
    ),
    "sandbox": option(
        "list of str",
        (
            "Lines such as V(EXCHANGE_SANDBOX=true) that each restored C(.env) has to have, all of them: then the "
            "application reaches no live exchange, whatever the network allows."
        ),
        default=[],
    ),
    "keep_records": option("int", "How many drills are remembered.", default=200),
    "scratch_dir": BACKUP["scratch_dir"],
    "sign_key_file": BACKUP["sign_key_file"],
    "trusted_accounts": BACKUP["trusted_accounts"],
    **{name: BACKUP[name] for name in STORE},
    **common_options(7200),
}

AREA = declare(
    __name__,
    module="dr_drill",
    spec=SPEC,
    procedures=(),
    plan_only=True,
    acts=True,
    low_priority=False,
    tags=("Q3.1", "Q3.2", "M4.2"),
)
