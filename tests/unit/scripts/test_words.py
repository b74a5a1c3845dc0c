# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

CORE = "plugins/module_utils/services/a.py"
OTHER = "plugins/plugin_utils/report/a.py"
TEST = "tests/unit/plugins/module_utils/services/test_a.py"
PAGE = "docs/report.md"

# where something is written, what, and the names in which a retired word is found
CASES = {
    "an identifier": (CORE, "noun = 1", ["noun"]),
    "a part of one": (CORE, "def gather_units(): pass", ["gather_units"]),
    "a part of a class's name": (CORE, "class ServerLook: pass", ["ServerLook"]),
    "a constant": (CORE, "NEVER_BLIND = 1", ["NEVER_BLIND"]),
    "an argument given by name": (CORE, "f(view=1)", ["view"]),
    "a letter more is another word": (CORE, "lookup = forecast = regather = unseen = 1", []),
    "the file's name": ("plugins/module_utils/services/gather.py", "", ["gather"]),
    "a folder's name": ("plugins/module_utils/errand/a.py", "", ["errand"]),
    "a docstring": (CORE, '"""Given a noun, return it."""', ["noun"]),
    "a docstring of a function": (CORE, 'def f():\n    """Return the errand."""', ["errand"]),
    "a comment": (CORE, "x = 1  # what the gatherer said", ["gatherer"]),
    "a name in a comment": (CORE, "# see noun_options", ["noun_options"]),
    "a message is compared elsewhere": (CORE, 'x = "no noun was gathered"', []),
    "a string that is no docstring": (CORE, 'def f():\n    x = 1\n    "a noun"', []),
    "a key that is written": (CORE, 'x = {"noun": 1, "other": "noun"}', ["noun"]),
    "a key that is read": (CORE, 'x["nouns"]', ["nouns"]),
    "a key of the report": (CORE, 'x["verdict"] = {"verdict": 1}', []),
    "plain English in the core's prose": (CORE, "# in that case the machine was seen: a blind look takes a view", []),
    "plain English outside of the core": (OTHER, "seen = case = view = look = told = 1", []),
    "a word of ours outside of the core": (OTHER, "noun = wish = 1", ["noun", "wish"]),
    "a word of ours in a test": (TEST, "def test_a_gatherer(): pass", ["test_a_gatherer"]),
    "a word of the report": (OTHER, '"""Return the verdict."""\nverdict = 1', []),
    "a word of the report in the core": (CORE, '"""Return the verdict."""\nVerdict = 1', ["Verdict", "verdict"]),
    "a word of the area's trade": ("plugins/module_utils/firewall/linux/nft.py", '"""A verdict."""\nverdict = 1', []),
    "what is read in English": ("plugins/module_utils/redaction/named.py", "_NOUNS = 1", []),
    "another word there": ("plugins/module_utils/firewall/linux/nft.py", "view = 1", ["view"]),
    "plain English in a test": (TEST, "def test_a_machine_in_any_case(): pass", []),
    "a word of ours in a page": (PAGE, "Each noun\nhas its `gather_units`.", ["noun", "gather_units"]),
    "what a page says of the report": (PAGE, "its `verdict` was seen in any case", []),
    "a task file": ("roles/weekly/tasks/main.yml", "# a noun", ["noun"]),
    "Ansible's own": ("playbooks/weekly.yml", "gather_facts: false", []),
    "a template of the report": ("plugins/plugin_utils/report/a.html.j2", "{{ row.noun }}", ["noun"]),
    "a changelog is history": ("changelogs/fragments/noun.yml", "a noun", []),
    "what is no page": ("tests/fleet/a.yml", "noun", []),
    "a picture": ("docs/images/a.svg", "noun", []),
    "case of letters": (CORE, "folds_case = ignore_case = case_insensitive = 1", []),
    "another form beside case of letters": (CORE, "cases_of_upper_case = 1", ["cases_of_upper_case"]),
    "a look-up": (CORE, "def _look_up_name(): pass", []),
    "a view of a database": (CORE, "is_view = 1", []),
    "a file's method": (CORE, "stream.tell()", []),
    "a function of ours": (CORE, "def tell(): pass", ["tell"]),
    "the standard library's": (CORE, "platform.machine()", []),
    "an attribute of ours": (CORE, "found.machine", ["machine"]),
    "a branch of a match": (CORE, "match x:\n    case 1:\n        pass\n    case [y]:\n        pass", []),
    "a name in a branch of a match": (CORE, "match x:\n    case 1: case = 2", ["case"]),
    "pytest's marker": (CORE, '@pytest.mark.case("SV1")\ndef f(): pass', []),
    "an f-string": (CORE, 'x = f"{noun}"', []),
    "behind an f-string": (CORE, 'x = f"{a} {f(b)!r}" + noun', ["noun"]),
}


@pytest.mark.parametrize(("path", "text", "expected"), CASES.values(), ids=CASES.keys())
def test_a_retired_word_is_found_exactly_where_it_is_meant(load, path, text, expected):
    assert [found.inside for found in load("lint/words").found_in(path, text)] == expected


def test_each_retired_word_is_found_in_each_of_its_forms(load):
    words = load("lint/words")
    forms = [form for word in words.WORDS for form in word.forms]

    assert [found.word for found in words.found_in(CORE, "\n".join(forms))] == forms
    assert len(set(forms)) == len(forms)


def test_what_is_found_is_named_with_its_line_and_the_plain_word(load):
    words = load("lint/words")
    found = words.found_in(CORE, "x = 1\n\n# the noun\n")

    assert list(map(words.line_of, found)) == [f"{CORE}:3: noun: not `noun` but area"]


PLACES = {
    CORE: "services",
    "plugins/module_utils/backup/store/a.py": "backup",
    "plugins/module_utils/entry.py": "core",
    "plugins/plugin_utils/report/view.py": "report",
    "plugins/plugin_utils/action_base.py": "core",
    "plugins/modules/service_check.py": "plugins",
    TEST: "tests of services",
    "tests/unit/plugins/module_utils/test_entry.py": "tests of core",
    "tests/integration/demo/test_weekly.py": "tests",
    "roles/weekly/tasks/main.yml": "roles",
    "docs/report.md": "docs",
    "README.md": "pages",
}


@pytest.mark.parametrize(("path", "area"), PLACES.items(), ids=PLACES.keys())
def test_a_file_belongs_to(load, path, area):
    assert load("lint/words").area_of(path) == area


# what an area has, what it may have, and how the lines about it begin
ALLOWANCES = {
    "none, and none is allowed": ("x = 1", {}, []),
    "one, and none is allowed": ("noun = 1", {"backup": 9}, ["services: 1 retired words, 0 are allowed", f"{CORE}:1:"]),
    "as many as are allowed": ("noun = errand = 1", {"services": 2}, []),
    "one more": ("noun = errand = 1", {"services": 1}, ["services: 2 ", f"{CORE}:1: noun:", f"{CORE}:1: errand:"]),
}


@pytest.mark.parametrize(("text", "allowance", "expected"), ALLOWANCES.values(), ids=ALLOWANCES.keys())
def test_an_area_is_reported_exactly_when_it_has_more_than_it_may(load, text, allowance, expected):
    words = load("lint/words")
    lines = list(words.too_many(words.found_among({CORE: text}), allowance))

    assert len(lines) == len(expected)
    assert all(line.startswith(start) for line, start in zip(lines, expected))


def test_what_is_allowed_is_lowered_and_never_raised(load, tmp_path, monkeypatch):
    words = load("lint/words")
    listed = tmp_path / "allowed.tsv"
    listed.write_text("# why\nbackup\t3\nservices\t1\ntrading\t7\n")
    monkeypatch.setattr(words, "ALLOWED", listed)
    there = words.found_among({CORE: "noun = errand = 1", "plugins/module_utils/trading/a.py": "noun = errand = 1"})

    assert words.tightened(words.allowed(), there) == "# why\nservices\t1\ntrading\t2\n"


def test_the_list_of_what_is_allowed_can_be_read_and_names_areas_that_are_there(load):
    words, tree = load("lint/words"), load("lint/tree")
    areas = {words.area_of(path) for path in tree.files_here(words.KINDS)}

    assert [area for area, number in words.allowed().items() if area not in areas or number < 1] == []
