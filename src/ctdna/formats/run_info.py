"""RunInfo.xml and RunParameters.xml."""

import re
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree

from ctdna.model.errors import InputError
from ctdna.model.run import RunLayout, RunRead

_MAX_BYTES = 32 << 20
_COPY = "copy the run folder again"
_TYPES = (
    ("novaseqx", "NovaSeq X"),
    ("novaseq x", "NovaSeq X"),
    ("novaseq", "NovaSeq 6000"),
    ("nextseq 1000", "NextSeq 1000/2000"),
    ("nextseq 2000", "NextSeq 1000/2000"),
    ("nextseq1000", "NextSeq 1000/2000"),
    ("nextseq2000", "NextSeq 1000/2000"),
    ("nextseq", "NextSeq 500/550"),
    ("miniseq", "MiniSeq"),
    ("iseq", "iSeq 100"),
    ("miseq i100", "MiSeq i100"),
    ("miseqi100", "MiSeq i100"),
    ("miseq", "MiSeq"),
    ("hiseq x", "HiSeq X"),
    ("hiseqx", "HiSeq X"),
    ("hiseq 4000", "HiSeq 3000/4000"),
    ("hiseq 3000", "HiSeq 3000/4000"),
    ("hiseq", "HiSeq 2000/2500"),
)
_SERIALS = (
    (r"LH\d", "NovaSeq X"),
    (r"VH\d", "NextSeq 1000/2000"),
    (r"FS\d", "iSeq 100"),
    (r"SH\d", "MiSeq i100"),
    (r"MN\d", "MiniSeq"),
    (r"N[BSD]\d", "NextSeq 500/550"),
    (r"A\d", "NovaSeq 6000"),
    (r"M\d", "MiSeq"),
    (r"ST-E\d|E\d", "HiSeq X"),
    (r"[JK]\d", "HiSeq 3000/4000"),
    (r"D\d|SN\d|C\d", "HiSeq 2000/2500"),
)
_TYPE_TAGS = ("InstrumentType", "InstrumentName", "Application", "ApplicationName", "Platform", "InstrumentPlatform")
_VERSION_TAGS = ("SbsConsumableVersion", "ReagentKitVersion", "RecipeVersion")


def _parse(path: Path) -> ElementTree.Element:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InputError(path, "", f"found more than {_MAX_BYTES >> 20} MB", "is this the file of an instrument?")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(path, "", f"cannot be read: {error.strerror}", _COPY) from error
    if b"<!DOCTYPE" in data.upper() or b"<!ENTITY" in data.upper():
        raise InputError(path, "", "found a DOCTYPE, which no instrument writes", "use the instrument's own file")
    try:
        return ElementTree.fromstring(data)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise InputError(path, "", f"not well-formed XML: {error}", _COPY) from error


def _count(path: Path, element: ElementTree.Element, name: str) -> int:
    text = element.get(name, "")
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 100_000):
        what = f"found {name} '{text}', expected a whole number above 0"
        raise InputError(path, f"<{element.tag}>", what, _COPY)
    return int(text)


def _flag(path: Path, element: ElementTree.Element, name: str) -> bool | None:
    text = element.get(name)
    if text is None:
        return None
    if text.upper() not in ("Y", "N"):
        raise InputError(path, f"<{element.tag}>", f"found {name} '{text}', allowed are Y and N", _COPY)
    return text.upper() == "Y"


def _reads(path: Path, run: ElementTree.Element) -> tuple[RunRead, ...]:
    reads = [
        RunRead(
            number=_count(path, element, "Number"),
            n_cycles=_count(path, element, "NumCycles"),
            is_index=bool(_flag(path, element, "IsIndexedRead")),
            is_reverse_complement=_flag(path, element, "IsReverseComplement"),
        )
        for element in run.iterfind("Reads/Read")
        if element.get("NumCycles") != "0"
    ]
    numbers = [read.number for read in reads]
    if not reads or sorted(set(numbers)) != sorted(numbers):
        raise InputError(path, "<Reads>", f"found reads {numbers}, expected reads with numbers of their own", _COPY)
    return tuple(sorted(reads, key=lambda read: read.number))


def _optional(element: ElementTree.Element | None, name: str) -> int | None:
    text = element.get(name, "") if element is not None else ""
    return int(text) if text.isascii() and text.isdigit() else None


def _tiles(path: Path, run: ElementTree.Element) -> tuple[str, ...]:
    tiles = tuple((element.text or "").strip() for element in run.iterfind("FlowcellLayout/TileSet/Tiles/Tile"))
    for tile in tiles:
        if not re.fullmatch(r"\d+_\d+", tile):
            raise InputError(path, "<Tile>", f"found '{tile}', expected lane_tile as 1_1101", _COPY)
    return tiles


def _name(path: Path, what: str, text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", text):
        allowed = "allowed are letters, digits, dot, dash and underscore"
        raise InputError(path, "<Run>", f"found {what} '{text[:60]}', {allowed}", _COPY)
    return text


_DATES = ("%Y-%m-%d", "%y%m%d", "%Y%m%d", "%m/%d/%Y")
"""Of NovaSeq X and NextSeq 1000, of HiSeq and MiSeq, of a few MiniSeq, of NovaSeq 6000 (month first)."""


def _date(text: str | None) -> str | None:
    """Return the day of RunInfo.xml's <Date> in ISO 8601; None where its form is not known."""
    word = (text or "").strip().replace("T", " ").partition(" ")[0]
    for form in _DATES:
        try:
            return datetime.strptime(word, form).date().isoformat()
        except ValueError:
            continue
    return None


def read_run_info(path: Path) -> RunLayout:
    """Return the run's layout from RunInfo.xml; the instrument's type is guessed from its serial number.

    Raises:
        InputError: the file is missing, not XML, or lacks the run's name or reads.
    """
    root = _parse(path)
    run = root.find("Run") if root.tag == "RunInfo" else None
    if run is None:
        raise InputError(path, f"<{root.tag}>", "found no <RunInfo> with a <Run>", _COPY)
    layout = run.find("FlowcellLayout")
    instrument = _name(path, "Instrument", (run.findtext("Instrument") or "").strip())
    serial = next((kind for pattern, kind in _SERIALS if re.match(pattern, instrument)), None)
    return RunLayout(
        run_id=_name(path, "run Id", run.get("Id", "")),
        run_number=_name(path, "run Number", run.get("Number", "")),
        instrument=instrument,
        flow_cell=_name(path, "Flowcell", (run.findtext("Flowcell") or "").strip()),
        reads=_reads(path, run),
        n_lanes=_optional(layout, "LaneCount"),
        n_surfaces=_optional(layout, "SurfaceCount"),
        n_swaths=_optional(layout, "SwathCount"),
        n_tiles=_optional(layout, "TileCount"),
        tiles=_tiles(path, run),
        instrument_type=serial,
        date=_date(run.findtext("Date")),
    )


def _texts(root: ElementTree.Element) -> dict[str, str]:
    found: dict[str, str] = {}
    for element in root.iter():
        text = (element.text or "").strip()
        if text:
            found.setdefault(element.tag.rsplit("}", 1)[-1].lower(), text)
    return found


def add_run_parameters(layout: RunLayout, path: Path) -> RunLayout:
    """Return the layout with the instrument's type and the reagent version that RunParameters.xml names.

    Raises:
        InputError: the file cannot be read or is not XML.
    """
    texts = _texts(_parse(path))
    kind = layout.instrument_type
    for tag in _TYPE_TAGS:
        words = texts.get(tag.lower(), "").lower()
        match = next((name for word, name in _TYPES if re.search(rf"\b{word}", words)), None)
        if match is not None:
            kind = match
            break
    version = next((texts[tag.lower()] for tag in _VERSION_TAGS if tag.lower() in texts), None)
    return layout.model_copy(update={"instrument_type": kind, "reagent_version": version})
