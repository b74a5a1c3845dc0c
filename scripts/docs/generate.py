# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make what the code says of itself: checks.md, procedures.md and inventory.md of docs/, the modules and action plugins
of all areas, the specs of roles, the action group of meta/runtime.yml.

python scripts/docs/generate.py            write the pages
python scripts/docs/generate.py --check    say which page is not what the code says, and end with 1
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import checks
import inventory
import modules
import sources
from markdown import NOTE, cell, paragraph

import roles

YAML_NOTE = """\
# Made by `make docs` from docs/inventory.yml and the SPECs of the areas; a test compares them. Change those instead."""


def covered_by(procedure: str) -> tuple[str, str]:
    """Return the modules whose checks name the procedure, and the playbooks that a tag of it narrows."""
    about = [area for area in sources.areas() if procedure in {c.procedure for c in area.rules().checks.values()}]
    by_modules = sorted({area.module for area in about})
    books = sorted(sources.tagged_playbooks().get(procedure, ()))
    return ", ".join(f"`{name}`" for name in by_modules), ", ".join(f"`{name} --tags {procedure}`" for name in books)


def proofs(entry: dict) -> str:
    """Given a procedure, return links to the tests that prove it."""
    return ", ".join(f"[{Path(test).parent.name}/{Path(test).stem}](../{test})" for test in entry.get("tests", ()))


def procedures_page() -> str:
    """Return docs/procedures.md: all procedures, and what covers each so far."""
    rows, covered, total = [], 0, 0
    for section in sources.procedures():
        books = ", ".join(f"`{name}`" for name in section["playbooks"])
        rows += [
            "",
            f"## {section['section']}: {section['title']} ({books})",
            "",
            "| id | procedure | what it is | modules | run it by | not of it yet | proven by |",
            "|---|---|---|---|---|---|---|",
        ]
        for entry in section["procedures"]:
            by_modules, run = covered_by(entry["id"])
            done = bool(by_modules and run)
            total, covered = total + 1, covered + done
            so_far = (by_modules, run, entry.get("missing", ""), proofs(entry)) if done else ("not yet", "", "all", "")
            cells = (entry["id"], entry["name"], entry["what"], *so_far)
            rows.append(f"| {' | '.join(cell(text) for text in cells)} |")
    intro = [
        "# Procedures",
        NOTE,
        "",
        paragraph(
            f"Every maintenance procedure of a Cryptobot installation. {covered} of {total} are covered so far: a"
            " module's checks name the procedure, a playbook runs it by its tag, and the tests named prove it on real"
            ' systems, but for what stands under "not of it yet".'
        ),
    ]
    return "\n".join(intro + rows) + "\n"


# What docs/inventory.md begins with, a paragraph each.
OF_INVENTORIES = (
    (
        "The inventory says what is meant; every module compares it with what is there. Defaults are in"
        " [roles/inventory/defaults/main.yml](../roles/inventory/defaults/main.yml)."
    ),
    (
        "Before anything acts, every playbook finds all mistakes in the variables of all its hosts, by the code"
        " that would refuse them on the hosts, and says each in one line with its hosts, its place, its value and"
        " what is expected. A host that has one is left out: it is `unknown` in the report, the run ends with 2,"
        " and the others go on, because one host's typo is no reason to leave the others without their backup."
        " `cryptobot_on_mistake: stop` stops all instead. `ansible-playbook cryptobot.maintenance.validate` does"
        " only that, without any connection."
    ),
    (
        "Only what a run uses counts: with `--tags W1.3` a mistake in `cryptobot_services` is named and does not"
        " leave its host out; `--limit` leaves the other hosts' mistakes aside. A variable `cryptobot_...` that"
        " nothing knows is a mistake where its name is that of a known one but for a slip of the hand: one or two"
        " letters and at most a third of what follows `cryptobot_`, two letters swapped, another case, a hyphen."
        " Any other is only named. One that another variable is made of is known. One that begins with a slip"
        " of the hand (`crytobot_services`) is named and no mistake. With `--start-at-task` Ansible skips the"
        " validation; with `--skip-tags always` it would, and the report too, so a run with that ends at once."
    ),
    (
        "A variable that is written and has no value (`cryptobot_services:` with all its lines commented out) is a"
        " mistake, whatever it expects, because Ansible puts that nothing over the default. Remove the line, and its"
        " default holds, or write `[]` where there is none."
    ),
    (
        "What Ansible itself cannot read stops the run for all hosts. Of a file in `host_vars` or `group_vars` a line"
        " names the file and the hosts (`expires: 2027-02-30` without quotes is a day that YAML itself refuses). Of an"
        " inventory file Ansible's own warnings name it, and then there is no host to work on. `cryptobot_hosts` and"
        " `cryptobot_serial` choose the hosts of a run (default `cryptobot`) and how many of them at once (default"
        " all); they are given with `-e`, because Ansible reads no host's variables for that."
    ),
)


# What it ends with: no variable, and yet something that a site says to a run.
MARKER = (
    "While somebody works on a host, the findings of its services can be silenced for a stated time. The file"
    " `maintenance` in `cryptobot_state_dir` of that host holds one line, the end as ISO 8601 with a zone. On Linux the"
    " account of the run makes it by `date -u -d '+2 hours' +%FT%TZ > /var/lib/cryptobot-maintenance/maintenance`."
    " Until then what is not ok of services is `skipped` and says what it was, and `services.maintenance` is `unknown`"
    " and says until when. A marker that is over, or whose end cannot be read, silences nothing and is a warning. It is"
    " not believed where another account could change that folder (`checkup.state`). It keeps no run from acting."
)


def inventory_page() -> str:
    """Return docs/inventory.md: each variable of an inventory and what is within it."""
    lines, defaults = ["# The inventory", NOTE], inventory.defaults()
    for text in OF_INVENTORIES:
        lines += ["", paragraph(text)]
    for name, variable in inventory.variables().items():
        lines += [
            "",
            f"## {name}",
            "",
            cell(variable["description"]),
            "",
            "| name | type | default | what it is |",
            "|---|---|---|---|",
        ]
        default = {"default": defaults[name]} if name in defaults else {}
        for row in inventory.rows({name: {**variable, **default}}):
            lines.append(
                f"| `{row[0].removeprefix(name + '.')}` | {row[1]} | {cell(row[2])} | {cell(plain_markup(row[3]))} |"
            )
    lines += ["", "## The maintenance marker", "", paragraph(MARKER)]
    return "\n".join(lines) + "\n"


def plain_markup(text: str) -> str:
    """Given a description with Ansible's markup, return it with code spans instead. Within V, O, RV and P Ansible wants
    a backslash doubled.
    """

    def span(found: re.Match[str]) -> str:
        inner = found[3] or found[2]
        return f"`{inner if found[1] in ('C', 'M', 'F') else inner.replace(chr(92) * 2, chr(92))}`"

    return re.sub(r"\b([COVMFRP]|RV)\(([^)#]*(?:#module:)?)([^)]*)\)", span, text)


def inventory_spec() -> str:
    """Return roles/inventory/meta/argument_specs.yml."""
    main = {
        "short_description": "The variables of a Cryptobot inventory",
        "description": [
            "Gives each variable its default. C(tasks_from=validate) finds all mistakes in the variables of all hosts.",
            "Ansible's own validation would be one task for each host and stop at the first.",
        ],
        "options": inventory.variables(),
    }
    text = modules.as_yaml({"argument_specs": {"variables": main}})
    return f"---\n{sources.LICENCE}\n\n{YAML_NOTE}\n{text}"


def runtime() -> str:
    """Return meta/runtime.yml with the module of each area in the action group."""
    text = (sources.CHECKOUT / "meta" / "runtime.yml").read_text("utf-8")
    names = "".join(f"    - {name}\n" for name in sorted(sources.modules_by_area().values()))
    return re.sub(r"(?m)(^  maintenance:.*\n)(?:    - .*\n)+", rf"\g<1>{names}", text)


PAGES = {
    "docs/checks.md": checks.page,
    "plugins/plugin_utils/report/checks.json": checks.of_the_report,
    "docs/procedures.md": procedures_page,
    "docs/inventory.md": inventory_page,
    "roles/inventory/meta/argument_specs.yml": inventory_spec,
    "meta/runtime.yml": runtime,
}


def main(arguments: list[str]) -> int:
    """Write the pages, or with ``--check`` compare them; return the exit code."""
    sources.make_importable()
    stale = 0
    for name, page in {**PAGES, **dict(modules.pages()), **dict(roles.pages())}.items():
        path, text = sources.CHECKOUT / name, page()
        if "--check" not in arguments:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text("utf-8") != text:
            print(f"{name} is not what the code says: run `make docs`")
            stale = 1
    return stale


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
