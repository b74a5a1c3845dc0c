# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The messages of WS-Management's shell protocol (MS-WSMV 3.1): what comes in as a Request, what goes out as XML."""

from __future__ import annotations

import base64
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from dataclasses import dataclass
from xml.sax.saxutils import escape

SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
NAMES = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "a": "http://schemas.xmlsoap.org/ws/2004/08/addressing",
    "w": "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd",
    "x": "http://schemas.xmlsoap.org/ws/2004/09/transfer",
    "rsp": SHELL,
}
DECLARED = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in NAMES.items())
FAULT = "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault"
# Codes of WSManFault, by which clients tell faults apart (wsmerror.h).
TIMED_OUT, NOT_FOUND, UNSUPPORTED = 2150858793, 2150858843, 2150858752


@dataclass(frozen=True)
class Request:
    """One request: the ``verb`` is the last word of its action (Create, Command, Send, Receive, Signal, Delete)."""

    verb: str
    action: str
    message: str
    shell: str
    command: str
    line: str
    stdin: bytes
    last: bool
    takes_stdin: bool


def parse(body: bytes) -> Request:
    """Given the body of a request, return it as a Request. Raise ET.ParseError where it is no XML."""
    root = ET.fromstring(body)
    action = root.findtext("s:Header/a:Action", "", NAMES)
    options = {option.get("Name"): option.text for option in root.iterfind("s:Header/w:OptionSet/w:Option", NAMES)}
    selectors = {
        selector.get("Name"): selector.text or ""
        for selector in root.iterfind("s:Header/w:SelectorSet/w:Selector", NAMES)
    }
    streams = root.findall(".//*[@CommandId]")
    sent = [stream for stream in streams if stream.tag == f"{{{SHELL}}}Stream"]
    words = [
        element.text or ""
        for path in ("rsp:Command", "rsp:Arguments")
        for element in root.iterfind(f".//rsp:CommandLine/{path}", NAMES)
    ]
    return Request(
        verb=action.rsplit("/", 1)[-1],
        action=action,
        message=root.findtext("s:Header/a:MessageID", "", NAMES),
        shell=selectors.get("ShellId", ""),
        command=str(streams[0].get("CommandId")) if streams else "",
        line=" ".join(words),
        stdin=b"".join(base64.b64decode(stream.text or "") for stream in sent),
        last=any(stream.get("End") == "true" for stream in sent),
        takes_stdin=options.get("WINRS_CONSOLEMODE_STDIN") == "FALSE",
    )


def reply(action: str, relates: str, body: str) -> bytes:
    """Return an envelope around a body."""
    return (
        f"<s:Envelope {DECLARED}><s:Header><a:Action>{action}</a:Action><a:MessageID>uuid:{uuid.uuid4()}</a:MessageID>"
        f"<a:RelatesTo>{escape(relates)}</a:RelatesTo></s:Header><s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def created(shell: str) -> str:
    """Return the body that tells the id of a new shell."""
    return (
        "<x:ResourceCreated><a:Address>http://127.0.0.1/wsman</a:Address><a:ReferenceParameters><w:SelectorSet>"
        f'<w:Selector Name="ShellId">{shell}</w:Selector></w:SelectorSet></a:ReferenceParameters></x:ResourceCreated>'
        f"<rsp:Shell><rsp:ShellId>{shell}</rsp:ShellId></rsp:Shell>"
    )


def accepted(command: str) -> str:
    """Return the body that tells the id of a new command."""
    return f"<rsp:CommandResponse><rsp:CommandId>{command}</rsp:CommandId></rsp:CommandResponse>"


def received(command: str, pieces: Iterable[tuple[str, bytes]], exit_code: int | None) -> str:
    """Return the body that carries output; with an exit code the command is done."""
    streams = "".join(
        f'<rsp:Stream Name="{name}" CommandId="{command}">{base64.b64encode(piece).decode()}</rsp:Stream>'
        for name, piece in pieces
    )
    state = "Running" if exit_code is None else "Done"
    code = "" if exit_code is None else f"<rsp:ExitCode>{exit_code}</rsp:ExitCode>"
    return (
        f'<rsp:ReceiveResponse>{streams}<rsp:CommandState CommandId="{command}" State="{SHELL}/CommandState/{state}">'
        f"{code}</rsp:CommandState></rsp:ReceiveResponse>"
    )


def fault(code: int, reason: str, subcode: str) -> str:
    """Return the body of a fault."""
    return (
        f"<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>{subcode}</s:Value></s:Subcode></s:Code>"
        f'<s:Reason><s:Text xml:lang="en-US">{escape(reason)}</s:Text></s:Reason><s:Detail>'
        f'<f:WSManFault xmlns:f="http://schemas.microsoft.com/wbem/wsman/1/wsmanfault" Code="{code}" Machine="here">'
        f"<f:Message>{escape(reason)}</f:Message></f:WSManFault></s:Detail></s:Fault>"
    )
