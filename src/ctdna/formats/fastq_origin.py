"""Which sequencer and flow cell made FASTQ files, as the names of their first reads tell."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from ctdna.formats.fastq import first_name
from ctdna.formats.fastq_folder import FastqSample

_CASAVA = re.compile(
    r"(?P<instrument>[A-Za-z0-9_.-]+):\d+:(?P<flow_cell>[A-Za-z0-9_.-]+):\d+:\d+:-?\d+:-?\d+(?::[ACGTNr+]+)?"
)
"""Read names of CASAVA 1.8 and later: `instrument:run:flow cell:lane:tile:x:y`, and the UMI where there is one."""

TELL = "read names tell"
"""How each warning begins."""


class FastqOrigin(NamedTuple):
    """What all files agree in; None: they tell nothing, or several."""

    instrument: str | None
    """Serial number."""
    flow_cell: str | None
    warnings: tuple[str, ...]
    """Why either is None."""


def read_origin(samples: Iterable[FastqSample]) -> FastqOrigin:
    """Return the sequencer and flow cell that the first read of each file names; a file without reads does not count.

    Raises:
        InputError: a file cannot be read, is damaged at its beginning, or holds no FASTQ records.
    """
    instruments: dict[str, str] = {}
    flow_cells: dict[str, str] = {}
    for path in sorted(path for sample in samples for path in (*sample.r1, *sample.r2)):
        name = first_name(path)
        if name is None:
            continue
        parts = _CASAVA.fullmatch(name)
        if parts is None:
            return FastqOrigin(None, None, (f"{TELL} no instrument: {path.name} begins with {name[:100]}",))
        instruments.setdefault(parts["instrument"], path.name)
        flow_cells.setdefault(parts["flow_cell"], path.name)
    if not instruments:
        return FastqOrigin(None, None, (f"{TELL} no instrument: no file holds a read",))
    warnings = (*_several("instruments", instruments), *_several("flow cells", flow_cells))
    return FastqOrigin(_only(instruments), _only(flow_cells), warnings)


def _only(found: dict[str, str]) -> str | None:
    return next(iter(found)) if len(found) == 1 else None


def _several(what: str, found: dict[str, str]) -> tuple[str, ...]:
    if len(found) == 1:
        return ()
    return (f"{TELL} several {what}: " + ", ".join(f"{one} ({file})" for one, file in found.items()),)
