"""`ctdna build`: lock the installed software, and check it against its lock."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ctdna.cli.build_diff import build_diff
from ctdna.cli.options import input_path, output_path
from ctdna.cli.signing import open_key, signing_key

if TYPE_CHECKING:
    from ctdna.model.build import BuildLock


@click.group("build")
def command() -> None:
    """Lock the installed software, check it against its lock, and list what it is made of.

    The build is every file of ctdna, its workflow and wrappers, every file of the Python distributions below it, the
    aligner, and Python's version: one digest over all. Reports show it.
    """


command.add_command(build_diff)


def _echo(lock: "BuildLock") -> None:
    from ctdna.model.build import BUILD_PARTS

    for part in BUILD_PARTS:
        click.echo(f"{part}\t{len(lock.part(part))}\t{lock.part_digest(part)}")
    click.echo(f"own\tctdna {lock.software}\t{lock.own_digest}")
    click.echo(f"build\t{lock.platform}\t{lock.digest}")


@command.command("lock")
@signing_key("The manufacturer's key that signs the lock.")
@output_path("--output", "The lock; its signature is written beside it as FILE.sig.")
def lock_command(key_name: str, passphrase_file: Path | None, output: Path) -> None:
    """Write the signed lock of the installed build.

    Refused where the installation is not whole: a distribution differs from its own list of files, or from the version
    that requirements/runtime.lock names.
    """
    from ctdna.build.verify import write_lock

    _echo(write_lock(output, open_key(key_name, passphrase_file)))


@command.command("install")
@click.argument("file", type=click.Path(path_type=Path))
def install_command(file: Path) -> None:
    """Make FILE the lock of this machine, after a check of its signature and of the installed build."""
    from ctdna.build.verify import install_lock, installed_lock

    lock, key = install_lock(file)
    click.echo(f"{lock.digest}\tsigned by {key.name} ({key.key_id})\t{installed_lock()}")


@command.command("verify")
@input_path("--lock", "The lock to check against; without it, that of this machine.", required=False)
def verify_command(lock: Path | None) -> None:
    """Check every item of the installed build against its signed lock; name each that differs (exit 3)."""
    from ctdna.build.lock import found_build
    from ctdna.build.verify import differences, installed_lock, read_lock
    from ctdna.model.errors import DefinitionError

    path = lock or installed_lock()
    locked, key = read_lock(path)
    found = found_build(byte_code="all")
    lines = [*map(str, differences(found.lock, locked)), *(f"files: {problem}" for problem in found.problems)]
    for line in lines:
        click.echo(line)
    if lines:
        what = f"the installed build differs from its lock in {len(lines)} items"
        raise DefinitionError(
            path, "", what, "install the build that was locked; till then runs are for research use only"
        )
    click.echo(f"{locked.digest}\tas locked by {key.name} ({key.key_id})")


@command.command("show")
def show_command() -> None:
    """Print the parts of the installed build: how many items, and the digest over them."""
    from ctdna.build.lock import lock_of

    _echo(lock_of())


@command.command("sbom")
@output_path("--output", "The bill of materials, as FILE.cdx.json.")
def sbom_command(output: Path) -> None:
    """Write the bill of materials of the installed build: CycloneDX 1.6, JSON; the same build gives the same bytes."""
    from ctdna.build.lock import found_build
    from ctdna.build.sbom import sbom_text
    from ctdna.formats.atomic import write_text

    write_text(output, sbom_text(found_build()))


@command.command("soup")
@output_path("--output", "The list, tab-separated.")
def soup_command(output: Path) -> None:
    """Write the list of software of unknown provenance (IEC 62304): supplier, licence, purpose, relevance.

    The columns known_anomalies and assessed_by are left to a person.
    """
    from ctdna.build.lock import found_build
    from ctdna.build.soup import soup_rows, soup_text
    from ctdna.formats.atomic import write_text

    write_text(output, soup_text(soup_rows(found_build())))
