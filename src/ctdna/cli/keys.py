"""`ctdna keys`: the keys of a manufacturer or a site, and the public keys that this machine trusts."""

from pathlib import Path

import click

from ctdna.cli.options import input_path

_ROLE = click.option(
    "--role", type=click.Choice(("manufacturer", "site")), required=True, help="Whom the key speaks for."
)


@click.group("keys")
def command() -> None:
    """Make, trust and list Ed25519 keys.

    A manufacturer's key signs kits, lots and build locks; a site's key signs bundles, reports and the ledger. Private
    keys lie in `keys` of the folder CTDNA_HOME (or `ctdna` in the user's data folder), trusted public keys in `trust`.
    """


@command.command("new")
@click.argument("name")
@input_path("--passphrase-file", "File whose first line protects the private key.", required=False)
def new(name: str, passphrase_file: Path | None) -> None:
    """Make a key pair NAME.key and NAME.pub in this machine's folder of keys; print the key id.

    The private key never leaves the folder and is readable by its owner only. Without a passphrase anybody with the
    owner's rights can sign with it.
    """
    import re

    from ctdna.cli.signing import read_passphrase
    from ctdna.formats.keys import keys_folder, new_key
    from ctdna.model.errors import InputError
    from ctdna.model.signature import KEY_NAME

    if not re.match(KEY_NAME, name):
        raise InputError(None, "NAME", f"found `{name}`", "use small letters, digits and dashes, as `acme-2026`")
    made = new_key(name, read_passphrase(passphrase_file))
    click.echo(f"{name}\t{made.public.key_id}\t{keys_folder() / name}.pub")


@command.command("trust")
@click.argument("file", type=click.Path(path_type=Path))
@_ROLE
def trust_command(file: Path, role: str) -> None:
    """Trust the public key FILE in a role; compare its key id with its owner's before."""
    from ctdna.formats.keys import trust
    from ctdna.model.signature import KeyRole

    chosen: KeyRole = "manufacturer" if role == "manufacturer" else "site"
    key = trust(file, chosen)
    click.echo(f"trusted as {role}\t{key.name}\t{key.key_id}")


@command.command("list")
def list_keys() -> None:
    """List this machine's own keys and those that it trusts: kind, name, key id."""
    from ctdna.formats.keys import PUBLIC, ROLES, keys_folder, read_public_key, trusted_keys

    for path in sorted(keys_folder().glob(f"*{PUBLIC}")):
        key = read_public_key(path)
        click.echo(f"own\t{key.name}\t{key.key_id}")
    for role in ROLES:
        for key in trusted_keys(role).values():
            click.echo(f"{role}\t{key.name}\t{key.key_id}")
