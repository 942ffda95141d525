"""Whose signatures count for bundles and reports."""

from ctdna.formats.keys import PUBLIC, PublicKey, keys_folder, read_public_key, trusted_keys
from ctdna.ledger.local import read_site, site_path


def site_trust() -> dict[str, PublicKey]:
    """Return the keys of sites that this machine trusts, by key id: those of `trust/site`, and its own site's key.

    Other keys of this machine, a manufacturer's above all, do not count.

    Raises:
        InputError: a key or `site.json` is damaged.
    """
    trusted = trusted_keys("site")
    if site_path().is_file():
        own = read_public_key(keys_folder() / f"{read_site().key}{PUBLIC}")
        trusted[own.key_id] = own
    return trusted
