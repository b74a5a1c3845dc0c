# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The checks of the noun cleanup, for docs/checks.md."""

from __future__ import annotations

from ..finding import Check, catalogue

CHECKS = catalogue(
    Check(
        "cleanup.platform",
        "W1.2",
        "Whether this collection knows how to delete safely on this kind of host.",
        "Run disk_cleanup on a supported platform, or take this host out of the play.",
    ),
    Check(
        "cleanup.reclaimable",
        "W1.2",
        "How much the declared rules would delete now, or have deleted.",
        "Run disk_cleanup without check mode (`ansible-playbook playbooks/weekly.yml --tags W1.2`).",
        "The bound of 1 GiB is ours: below it nobody is in a hurry.",
    ),
    Check(
        "cleanup.rule",
        "W1.2",
        "Whether each rule could be applied: its folder is there, may be read, and was looked through to the end.",
        "Correct the rule in cryptobot_cleanup_rules, mark its folder as optional, or raise the bound that is named.",
    ),
    Check(
        "cleanup.guard",
        "W1.2",
        "What a guard kept from being deleted: symlinks and reparse points on the way, other file systems, files in "
        "use, files that the system protects by a flag or attribute, databases, and folders that somebody replaced "
        "while the run went on.",
        "Nothing was lost. Declare the real path instead of a symlink; see who replaces folders (`ls -la`, auditd).",
        "Deleting by path as root follows whatever an ordinary account swaps in (CWE-59, CWE-367).",
    ),
    Check(
        "cleanup.in_use",
        "W1.2",
        "Whether the files that processes have open could be seen, so that none of them is deleted.",
        "Run it as root, or give every rule an age that no file in use can reach.",
        "Lynis LOGG-2190: a deleted file that is open frees nothing and is hard to find.",
    ),
    Check(
        "cleanup.failed",
        "W1.2",
        "Deletions that the system refused.",
        "Look at the owner and mode of the folder (`ls -ld`, on Windows `icacls`), at its flags (`lsattr`, `ls -lO`), "
        "and whether it is mounted read-only.",
    ),
    Check(
        "cleanup.budget",
        "W1.2",
        "Whether the bytes that were asked for could be freed within the rules, and what was left by the bounds.",
        "Declare more rules, or look what else takes the space (usage_roots).",
    ),
    Check(
        "cleanup.usage",
        "W1.2",
        "What takes the space below the folders that were asked about.",
        "Look further down (`du -xh --max-depth=2 FOLDER | sort -h`), and declare a rule for what is not needed.",
    ),
)
