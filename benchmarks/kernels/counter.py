"""Counts of executed instructions by valgrind's callgrind, from within the process that it runs.

The request is the sequence of instructions that valgrind's own header documents; on a bare processor it does nothing.
"""

import ctypes
import mmap
import re
import struct
from pathlib import Path

_REQUEST = bytes.fromhex("4889f8 31d2 48c1c703 48c1c70d 48c1c73d 48c1c733 4887db 4889d0 c3")
"""mov rax, rdi; xor edx, edx; four rotations of rdi that add up to none; xchg rbx, rbx; mov rax, rdx; ret."""
_ZERO, _DUMP_AS, _START, _STOP = (0x43540001, 0x43540003, 0x43540004, 0x43540005)


class Counter:
    """Asks callgrind to count, and to write what it counted under a name."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        self._page.write(_REQUEST)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self._page))
        self._ask = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p)(address)

    def _request(self, code: int, first: int = 0) -> None:
        words = (ctypes.c_uint64 * 6)(code, first, 0, 0, 0, 0)
        self._ask(ctypes.addressof(words))

    def start(self) -> None:
        self._request(_START)
        self._request(_ZERO)

    def stop(self, name: str) -> None:
        text = ctypes.create_string_buffer(name.encode())
        self._request(_DUMP_AS, ctypes.addressof(text))
        self._request(_STOP)


def counted(folder: Path) -> dict[str, int]:
    """Return the instructions of each name that callgrind wrote into a folder."""
    found: dict[str, int] = {}
    for path in sorted(folder.glob("callgrind.out.*")):
        text = path.read_text(encoding="utf-8", errors="replace")
        name = re.search(r"^desc: Trigger: Client Request: (.*)$", text, re.MULTILINE)
        total = re.search(r"^(?:totals|summary): (\d+)", text, re.MULTILINE)
        if name and total:
            found[name[1].strip()] = int(total[1])
    return found


def is_request_harmless() -> bool:
    """Return whether a request on a bare processor comes back (its answer is then 0)."""
    Counter().start()
    return struct.calcsize("P") == 8
