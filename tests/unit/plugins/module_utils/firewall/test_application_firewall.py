# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The application firewall of macOS: what socketfilterfw prints, by version, and what its list lets in."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import CoreError, ParseError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.listeners import Listener
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.macos import alf
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.macos.alf import App, AppFirewall
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.exposure import Exposer
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.ruleset import Ruleset
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.reading import Reading

from .macos_host import PYTHON, SYSTEMS, text
from .small import HOST, numbers

OPTIONS = ("--getglobalstate", "--getblockall", "--getallowsigned", "--getstealthmode", "--listapps")
WORLD = numbers("198.51.100.0/24")


def readings(system: str) -> dict[str, Reading]:
    """Return what socketfilterfw of a recorded system prints."""
    return {option: Reading(text(f"socketfilterfw/{system}/{option[2:]}")) for option in OPTIONS}


def verdict(chosen: AppFirewall, exe: str) -> str:
    """Return what becomes of a connection from outside to a program."""
    asked = Listener("tcp", "0.0.0.0", 8000, {4: None}, {4: 0x7F000001}, (7,), (exe,) if exe else ())
    return Exposer(Ruleset(alf.app_table(chosen)), HOST, alf.receivers).outside(asked, 4).verdict(WORLD)


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        ("macos-12", (True, False, 2, "off")),
        ("macos-13", (False, False, 0, "off")),
        ("macos-14", (True, False, 9, "on")),
        ("macos-15", (True, True, 0, "on")),
    ],
)
def test_the_settings_of_each_version_are_read(system: str, expected: tuple[bool, bool, int, str]) -> None:
    found = alf.parse_settings(readings(system))
    assert (found.on, found.blocks_all, len(found.apps), alf.stealth(readings(system))) == expected


LIST = AppFirewall(True, apps=(App("/Applications/Bot.app", True), App("/usr/bin/nc", False), App("/opt/x", True)))
PROGRAMS = [
    (LIST, "/Applications/Bot.app/Contents/MacOS/Bot", "open"),
    (LIST, "/Applications/Bot.application", "unknown"),
    (LIST, "/usr/bin/nc", "filtered"),
    (LIST, "/opt/x", "open"),
    (LIST, "/opt/xy", "unknown"),
    (LIST, "/usr/sbin/cupsd", "open"),
    (LIST, "/usr/local/bin/python3", "unknown"),
    (LIST, "/sbin/launchd", "unknown"),  # it holds the socket for another program
    (LIST, "cupsd", "unknown"),
    (LIST, "", "unknown"),
    (AppFirewall(True, built_in=False), "/usr/sbin/cupsd", "unknown"),
    (AppFirewall(True, blocks_all=True), "/opt/x", "filtered"),
    (AppFirewall(True, blocks_all=True), "/usr/sbin/mDNSResponder", "open"),
    (AppFirewall(True, blocks_all=True), "", "unknown"),
    (AppFirewall(False), "/opt/x", "open"),
]


@pytest.mark.parametrize(("chosen", "exe", "expected"), PROGRAMS)
def test_a_program_is_let_in_by_its_entry_or_because_it_came_with_macos(
    chosen: AppFirewall, exe: str, expected: str
) -> None:
    assert verdict(chosen, exe) == expected


def test_an_entry_for_a_bundle_counts_for_the_interpreter_in_it() -> None:
    assert verdict(alf.parse_settings(readings("macos-12")), PYTHON) == "filtered"


def test_loopback_is_open_although_all_is_blocked() -> None:
    asked = Listener("tcp", "127.0.0.1", 8000, {}, {4: 0x7F000001}, (7,), ("/opt/x",))
    exposer = Exposer(Ruleset(alf.app_table(AppFirewall(True, blocks_all=True))), HOST, alf.receivers)
    assert exposer.inside(asked, 4).verdict((0x7F000001, 0x7F000002)) == "open"


BAD: list[tuple[dict[str, str], str]] = [
    ({"--getglobalstate": "socketfilterfw/hostile/managed"}, "expected a state from 0 to 2"),
    ({"--getblockall": "socketfilterfw/hostile/managed"}, "expected enabled or disabled"),
    ({"--getallowsigned": "socketfilterfw/hostile/managed"}, "expected a line about built-in software"),
    ({"--listapps": "socketfilterfw/hostile/managed"}, "0 entries are not the number"),
    ({"--listapps": "socketfilterfw/hostile/listapps-truncated"}, "1 entries are not the number"),
    ({"--listapps": "socketfilterfw/hostile/listapps-no-program"}, "a verdict without a program"),
]


@pytest.mark.parametrize(("changed", "named"), BAD)
def test_an_answer_that_is_not_understood_is_named(changed: dict[str, str], named: str) -> None:
    with pytest.raises(ParseError, match=named):
        alf.parse_settings(
            {**readings("macos-14"), **{option: Reading(text(path)) for option, path in changed.items()}}
        )


def test_what_does_not_matter_is_not_asked_for() -> None:
    silent = {option: Reading(unavailable="denied") for option in OPTIONS}
    off = {**silent, "--getglobalstate": Reading("Firewall is disabled. (State = 0)")}
    assert alf.parse_settings(off) == AppFirewall(False)
    with pytest.raises(CoreError, match="denied"):
        alf.parse_settings({**silent, "--getglobalstate": Reading("Firewall is enabled. (State = 1)")})


def test_names_with_quotes_and_spaces_stay_whole() -> None:
    (app,) = alf.parse_apps(text("socketfilterfw/macos-15/listapps"))
    assert app == App('/Applications/It\'s "quoted" — $(x).app', True)


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_read_or_named(shown: str) -> None:
    readers: list[Any] = [alf.parse_state, alf.parse_switch, alf.parse_built_in, alf.parse_apps]
    for read in readers:
        try:
            read(shown)
        except ParseError:
            continue


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.text("abc/.~ é", min_size=1).map(lambda path: f"/{path.strip()}"), st.booleans()), max_size=9)
)
def test_a_printed_list_is_read_back(apps: list[tuple[str, bool]]) -> None:
    rows = [
        f"{number} : {path} \n             ({'Allow' if allowed else 'Block'} incoming connections) \n"
        for number, (path, allowed) in enumerate(apps, start=1)
    ]
    assert alf.parse_apps(f"Total number of apps = {len(apps)} \n{''.join(rows)}") == tuple(App(*app) for app in apps)


def test_every_recorded_system_has_all_answers() -> None:
    assert [sorted(readings(system)) for system in SYSTEMS] == [sorted(OPTIONS)] * len(SYSTEMS)
