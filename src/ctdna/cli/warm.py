"""`ctdna warm`: compile every kernel once, so that later starts are quick."""

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType

import click


def kernel_modules() -> Iterator[ModuleType]:
    """Yield every module of `ctdna.kernels`, in the order of their names."""
    from ctdna import kernels

    for found in sorted(pkgutil.iter_modules(kernels.__path__), key=lambda module: module.name):
        yield importlib.import_module(f"{kernels.__name__}.{found.name}")


@click.command("warm")
@click.option("--quiet", is_flag=True, help="Print nothing.")
def command(quiet: bool) -> None:
    """Compile every kernel once, so that later starts are quick.

    The compiled kernels are kept in $CTDNA_CACHE, or else in the user's cache folder, under a digest of their sources:
    a changed source is compiled again, a finished one is only loaded. Run it once after installation, before jobs
    start in parallel.
    """
    for module in kernel_modules():
        warm = getattr(module, "warm", None)
        if warm is None:
            continue
        warm()
        if not quiet:
            click.echo(f"ready: {module.__name__.rsplit('.', 1)[-1]}", err=True)
