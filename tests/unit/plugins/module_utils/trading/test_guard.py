# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The trading guard: what cannot be known counts as in flight."""

from __future__ import annotations

import json
import ssl
from typing import Any

import pytest
from fake_host import FakeHost

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import InputError, SourceMissing, ToolTimeout
from ansible_collections.cryptobot.maintenance.plugins.module_utils.processes.model import Process
from ansible_collections.cryptobot.maintenance.plugins.module_utils.sockets.model import Socket, SocketTable
from ansible_collections.cryptobot.maintenance.plugins.module_utils.trading import OPTIONS
from ansible_collections.cryptobot.maintenance.plugins.module_utils.trading import guard as guard_module
from ansible_collections.cryptobot.maintenance.plugins.module_utils.trading.crew import PortSnapshot
from ansible_collections.cryptobot.maintenance.plugins.module_utils.trading.declared import read_endpoint
from ansible_collections.cryptobot.maintenance.plugins.module_utils.trading.guard import (
    Trading,
    collect_trading,
    guard,
    refusal,
)
from ansible_collections.cryptobot.maintenance.plugins.module_utils.trading.rules_trading import RULES

from .judged import judge_dry_run, judge_orders

URL = "http://127.0.0.1:8004"
ORDERS = f"{URL}/api/trades/orders?status=open"
DRY_RUN = f"{URL}/api/v1/settings/dry_run"
DEFAULTS = {name: option.get("default") for name, option in OPTIONS.items()}
DEFAULTS["orders_path"] = "/api/trades/orders?status=open"
FLYING = '[{"id": "o-17", "status": "PARTIALLY_FILLED"}]'


MAIN = Process(pid=41, parent=1, session=41, state="S", began=1.0, cpu=0.0, threads=1, command=("trade",))


def alone() -> PortSnapshot:
    """What is seen of a service of one process, which holds its port."""
    socket = Socket("tcp", 4, "127.0.0.1", 8004, inode=1, uid=0, pids=(41,))
    return PortSnapshot((MAIN,), SocketTable((socket,)), processes={41: MAIN})


def _endpoint(**options):
    return read_endpoint({**DEFAULTS, **options}, URL)


class Trade(FakeHost):
    """A host whose trade service answers from a list, one after the other, the last one for ever."""

    def __init__(self, *orders: Any, dry_run: Any = (200, '{"dry_run": true}'), **fields: Any) -> None:
        super().__init__(**fields)
        self.orders = [(200, body) if isinstance(body, str) else body for body in orders]
        self.replies[DRY_RUN] = dry_run
        self.headers: list[Any] = []

    def http(self, url, timeout=5.0, *, headers=None, tls=None):
        self.headers.append(headers)
        if url == ORDERS:
            self.replies[ORDERS] = self.orders.pop(0) if len(self.orders) > 1 else self.orders[0]
        return super().http(url, timeout)


# What the trade service answers, what the options say; the reason to refuse (empty: none) and the finding.
OUTCOMES = [
    ("nothing in flight", ["[]"], {}, "", "ok"),
    ("only finished ones", ['[{"id": "o-1", "status": "FILLED"}]'], {}, "", "ok"),
    ("one in flight", [FLYING], {}, "1 order is in flight, and a restart forgets them: o-17", "warning"),
    ("one in flight, told to proceed", [FLYING], {"when_orders": "proceed"}, "", "warning"),
    ("another worker knows one", ["[]", "[]", FLYING], {}, "o-17", "warning"),
    ("a state nobody knows", ['[{"id": "o-1", "status": "HELD"}]'], {}, "states that are not known: HELD", "unknown"),
    ("the same, declared final", ['[{"id": "o-1", "status": "HELD"}]'], {"states_final": ["held"]}, "", "ok"),
    (
        "the same, declared in flight",
        ['[{"id": "o-1", "status": "HELD"}]'],
        {"states_in_flight": ["held"]},
        "o-1",
        "warning",
    ),
    ("a page", ['{"orders": [], "total": 5}'], {}, "lists 0 of 5", "unknown"),
    ("garbage", ["<html>"], {}, "expected JSON", "unknown"),
    ("garbage, told to proceed", ["<html>"], {"when_unknown": "proceed"}, "", "unknown"),
    ("nothing answers", [SourceMissing("an answer")], {}, "does not exist", "unknown"),
    ("it hangs", [ToolTimeout("GET", 5)], {}, "was ended after 5 s", "unknown"),
    ("not found", [(404, "")], {}, "has no such list or flag; set trading.orders_path, or when_unknown", "unknown"),
    ("only POST", [(405, "")], {}, "answers 405: trade has no such list or flag; set trading.orders_path", "unknown"),
    ("one worker knows one, another fails", [(500, ""), FLYING], {"when_unknown": "proceed"}, "o-17", "warning"),
    ("one worker fails, others know none", [(500, ""), "[]"], {}, "answers 500", "unknown"),
    ("an error", [(500, "")], {}, "answers 500", "unknown"),
    ("it wants a token", [(401, "")], {}, "trading.token", "unknown"),
    ("it refuses the token", [(403, "")], {}, "trading.token", "unknown"),
    (
        "a page with one in flight, unknown may proceed",
        [f'{{"orders": {FLYING}, "total": 9}}'],
        {"when_unknown": "proceed"},
        "o-17",
        "warning",
    ),
]


@pytest.mark.case("SV19")
@pytest.mark.parametrize(
    ("orders", "options", "words", "status"), [row[1:] for row in OUTCOMES], ids=[row[0] for row in OUTCOMES]
)
def test_trade_is_stopped_only_when_nothing_is_in_flight(orders, options, words, status):
    endpoint = _endpoint(**options)
    trading, obstacle = guard(Trade(*orders), endpoint, alone, stopped=False)
    assert words in obstacle if words else obstacle == ""
    assert judge_orders(trading, endpoint).status == status


LIVE, DRY = (200, '{"dry_run": false}'), (200, '{"dry_run": true}')
# What the workers of the application as it is shipped, which lists its orders nowhere, say of the flag.
SHIPPED = [
    ("all pretend", [DRY], {}, "", "ok"),
    ("one trades for real", [DRY, DRY, DRY, LIVE], {}, "it trades for real", "unknown"),
    ("all trade for real", [LIVE], {}, "set trading.orders_path", "unknown"),
    ("one hangs", [DRY, DRY, ToolTimeout("GET", 5), DRY], {}, "nothing says that it only pretends", "unknown"),
    ("no flag", [(405, "")], {}, "answers 405", "unknown"),
    ("it is not asked for the flag", [DRY], {"dry_run_path": ""}, "nothing says that it only pretends", "unknown"),
    ("one trades for real, told to proceed", [DRY, LIVE], {"when_unknown": "proceed"}, "", "unknown"),
]


@pytest.mark.case("SV19")
@pytest.mark.parametrize(
    ("flags", "options", "words", "status"), [row[1:] for row in SHIPPED], ids=[row[0] for row in SHIPPED]
)
def test_an_application_without_a_list_of_orders_is_safe_only_while_all_of_it_pretends(flags, options, words, status):
    class Shipped(FakeHost):
        def http(self, url, timeout=5.0, **_how):
            assert url == DRY_RUN
            self.replies[url] = flags.pop(0) if len(flags) > 1 else flags[0]
            return super().http(url, timeout)

    flags, endpoint = list(flags), _endpoint(orders_path=OPTIONS["orders_path"]["default"], **options)
    trading, obstacle = guard(Shipped(), endpoint, alone, stopped=False)
    assert words in obstacle if words else obstacle == ""
    finding = judge_orders(trading, endpoint)
    assert (finding.status, trading.listed) == (status, False)
    assert "Wait until" not in finding.remedy


@pytest.mark.case("SV19")
@pytest.mark.parametrize("code", [404, 405])
def test_a_service_without_such_a_list_is_not_waited_for(code):
    endpoint = _endpoint(when_orders="wait")
    trading, obstacle = guard(host := Trade((code, "")), endpoint, alone, stopped=False)
    assert f"answers {code}: trade has no such list or flag; set trading.orders_path, or when_unknown" in obstacle
    assert judge_orders(trading, endpoint).remedy.startswith("Set trading.orders_path")
    assert host.paused == []


def test_a_stopped_trade_service_has_nothing_in_its_memory_and_is_not_asked():
    host = Trade("<html>")
    trading, obstacle = guard(host, _endpoint(), alone, stopped=True)
    assert obstacle == ""
    finding = judge_orders(trading, _endpoint())
    assert (finding.status, "does not run, so no order is in its memory" in finding.message) == ("ok", True)
    assert host.headers == []


def test_every_question_is_put_as_often_as_declared():
    host = Trade("[]")
    collect_trading(host, _endpoint(asks=3), alone, stopped=False)
    assert len(host.headers) == 6


def test_without_an_address_it_cannot_be_known():
    endpoint = read_endpoint(DEFAULTS, "")
    assert "declare its port, or trading.url" in guard(Trade("[]"), endpoint, alone, stopped=False)[1]


def test_an_authority_that_cannot_be_read_is_unknown_and_not_skipped():
    endpoint = _endpoint(url="https://127.0.0.1:8004", ca_path="/nowhere.pem")
    assert "/nowhere.pem does not exist" in guard(Trade("[]"), endpoint, alone, stopped=False)[1]


def test_the_token_is_sent_and_never_shown():
    host, endpoint = Trade("[]"), _endpoint(token="s3cret-token")
    trading, _obstacle = guard(host, endpoint, alone, stopped=False)
    assert host.headers[0] == {"Authorization": "Bearer s3cret-token"}
    shown = repr(endpoint) + repr(trading) + json.dumps(judge_orders(trading, endpoint).as_dict())
    assert "s3cret-token" not in shown


def test_orders_are_waited_for_until_none_is_in_flight():
    host = Trade(FLYING, FLYING, "[]")
    _trading, obstacle = guard(host, _endpoint(when_orders="wait", asks=1, wait_delay=5.0), alone, stopped=False)
    assert (obstacle, host.paused) == ("", [5.0, 5.0])


@pytest.mark.parametrize(("timeout", "pauses"), [("0s", 0), ("9s", 2), ("10s", 2), ("11s", 3), ("12s", 3)])
def test_waiting_ends_with_a_refusal(timeout, pauses):
    host = Trade(FLYING)
    options = {"when_orders": "wait", "asks": 1, "wait_delay": 5.0, "wait_timeout": timeout}
    _trading, obstacle = guard(host, _endpoint(**options), alone, stopped=False)
    assert "o-17" in obstacle
    assert host.paused == [5.0] * pauses


def test_what_cannot_be_known_is_not_waited_for():
    host = Trade("<html>")
    assert guard(host, _endpoint(when_orders="wait"), alone, stopped=False)[1]
    assert host.paused == []


def test_many_orders_are_counted_and_a_few_are_named():
    trading = Trading(in_flight=tuple(f"o-{n}" for n in range(7)))
    assert refusal(trading, _endpoint()).endswith("o-0, o-1, o-2, o-3, o-4 and 2 more")


BOTH, YES, NO = frozenset({True, False}), frozenset({True}), frozenset({False})
# The flag now, the flag before the restart (None: not restarted), what is declared; the outcome.
DRY_RUNS = [
    (Trading(dry_run=YES), None, None, "warning", "a restart resets that to DRY_RUN of its environment"),
    (Trading(dry_run=NO), None, None, "warning", "trades for real"),
    (Trading(dry_run=YES), None, True, "ok", "as declared"),
    (Trading(dry_run=NO), None, True, "critical", "declares dry_run: true"),
    (Trading(dry_run=BOTH), None, True, "critical", "disagree"),
    (Trading(dry_run=BOTH), None, True, "critical", "the inventory declares dry_run: true"),
    (Trading(dry_run_unknown="404"), None, True, "unknown", "404"),
    (Trading(dry_run=YES, dry_run_unknown="hangs"), None, True, "unknown", "hangs"),
    (Trading(dry_run=NO, dry_run_unknown="hangs"), None, True, "critical", "declares dry_run: true"),
    (Trading(dry_run=BOTH, dry_run_unknown="hangs"), None, None, "critical", "disagree"),
    (Trading(dry_run=YES, dry_run_unknown="hangs"), Trading(dry_run=YES), None, "unknown", "hangs"),
    (Trading(dry_run=YES), Trading(dry_run=YES), None, "ok", "as before"),
    (Trading(dry_run=NO), Trading(dry_run=YES), None, "critical", "trades for real since its restart"),
    (Trading(dry_run=YES), Trading(dry_run=NO), None, "critical", "the restart has reset the flag"),
    (Trading(dry_run=YES), Trading(dry_run=YES), False, "critical", "declares dry_run: false"),
    (Trading(dry_run=YES), Trading(dry_run_unknown="404"), None, "unknown", "is not known"),
    (Trading(dry_run=YES), Trading(dry_run_unknown="404"), True, "ok", "as declared"),
]


@pytest.mark.case("SV20")
@pytest.mark.parametrize(("now", "before", "declared", "status", "words"), DRY_RUNS)
def test_the_dry_run_flag_is_what_it_should_be(now, before, declared, status, words):
    (finding,) = judge_dry_run(now, _endpoint(dry_run=declared), before)
    assert finding.status == status
    assert words in finding.message
    assert finding.check in RULES.checks


def test_a_flag_that_is_not_to_be_asked_for_is_not_judged():
    host = Trade("[]")
    endpoint = _endpoint(dry_run_path="", asks=1)
    trading = collect_trading(host, endpoint, alone, stopped=False)
    assert judge_dry_run(trading, endpoint) == []
    assert len(host.headers) == 1


def test_a_flag_that_cannot_be_read_says_nothing_about_orders():
    trading = collect_trading(Trade("[]", dry_run=(404, "")), _endpoint(), alone, stopped=False)
    assert (trading.unknown, trading.in_flight) == ("", ())
    assert "answers 404" in trading.dry_run_unknown


WRONG = [
    ({"asks": 0}, "trading.asks"),
    ({"workers": 0}, "trading.workers"),
    ({"url": "localhost:8004"}, "trading.url"),
    ({"wait_timeout": "x"}, "wait_timeout"),
]


@pytest.mark.parametrize(("options", "name"), WRONG)
def test_a_wrong_option_is_an_error_that_names_it(options, name):
    with pytest.raises(InputError, match=name):
        _endpoint(**options)


EVERYWHERE = ("linux", "darwin", "windows")


@pytest.mark.parametrize("platform", EVERYWHERE)
def test_the_guard_is_the_same_on_every_platform(platform):
    clear, flying = Trade("[]", platform=platform), Trade(FLYING, platform=platform)
    silent = Trade(SourceMissing("an answer (WinError 10061)"), platform=platform)
    assert [guard(host, _endpoint(), alone, stopped=False)[1] for host in (clear, flying, silent)] == [
        "",
        "1 order is in flight, and a restart forgets them: o-17",
        "it cannot be known whether orders are in flight: an answer (WinError 10061) does not exist",
    ]


def test_a_damaged_store_of_certificates_refuses_and_says_which(monkeypatch):
    def damaged(**_options):
        raise ssl.SSLError(1, "[ASN1] nested asn1 error")  # what one bad certificate in the store of Windows gives

    monkeypatch.setattr(guard_module, "local_tls", damaged)
    endpoint = read_endpoint({**DEFAULTS, "url": "https://127.0.0.1:8004"}, "")
    why = guard(Trade("[]", platform="windows"), endpoint, alone, stopped=False)[1]
    assert "the authorities that the system trusts cannot be read" in why
