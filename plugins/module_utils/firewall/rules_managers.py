# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules about what manages the filter: what it has stored beside what runs, and what the next boot makes of it.

They never say what is open: that is judged from the kernel's rules alone.
"""

from __future__ import annotations

from ..finding import CRITICAL, OK, SKIPPED, UNKNOWN, WARNING
from ..registry import Outcome, Rules
from .context import Context
from .model.intervals import BITS
from .snapshot import Boot, Manager

RULES = Rules()
_SHOWN = 5  # differences that a message spells out
_LISTED = 50  # differences that are listed beside it


def _unseen(context: Context) -> bool:
    return any(context.ruleset.why_unavailable(family) for family in BITS)


@RULES.rule(
    "firewall.view_drift",
    procedure="W2.3",
    remedy={
        "linux": (
            "Load what is stored (ufw reload; firewall-cmd --reload; systemctl reload nftables), or store what runs."
        ),
        "darwin": "Load the rules (pfctl -f /etc/pf.conf) and turn pf on (pfctl -E).",
        "windows": "Turn the profile on, put the rules into the group policy, or remove them here.",
    },
    source="rules that run and are not stored are gone at the next boot, and the other way round",
)
def judge_view_drift(context: Context) -> list[Outcome]:
    """What manages rules says what is in force: ufw, firewalld, nftables.service, profiles of Windows, pf."""
    managers = context.snapshot.managers
    if not managers and not _unseen(context):
        text = "no manager of rules (ufw, firewalld, nftables.service) is here"
        return [Outcome(SKIPPED, text, subject="managers")]
    # what is off is so without comparing it
    return [_manager(manager) for manager in managers if not (manager.enabled and _unseen(context))]


def _manager(manager: Manager) -> Outcome:
    name, count, remedy = manager.name, len(manager.differences), manager.remedy or None
    listed = list(manager.differences[:_LISTED])
    shown = "; ".join(listed[:_SHOWN])
    loads = f". The next boot loads {manager.stored}" if manager.stored else ""
    unsure = f". Not compared: {manager.unavailable}" if manager.unavailable else ""
    if not manager.enabled:
        return Outcome(SKIPPED, manager.off or f"{name} is installed and not enabled", subject=name)
    if not manager.loaded:
        text = f"{name} is enabled, and the kernel does not hold its rules{': ' if shown else ''}{shown}{unsure}"
        return Outcome(CRITICAL, text, "its rules in the kernel", "none", remedy, name)
    if listed:
        text = f"{name} and the kernel differ in {count} places: {shown}{loads}{unsure}"
        return Outcome(WARNING, text, manager.stored or "what is stored", listed, remedy, name)
    if manager.unavailable:
        text = f"what {name} has stored could not be compared with what runs: {manager.unavailable}"
        return Outcome(UNKNOWN, text, remedy=remedy, subject=name)
    return Outcome(OK, f"the rules of {name} are in force", subject=name)


@RULES.rule(
    "firewall.boot",
    procedure="W2.3",
    remedy="Enable what loads the rules (systemctl enable), or store them where what is enabled loads them.",
    source="nft(8), iptables(8): rules live in the kernel only, and each boot begins without any",
)
def judge_boot(context: Context) -> list[Outcome]:
    """The rules that run now are loaded again at the next boot, by one loader only."""
    if _unseen(context):
        return []
    of_linux = context.snapshot.system == "linux"
    text = "no rules run that a boot could lose" if of_linux else "what the next boot loads is judged on Linux only"
    return [_boot(boot) for boot in context.snapshot.boot] or [Outcome(SKIPPED, text, subject="next boot")]


def _boot(boot: Boot) -> Outcome:
    status = OK if boot.kept else UNKNOWN if boot.kept is None else WARNING
    return Outcome(status, boot.text, remedy=boot.remedy or None, subject=boot.subject)
