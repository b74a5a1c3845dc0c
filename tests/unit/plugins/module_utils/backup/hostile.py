# Copyright: cryptobot.maintenance contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Archives that somebody made to be written elsewhere, to fill a disk or to be read differently by two readers.

Whoever made them made the whole set: checksums hold and, but where that is the attack, the index says the same as the
archive. ``outside`` is a folder beside the one that is unpacked into.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import NamedTuple, Optional

FILE, HARD, SYM, CHAR, BLOCK, DIR, FIFO, CONTIGUOUS = b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"7"
KINDS = {FILE: "file", HARD: "hardlink", SYM: "link", DIR: "folder"}
END = bytes(1024)


class Member(NamedTuple):
    """A member as bytes, and its row of the index, if it has one."""

    tar: bytes
    row: Optional[tuple] = None


class Hostile(NamedTuple):
    """One archive: its name, its stream, the rows of its index, which entry the refusal has to name, and by what words.

    ``declared`` is what the manifest says that it unpacks to, by default what its rows say.
    """

    name: str
    stream: bytes
    rows: list[tuple]
    entry: str
    words: str
    platform: str = "linux"
    declared: Optional[int] = None
    things: Optional[int] = None


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 512)


def octal(value: int, width: int) -> bytes:
    """Return a header's number; one that octal cannot say in base 256."""
    if 0 <= value < 8 ** (width - 1):
        return b"%0*o\0" % (width - 1, value)
    return (value % 256**width | 1 << (8 * width - 1)).to_bytes(width, "big")


def header(
    name: bytes,
    kind: bytes = FILE,
    size: int = 0,
    link: bytes = b"",
    mode: int = 0o644,
    prefix: bytes = b"",
    broken: int = 0,
) -> bytes:
    """Return a header of ustar, with whatever is in it."""
    numbers = octal(mode, 8) + octal(0, 8) + octal(0, 8) + octal(size, 12) + octal(1_600_000_000, 12)
    head = name[:100].ljust(100, b"\0") + numbers
    tail = kind + link[:100].ljust(100, b"\0") + b"ustar\x0000" + bytes(80) + prefix[:155].ljust(155, b"\0")
    tail = tail.ljust(512 - 156, b"\0")
    return head + b"%06o\0 " % (sum(head) + sum(tail) + 256 + broken) + tail


def row(name: str, kind: bytes, data: bytes, link: str = "", mode: int = 0o644) -> tuple:
    sha256 = hashlib.sha256(data).hexdigest() if kind == FILE else ""
    size = len(data) if kind == FILE else 0
    return (name, KINDS.get(kind, "file"), size, sha256, mode, 0, 0, 1_600_000_000_000_000_000, link)


def member(name: str, kind: bytes = FILE, data: bytes = b"", link: str = "", **more) -> Member:
    """Return a plain member with its row."""
    raw = name.encode("utf-8", "surrogateescape")
    tar = header(raw, kind, len(data), link.encode("utf-8", "surrogateescape"), **more) + padded(data)
    return Member(tar, row(name, kind, data, link, more.get("mode", 0o644)))


def pax(records: dict[str, bytes], kind: bytes = b"x") -> bytes:
    """Return a header with pax records."""
    lines = b""
    for key, value in records.items():
        rest = b" " + key.encode() + b"=" + value + b"\n"
        size = len(rest) + 1
        while size != len(rest) + len(str(size)):
            size = len(rest) + len(str(size))
        lines += str(size).encode() + rest
    return header(b"pax", kind, len(lines)) + padded(lines)


def with_pax(records: dict[str, bytes], plain: Member, name: Optional[str] = None, kind: bytes = b"x") -> Member:
    """Return a member with records before it; its row has the name or the link that they give."""
    changed = list(plain.row or ())
    if changed and name is not None:
        changed[0] = name
    if changed and "linkpath" in records:
        changed[8] = records["linkpath"].decode()
    return Member(pax(records, kind) + plain.tar, tuple(changed) or None)


def long_name(text: bytes, plain: Member, kind: bytes = b"L") -> Member:
    """Return a member with GNU's header of a long name before it."""
    changed = list(plain.row or ())
    changed[0] = text.decode()
    return Member(header(b"././@LongLink", kind, len(text) + 1) + padded(text + b"\0") + plain.tar, tuple(changed))


def sparse(name: str, described: bytes, data: bytes, long: int) -> Member:
    """Return a file with holes, with the map that is given."""
    body = padded(described) + data
    records = {"GNU.sparse.major": b"1", "GNU.sparse.minor": b"0", "GNU.sparse.name": name.encode(),
               "GNU.sparse.realsize": str(long).encode()}  # fmt: skip
    tar = pax(records) + header(b"GNUSparseFile.0/x", FILE, len(body)) + padded(body)
    return Member(tar, (name, "sparse", long, hashlib.sha256(body).hexdigest(), 0o644, 0, 0, 1_600_000_000 * 10**9, ""))


def hostile(name: str, members: Iterable[Member], entry: str, words: str, end: bytes = END, **more) -> Hostile:
    members = list(members)
    stream = b"".join(one.tar for one in members) + end
    return Hostile(name, stream, [one.row for one in members if one.row], entry, words, **more)


def names(outside: str) -> Iterable[Hostile]:
    """Names that lead out of the folder."""
    out = "it leads out of its folder"
    for name in ("../escape", "a/../../escape", "..", "a/..", "a//b", "./a", "a/./b"):
        yield hostile(f"name {name}", [member(name, data=b"x")], name, out)
    yield hostile("absolute name", [member(f"{outside}/new", data=b"x")], f"{outside}/new", "it is absolute")
    yield hostile("no name", [member("", data=b"x")], "", "it is absolute, or empty")
    good = member("good", data=b"x")
    yield hostile("long name of GNU", [long_name(b"../escape", good)], "../escape", out)
    yield hostile("pax name", [with_pax({"path": b"../escape"}, good, "../escape")], "../escape", out)
    yield hostile("global pax name", [with_pax({"path": b"../escape"}, good, "../escape", b"g")], "../escape", out)
    yield hostile("NUL in a pax name", [with_pax({"path": b"a\0b"}, good, "a\0b")], "a\\x00b", "NUL")
    yield hostile("name of holes", [sparse("../escape", b"1\n0\n0\n", b"", 0)], "../escape", out)
    prefixed = Member(header(b"escape", prefix=b".."), row("../escape", FILE, b""))
    yield hostile("prefix", [prefixed], "../escape", out)
    for name in ("C:/x", "nul.txt", "a/..\\..\\b", "a:stream", "CON", "dots.", "blank "):
        yield hostile(f"windows {name}", [member(name, data=b"x")], name, "Windows", platform="windows")
    yield hostile("long component", [with_pax({"path": b"n" * 300}, good, "n" * 300)], "n" * 100, "300 bytes, 255")
    deep = "/".join("d" * 3000)
    yield hostile("deep", [with_pax({"path": deep.encode()}, good, deep)], "d/d/d", "3000 names deep")
    wide = "/".join(["w" * 250] * 200)
    yield hostile(
        "long path", [with_pax({"path": wide.encode()}, good, wide)], "w" * 100, "bytes long and 200 names deep"
    )
    yield hostile("name that no system has", [good._replace(row=("\ud800", *(good.row or ())[1:]))], "good", "\\ud800")


def links(outside: str) -> Iterable[Hostile]:
    """Links that something is to be written through, or that lead to what is not in the archive."""
    out = member("link", SYM, link=outside)
    yield hostile("file through a symlink", [out, member("link/new", data=b"x")], "link", "twice")
    yield hostile(
        "file through a symlink to above", [member("l", SYM, link=".."), member("l/new", data=b"x")], "l", "twice"
    )
    yield hostile("folder over a symlink", [out, member("link", DIR), member("link/new", data=b"x")], "link", "twice")
    yield hostile("symlink over a folder", [member("d", DIR), member("d", SYM, link=outside)], "d", "twice")
    yield hostile("symlink over a file", [member("f", data=b"x"), member("f", SYM, link=outside)], "f", "twice")
    yield hostile("file over a symlink", [out, member("link", data=b"x")], "link", "twice")
    chain = [member("a", SYM, link="."), member("a/b", SYM, link=".."), member("a/b/new", data=b"x")]
    yield hostile("chain of symlinks", chain, "a", "twice")
    yield hostile("symlink twice", [out, member("link", SYM, link="other")], "link", "twice")
    file = member("f", data=b"x")
    yield hostile("hard link out", [file, member("h", HARD, link="../outside/secret")], "h", "leads out")
    yield hostile("absolute hard link", [file, member("h", HARD, link=f"{outside}/secret")], "h", "absolute")
    through = [member("s", SYM, link=outside), member("h", HARD, link="s/secret"), file]
    yield hostile("hard link through a symlink", through, "h", "no file in the archive")
    to_link = [member("s", SYM, link=f"{outside}/secret"), member("h", HARD, link="s")]
    yield hostile("hard link to a symlink", to_link, "h", "no file in the archive")
    yield hostile("hard link to nothing", [member("h", HARD, link="gone")], "h", "no file in the archive")
    yield hostile("hard link to itself", [member("h", HARD, link="h")], "h", "no file in the archive")
    yield hostile(
        "hard link to a folder", [member("d", DIR), member("h", HARD, link="d")], "h", "no file in the archive"
    )
    yield hostile("hard link over a file", [file, member("h", HARD, link="f"), member("h", data=b"y")], "h", "twice")
    yield hostile("symlink to nothing", [member("s", SYM, link="")], "s", "0 bytes")
    nul = with_pax({"linkpath": b"a\0b"}, member("s", SYM))
    yield hostile("NUL in a symlink", [nul], "s", "NUL")
    endless = with_pax({"linkpath": b"l" * 5000}, member("s", SYM))
    yield hostile("endless symlink", [endless], "s", "says 5000 bytes")
    yield hostile("file below a file", [file, member("f/new", data=b"x")], "f/new", "below 'f'")


def kinds() -> Iterable[Hostile]:
    """Members that are no files, folders or links, or are two things at once."""
    named = {CHAR: "character device", BLOCK: "block device", FIFO: "pipe", CONTIGUOUS: "contiguous"}
    for kind, words in named.items():
        yield hostile(f"a {words}", [member("dev", kind)], "dev", words)
    for kind in (b"V", b"S", b"M", b"D", b"N", b"Z", b"\xff"):
        yield hostile(f"kind {kind!r}", [member("odd", kind)], "odd", "unknown kind")
    yield hostile("file with a slash", [member("d/", data=b"x")], "d/", "ends with a slash")
    content = Member(header(b"l", SYM, 512, b"x") + bytes(512), row("l", SYM, b"", "x"))
    yield hostile("symlink with content", [content], "l", "512 bytes of content")
    hidden = Member(header(b"d", DIR, 1024) + member("inner").tar + bytes(512), row("d", DIR, b""))
    yield hostile("folder that hides a member", [hidden], "d", "1024 bytes of content")
    file, again = member("f", data=b"x"), member("f", data=b"y")
    yield hostile("file twice", [file, again], "f", "twice")
    yield hostile("file twice, not in a row", [file, member("g"), again], "f", "twice")
    yield hostile("folder twice", [member("d", DIR), member("e"), member("d", DIR)], "d", "twice")


def bombs() -> Iterable[Hostile]:
    """Archives that unpack to more than they say, or say more than there is."""
    yield hostile("more than declared", [member("f", data=bytes(1 << 20))], "f", "declared", declared=1000)
    yield hostile("zeros behind the end", [member("f", data=b"x")], "f", "declared", end=bytes(4 << 20))
    yield hostile("declared beyond the disk", [member("f")], "", "free, what is to be unpacked takes", declared=1 << 60)
    for kind, what in ((b"x", "pax"), (b"g", "global pax"), (b"L", "a long name"), (b"K", "a long link")):
        claim = Member(header(b"claim", kind, 7 << 30))
        yield hostile(f"gigabytes of {what}", [member("f"), claim, member("g")], "f", "at once")
        less = Member(header(b"claim", kind, -1))
        yield hostile(f"less than none of {what}", [member("f"), less, member("g")], "f", "asks for -1 bytes")
    negative = Member(header(b"n", FILE, -512), row("n", FILE, b""))
    yield hostile("negative size", [negative], "n", "-512 bytes")
    yield hostile("file that goes on", [Member(header(b"f", FILE, 1 << 40), row("f", FILE, b""))], "f", "another than")
    yield hostile("holes for ever", [sparse("s", b"1\n%d\n0\n" % (1 << 60), b"", 1 << 60)], "s", "most")
    maps = {
        "overlapping": (b"2\n0\n512\n256\n256\n", bytes(768), 4096, "does not fit"),
        "beyond its end": (b"1\n4096\n512\n", bytes(512), 4000, "does not fit"),
        "less than its data": (b"1\n0\n100\n", bytes(512), 4096, "does not fit"),
        "words": (b"two\n0\n512\n", bytes(512), 4096, "something else than numbers"),
        "negative": (b"1\n-5\n512\n", bytes(512), 4096, "something else than numbers"),
        "endless": (b"9999999\n" + b"0\n" * 400, b"", 4096, "no end"),
        "no lines": (b"1" * 2048, b"", 4096, "something else than numbers"),
    }
    for what, (described, data, long, words) in maps.items():
        yield hostile(f"map of holes: {what}", [sparse("s", described, data, long)], "s", words)


def streams() -> Iterable[Hostile]:
    """Streams that two readers of tar read differently, or that end where they should not."""
    file, other = member("f", data=b"x"), member("g", data=b"y")
    yield hostile("checksum", [file, Member(header(b"g", broken=1), row("g", FILE, b""))], "f", "checksum is wrong")
    yield hostile("no end mark", [file], "f", "in the middle of a header", end=b"")
    cut = Member(header(b"f", FILE, 5000) + bytes(1000), ("f", "file", 5000, "", 0o644, 0, 0, 16 * 10**17, ""))
    yield hostile("cut content", [cut], "f", "in the middle of a file's content", end=b"")
    yield hostile("a second archive", [file], "f", "behind the end mark", end=END + other.tar + END)
    yield hostile("a lone block of zeros", [file], "f", "behind the end mark", end=bytes(512) + other.tar + END)
    damaged = {
        "too long": b"999 path=g\n",
        "no line end": b"10 path=gg",
        "no equals": b"9 pathg\n\n",
        "no number": b"path=g\n",
        "twice": b"10 path=g\n10 path=h\n",
        "of no length": b"0 path=g\n",
    }
    for what, lines in damaged.items():
        records = Member(header(b"pax", b"x", len(lines)) + padded(lines))
        yield hostile(f"pax record {what}", [file, records, other], "f", "pax records are damaged")
    words = Member(pax({"size": b"1e9"}))
    yield hostile("pax size in words", [file, words, other], "f", "where a number belongs")


def lies(outside: str) -> Iterable[Hostile]:
    """An index or a manifest that says something else than the archive."""
    file, other = member("f", data=b"x"), member("g", data=b"y")
    yield hostile("more in the index", [file, other._replace(tar=b"")], "g", "not in the archive")
    yield hostile("more in the archive", [file, other._replace(row=None)], "g", "not in the index")
    differs, changed = "another than the index says", {0: "h", 1: "folder", 2: 2, 4: 0o4755, 5: 33, 6: 33}
    for column, value in changed.items():
        wrong = [*(file.row or ())]
        wrong[column] = value
        yield hostile(f"another column {column} of the index", [file._replace(row=tuple(wrong))], "f", differs)
    setuid = member("f", data=b"x", mode=0o4755)
    yield hostile("setuid in the archive alone", [setuid._replace(row=file.row)], "f", differs)
    content = file._replace(row=row("f", FILE, b"y"))
    yield hostile("another content", [content], "f", "content is another")
    link = member("l", SYM, link=f"{outside}/secret")
    yield hostile("another link", [link._replace(row=row("l", SYM, b"", "good"))], "l", differs)
    yield hostile("another count", [file, other], "", "has 2 files, the manifest says 7", things=7)


def all_hostile(outside: str) -> list[Hostile]:
    """Return all of them, in the same order whatever the folder outside is."""
    return [*names(outside), *links(outside), *kinds(), *bombs(), *streams(), *lies(outside)]


def index_of(rows: Iterable[tuple]) -> bytes:
    """Return the index that has some rows."""
    columns = ("path", "kind", "size", "sha256", "mode", "uid", "gid", "mtime_ns", "link")
    return "".join(json.dumps(each) + "\n" for each in (columns, *rows)).encode("ascii")
