# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The listening sockets of Windows hosts, from the answers of each query, and with each answer taken away in turn."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from fake_host import FakeHost
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.cryptobot.maintenance.plugins.module_utils.errors import CoreError
from ansible_collections.cryptobot.maintenance.plugins.module_utils.sockets.collect import listening
from ansible_collections.cryptobot.maintenance.plugins.module_utils.sockets.model import SocketTable
from ansible_collections.cryptobot.maintenance.plugins.module_utils.sockets.windows_queries import QUERIES

FIXTURES = Path(__file__).resolve().parents[4] / "fixtures" / "powershell" / "sockets"
SYSTEMS = ("windows-server-2019", "windows-server-2022", "windows-11", "windows-server-2019-de")
REFUSED = {"error": "Access is denied.", "kind": "PermissionDenied", "missing": ""}
NONE_FOUND = {"error": "No MSFT_NetTCPConnection objects found", "kind": "ObjectNotFound", "missing": ""}
NO_COMMAND = {"error": "not recognized", "kind": "ObjectNotFound", "missing": "Get-NetUDPEndpoint"}


def _recorded(system):
    folder = FIXTURES / system
    return {name: {"value": json.loads((folder / f"{name}.json").read_text("utf-8"))} for name in QUERIES}


def _listening(answers):
    return listening(FakeHost("windows", commands={"powershell.exe": json.dumps(answers)}))


def _port(table, port, family=4):
    (found,) = [entry for entry in table.sockets if (entry.port, entry.family) == (port, family)]
    return found


@pytest.mark.parametrize("system", SYSTEMS)
def test_every_recorded_system_shows_who_holds_each_socket(system):
    table = _listening(_recorded(system))
    assert table.unavailable == ""
    assert all(entry.pids and entry.exe for entry in table.sockets)
    assert {entry.proto for entry in table.sockets} == {"tcp", "udp"}


def test_one_powershell_answers_everything():
    host = FakeHost("windows", commands={"powershell.exe": json.dumps(_recorded("windows-server-2022"))})
    listening(host)
    assert len(host.ran) == 1


def test_a_socket_of_a_child_of_nssm_has_the_path_of_the_child_and_no_service():
    auth = _port(_listening(_recorded("windows-server-2022")), 8000)
    assert (auth.address, auth.pids, auth.exe) == ("127.0.0.1", (3012,), "C:\\Python39\\python.exe")
    assert (auth.unit, auth.services, auth.user) == ("", (), "NT AUTHORITY\\SYSTEM")


def test_a_service_with_a_process_of_its_own_is_named():
    postgres = _port(_listening(_recorded("windows-server-2022")), 5432)
    assert (postgres.unit, postgres.services) == ("postgresql-x64-15", ("postgresql-x64-15",))


def test_all_services_of_a_shared_svchost_are_named():
    mapper = _port(_listening(_recorded("windows-server-2019")), 135)
    assert (mapper.unit, mapper.services) == ("", ("RpcEptMapper", "RpcSs"))


def test_what_the_kernel_holds_belongs_to_system():
    smb = _port(_listening(_recorded("windows-server-2022")), 445, 6)
    assert (smb.pids, smb.exe) == ((4,), "System")


def test_nothing_says_whether_ipv6_takes_ipv4_and_nothing_is_claimed():
    table = _listening(_recorded("windows-server-2022"))
    assert {entry.v6only for entry in table.sockets} == {None}


def test_a_link_local_address_is_without_its_interface():
    assert _port(_listening(_recorded("windows-11")), 546, 6).address == "fe80::d1e5:94ab:4b3c:21ff"


def test_accounts_have_the_names_of_the_language():
    assert _port(_listening(_recorded("windows-server-2019-de")), 8000).user == "NT-AUTORITÄT\\SYSTEM"


def test_without_elevation_services_still_show_their_account_and_processes_their_name():
    answers = {**_recorded("windows-11"), "users": REFUSED}
    dns = next(entry for entry in _listening(answers).sockets if entry.port == 5353)
    assert (dns.exe, dns.user) == ("svchost.exe", "NT AUTHORITY\\NetworkService")


TAKEN_AWAY = [
    ("processes", "nothing can name the processes", ()),
    ("services", "nothing can tell which services they host", ()),
    ("users", "", ()),
    ("tcp", "the tcp sockets cannot be read", ("tcp",)),
    ("udp", "the udp sockets cannot be read", ("udp",)),
]


@pytest.mark.parametrize(("query", "blind", "unread"), TAKEN_AWAY, ids=[row[0] for row in TAKEN_AWAY])
def test_a_query_that_is_refused_hides_no_other(query, blind, unread):
    table = _listening({**_recorded("windows-server-2022"), query: REFUSED})
    assert blind in table.unavailable
    assert bool(table.unavailable) == bool(blind)
    assert tuple(table.unread) == unread
    assert {entry.proto for entry in table.sockets} == {"tcp", "udp"} - set(unread)
    assert all(entry.pids for entry in table.sockets)


@pytest.mark.case("WN1")
def test_that_there_is_not_a_single_tcp_listener_is_not_believed():
    table = _listening({**_recorded("windows-server-2022"), "tcp": NONE_FOUND})
    assert (set(table.unread), {entry.proto for entry in table.sockets}) == ({"tcp"}, {"udp"})
    assert "Windows shows none, and there always are some" in table.unavailable


def test_a_windows_without_the_command_is_not_one_without_sockets():
    table = _listening({**_recorded("windows-server-2022"), "udp": NO_COMMAND})
    assert "Get-NetUDPEndpoint" in table.unread["udp"]


def test_where_neither_protocol_answers_it_is_an_error():
    with pytest.raises(CoreError, match=r"tcp sockets cannot be read.*udp sockets cannot be read"):
        _listening({**_recorded("windows-server-2022"), "tcp": REFUSED, "udp": REFUSED})


BAD_ROWS = [
    ("no address", {"LocalAddress": None, "LocalPort": 80, "OwningProcess": 4}, "LocalAddress"),
    ("a name for an address", {"LocalAddress": "localhost", "LocalPort": 80, "OwningProcess": 4}, "LocalAddress"),
    ("no port", {"LocalAddress": "::", "OwningProcess": 4}, "LocalPort"),
    ("a text", "TCP 0.0.0.0:80", "expected an object"),
]


@pytest.mark.parametrize(("why", "row", "named"), BAD_ROWS, ids=[row[0] for row in BAD_ROWS])
def test_a_row_of_another_form_is_named(why, row, named):
    table = _listening({**_recorded("windows-server-2022"), "tcp": {"value": [row]}})
    assert named in table.unread["tcp"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["LocalAddress", "LocalPort", "OwningProcess", "ProcessId", "Name", "Id", "UserName", "value"]
            ),
            children,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(st.fixed_dictionaries({name: st.fixed_dictionaries({"value": JSON}) for name in QUERIES}))
def test_whatever_is_answered_there_is_a_table_or_one_clear_error(answers):
    with suppress(CoreError):
        assert isinstance(_listening(answers), SocketTable)
