"""`ctdna warm`: compile every kernel once, so that later starts are quick."""

import importlib
import multiprocessing
import os
import pkgutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from types import ModuleType

import click


def kernel_modules() -> Iterator[ModuleType]:
    """Yield every module of `ctdna.kernels`, in the order of their names."""
    from ctdna import kernels

    for found in sorted(pkgutil.iter_modules(kernels.__path__), key=lambda module: module.name):
        yield importlib.import_module(f"{kernels.__name__}.{found.name}")


def warm_module(name: str) -> str:
    """Compile the kernels of one module and return its name."""
    importlib.import_module(name).warm()
    return name


def _warm_in_processes(names: list[str], jobs: int) -> None:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        for done in [pool.submit(warm_module, name) for name in names]:
            done.result()


@click.command("warm")
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=lambda: len(os.sched_getaffinity(0)),
    show_default="one a processor",
    help="Processes that compile side by side.",
)
@click.option("--quiet", is_flag=True, help="Print nothing.")
def command(jobs: int, quiet: bool) -> None:
    """Compile every kernel once, so that later starts are quick.

    The compiled kernels are kept in $CTDNA_CACHE, or else in the user's cache folder, under a digest of their sources:
    a changed source is compiled again, a finished one is only loaded. Run it once after installation, before jobs
    start in parallel. It takes about a minute the first time.
    """
    names = [module.__name__ for module in kernel_modules() if hasattr(module, "warm")]
    if jobs > 1:
        _warm_in_processes(names, jobs)
    for name in names:  # loads what the processes compiled, and compiles what two of them may have lost to each other
        warm_module(name)
        if not quiet:
            click.echo(f"ready: {name.rsplit('.', 1)[-1]}", err=True)
