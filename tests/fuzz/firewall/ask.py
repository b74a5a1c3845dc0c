# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ask the product in the server's namespace, as its module would be asked: what does it say of every listener?

A line on stdin is a list of [family, address] of the sources; the answer is a list of records, one for each listener
and family: its name, the verdict and what decides it for each source, the same for the host itself, and from which
address that is. Each question is answered by a process of its own, so that none remembers another.
"""

from __future__ import annotations

import faulthandler
import ipaddress
import json
import os
import signal
import sys
import time
import traceback
from typing import Any

from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall import SPEC, run
from ansible_collections.cryptobot.maintenance.plugins.module_utils.firewall.model.intervals import spanning
from ansible_collections.cryptobot.maintenance.plugins.module_utils.host import LinuxHost

TIMEOUT = 30


def name_of(listener: Any) -> str:
    """Given a listener, return its name as points.Waiting writes it."""
    device = getattr(listener, "device", "")
    place = f"[{listener.address}]" if ":" in listener.address else listener.address
    only = " v6only" if listener.address == "::" and 4 not in listener.inside else ""
    return f"{listener.proto} {place}{'%' if device else ''}{device}:{listener.port}{only}"


def ask(sources: list[tuple[int, str]]) -> dict[str, Any]:
    """Return all verdicts of this host."""
    params = {name: option.get("default") for name, option in SPEC.items()}
    started = time.monotonic()
    context = run.context_of({**params, "policy": []}, LinuxHost(TIMEOUT))
    records = []
    for reach in context.reaches:
        for family in reach.inside:
            record: dict[str, Any] = {"socket": name_of(reach.listener), "family": family, "outside": {}}
            outside = reach.outside.get(family)
            for number, address in sources if outside is not None else ():
                if number == family:
                    point = int(ipaddress.ip_address(address))
                    asked = spanning(point, point)
                    record["outside"][address] = (outside.verdict(asked), outside.decided_by(asked))
            own = reach.listener.inside[family]
            inside, point = reach.inside[family], spanning(own, own)
            kind = ipaddress.IPv4Address if family == 4 else ipaddress.IPv6Address
            record["inside"] = (inside.verdict(point), inside.decided_by(point), str(kind(own)))
            records.append(record)
    return {"records": records, "seconds": time.monotonic() - started}


def answer(line: str) -> str:
    """Return the answer to a question as a line."""
    try:
        return json.dumps(ask(json.loads(line)))
    except Exception:  # noqa: BLE001 - whatever it is, it is a fault that the judge reports
        return json.dumps({"error": traceback.format_exc()[-3000:]})


def in_child(line: str) -> str:
    """Return the answer that a child process gives, or that it took too long."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        faulthandler.dump_traceback_later(TIMEOUT - 2)  # where it is when it takes so long
        signal.alarm(TIMEOUT)
        with os.fdopen(writer, "w", encoding="utf-8") as out:
            out.write(answer(line))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as into:
        said = into.read()
    os.waitpid(child, 0)
    return said or json.dumps({"error": f"no answer within {TIMEOUT} s"})


def main() -> None:
    """Answer until stdin ends."""
    for line in sys.stdin:
        print(in_child(line), flush=True)


if __name__ == "__main__":
    main()
