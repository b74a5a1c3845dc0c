# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The checks of a run itself: was each host reached, did each procedure come to its end."""

from __future__ import annotations

from ansible_collections.cryptobot.maintenance.plugins.module_utils.finding import Check, catalogue

CHECKS = catalogue(
    Check(
        "run.reached",
        "D1.1",
        "Each host of the play was reached from the first task to the last.",
        "Try `ansible <host> -m ansible.builtin.ping`, then run the playbook again with --limit <host>.",
        "unknown is never ok: a lost host is reported, never left out",
    ),
    Check(
        "run.procedure",
        "D1.1",
        "Each procedure that the play asked for came to its end.",
        "Run the playbook again with --limit <host> --tags <procedure> -vvv and read the task's error.",
        "a task fails where its arguments are wrong or an action did not succeed",
    ),
    Check(
        "run.complete",
        "D1.1",
        "Each finding of each procedure is in the report.",
        "Run the module alone on that host, narrowed to fewer subjects, and see why it has so many.",
        "what is left out is said: an answer of a host is bounded, and findings can be read or are unknown",
    ),
)
