"""A small installation: ctdna's parts, two distributions, a bwa; each in a folder where a test may change bytes."""

import base64
import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ctdna.build import lock
from ctdna.build.own import Places
from ctdna.cli.main import command
from ctdna.formats.keys import PrivateKey, new_key, trust, trust_folder

BWA = "#!/bin/sh\necho 'Version: 0.7.17-r1188' >&2\n"
PARTS = {
    "package/__init__.py": "",
    "package/stages/call.py": "LEVEL = 0.05\n",
    "package/report/fonts/one.ttf": "font",
    "workflow/Snakefile": "rule all: pass\n",
    "workflow/rules/reads.smk": "rule reads: pass\n",
    "pipeline/bwa/versions.yaml": "version: 0.7.17-r1188\n",
    "config/demo/demo.yaml": "seed: 1\n",
    "config/kits/demo/1.0.0/kit.yaml": "name: demo\n",
    "requirements/runtime.in": "alpha-lib\nbeta\n",
    "requirements/dev.lock": "pytest==1\n",
    "requirements/runtime.lock": (
        f"alpha-lib==1.2.0 \\\n    --hash=sha256:{'a' * 64} \\\n    --hash=sha256:{'b' * 64}\n    # via ctdna\n"
        f"beta==3.0 ; python_version == '3.11' \\\n    --hash=sha256:{'c' * 64}\n"
    ),
}


def put(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _row(name: str, content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    return f"{name},sha256={digest},{len(content)}"


def install(site: Path, name: str, version: str, files: dict[str, str], metadata: str = "") -> Path:
    """Install a distribution as an installer does, and return its `.dist-info`."""
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    all_files = {**files, f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{metadata}\n"}
    put(site, all_files)
    rows = [_row(one, text.encode()) for one, text in all_files.items()]
    rows += [f"{info}/RECORD,,", "../../../bin/tool,sha256=AAAA,1", "alpha/__pycache__/x.cpython-311.pyc,,"]
    put(site, {f"{info}/RECORD": "\n".join(rows) + "\n", f"{info}/INSTALLER": "pip\n"})
    return site / info


@dataclass(frozen=True)
class World:
    """The folders of an installation, and the manufacturer's key."""

    root: Path
    key: PrivateKey

    @property
    def site(self) -> Path:
        return self.root / "site-packages"

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def lock(self) -> Path:
        return self.root / "acme.lock.json"

    def places(self) -> Places:
        names = ("package", "workflow", "pipeline", "config", "requirements")
        return Places(*(self.root / name for name in names))

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(command, ["build", *words])

    def make_lock(self) -> None:
        done = self.run("lock", "--key", "acme", "--output", str(self.lock))
        assert done.exit_code == 0, done.output

    def make_and_install(self) -> None:
        self.make_lock()
        done = self.run("install", str(self.lock))
        assert done.exit_code == 0, done.exception


def make_world(root: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    put(root, PARTS)
    site = root / "site-packages"
    install(site, "alpha_lib", "1.2.0", {"alpha/__init__.py": "A = 1\n", "alpha/core.so": "binary"})
    install(site, "beta", "3.0", {"beta.py": "B = 1\n", "beta.pth": "/nowhere\n"})
    put(root, {"bin/bwa": BWA})
    (root / "bin" / "bwa").chmod(0o755)
    monkeypatch.setenv("CTDNA_HOME", str(root / "home"))
    monkeypatch.setenv("PATH", f"{root / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr(sys, "path", [str(site), *sys.path])
    key = new_key("acme", None)
    trust(root / "home" / "keys" / "acme.pub", "manufacturer")
    assert trust_folder("manufacturer").is_dir()
    world = World(root, key)
    monkeypatch.setattr(lock, "places", world.places)
    return world
