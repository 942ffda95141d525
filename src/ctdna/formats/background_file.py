"""The background as a file: gzipped text, a JSON header line and one line a site, with a digest over all of it."""

import gzip
import hashlib
import json
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ctdna.formats.atomic import atomic_path
from ctdna.model.background import TrainedBackground
from ctdna.model.errors import DefinitionError, InputError

FORMAT = "ctdna-background-2"
_ANEW = "train it anew by `ctdna background` of this build"
_PLAIN = ("kit", "panel_digest", "rules", "params", "facts", "n_donors", "calibration")
_FLOATS = ("context_mean", "site_shape", "factor_shape", "donor_shape", "indel_shape", "indel_factor_shape")
_COUNTS = ("indel_k", "indel_n")
_COLUMNS = "#errors A;C;G;T by class\tmolecules A;C;G;T by class\tdonors with A,C,G,T"
_N_NUMBERS = 68
_HINT = "give a file that `ctdna background` wrote"


def _numbers(values: NDArray[np.int64]) -> str:
    return ";".join("." if not row.any() else ",".join(map(str, row.tolist())) for row in values)


def _rounded(values: NDArray[np.float64]) -> object:
    return np.vectorize(lambda value: float(f"{value:.9g}"))(values).tolist()


def _content(trained: TrainedBackground) -> str:
    header: dict[str, object] = {"format": FORMAT, "n_sites": len(trained.site_k)}
    header |= {name: getattr(trained, name) for name in _PLAIN}
    header |= {name: _rounded(getattr(trained, name)) for name in _FLOATS}
    header |= {name: getattr(trained, name).tolist() for name in _COUNTS}
    lines = [json.dumps(header, sort_keys=True), _COLUMNS]
    rows = zip(trained.site_k, trained.site_n, trained.site_donors, strict=True)
    lines += [f"{_numbers(k)}\t{_numbers(n)}\t{_numbers(donors[None])}" for k, n, donors in rows]
    return "\n".join(lines) + "\n"


def write_background(path: Path, trained: TrainedBackground) -> str:
    """Write the background, whole or not at all, and return its digest, which its first line holds.

    Raises:
        InputError: the file cannot be written.
    """
    content = _content(trained)
    digest = hashlib.sha256(content.encode()).hexdigest()
    with atomic_path(path) as temporary:
        temporary.write_bytes(gzip.compress(f"#sha256={digest}\n{content}".encode(), mtime=0))
    return digest


def _text(path: Path) -> str:
    try:
        return gzip.decompress(path.read_bytes()).decode()
    except (EOFError, zlib.error, UnicodeDecodeError, gzip.BadGzipFile) as error:
        raise InputError(path, "", "is cut off, damaged or no background", _HINT) from error
    except OSError as error:
        raise InputError(path, "", f"cannot be read: {error.strerror}", _HINT) from error


def _sites(body: str, n_sites: int) -> NDArray[np.int64]:
    """Return the sites' numbers, (sites, 68): errors and molecules by base and class, donors by base.

    Raises:
        ValueError: there are more or fewer, or something else.
    """
    zeros = {width: ",".join(["0"] * width) for width in (4, 8)}
    text = f"{body}\n".replace("\t.\n", f"\t{zeros[4]}\n").replace(".", zeros[8])
    numbers = np.fromstring(text.translate(str.maketrans(";\t\n", ",,,")).rstrip(","), dtype=np.int64, sep=",")
    if len(numbers) != n_sites * _N_NUMBERS:
        raise ValueError(f"{len(numbers)} numbers")
    return numbers.reshape(n_sites, _N_NUMBERS)


def read_background(path: Path) -> TrainedBackground:
    """Return a background.

    Raises:
        InputError: the file is unreadable, damaged or another one.
        DefinitionError: its content is not what its digest says.
    """
    first, _, content = _text(path).partition("\n")
    if not first.startswith("#sha256="):
        raise InputError(path, "line 1", "holds no digest", _HINT)
    if hashlib.sha256(content.encode()).hexdigest() != first.removeprefix("#sha256="):
        raise DefinitionError(path, "line 1", "its content was changed: the digest does not fit", _HINT)
    lines = content.splitlines()
    try:
        header = json.loads(lines[0])
        if header["format"] != FORMAT:
            raise InputError(path, "format", f"found {header['format']}, expected {FORMAT}", _ANEW)
        numbers = _sites("\n".join(lines[2:]), header["n_sites"])
        fields = {name: header[name] for name in _PLAIN}
        fields |= {name: np.array(header[name], dtype=np.float64) for name in _FLOATS}
        fields |= {name: np.array(header[name], dtype=np.int64) for name in _COUNTS}
        site_k, site_n = (np.ascontiguousarray(numbers[:, i : i + 32]).reshape(-1, 4, 8) for i in (0, 32))
        donors = np.ascontiguousarray(numbers[:, 64:]).astype(np.int32)
        return TrainedBackground(**fields, site_k=site_k, site_n=site_n, site_donors=donors)
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise InputError(path, "", "is no background of this build", _HINT) from error
