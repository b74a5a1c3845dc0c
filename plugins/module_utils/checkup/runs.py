# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How each noun of a checkup is run: imported when it is asked for, in a statement that Ansible finds when it packs
the module. Ansible sends source only, and compiling nouns that nobody asked for costs a host more than looking does.
"""

from __future__ import annotations

from typing import Any

from ..finding import Result
from ..host import Host

Params = dict[str, Any]


def run_backup(params: Params, host: Host, check_mode: bool = False) -> Result:
    """Run the noun backup."""
    from ..backup.run import run

    return run(params, host, check_mode)


def run_cleanup(params: Params, host: Host, check_mode: bool = False) -> Result:
    """Run the noun cleanup."""
    from ..cleanup.run import run

    return run(params, host, check_mode)


def run_database(params: Params, host: Host, check_mode: bool = False) -> Result:
    """Run the noun database."""
    from ..database.run import run

    return run(params, host, check_mode)


def run_firewall(params: Params, host: Host, check_mode: bool = False) -> Result:
    """Run the noun firewall."""
    from ..firewall.run import run

    return run(params, host, check_mode)


def run_resources(params: Params, host: Host, check_mode: bool = False) -> Result:
    """Run the noun resources."""
    from ..resources.run import run

    return run(params, host, check_mode)


def run_restart(params: Params, host: Host, check_mode: bool = False) -> Result:
    """Run the noun restart."""
    from ..restart.run import run

    return run(params, host, check_mode)


def run_services(params: Params, host: Host, check_mode: bool = False) -> Result:
    """Run the noun services."""
    from ..services.run import run

    return run(params, host, check_mode)
