"""Simulated donors with damage: the damage shows in the figures of `call`, and dilutions bear LoD95 out."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from ctdna.formats.documents import read_json
from ctdna.model.calibration import FAILS, Calibration
from ctdna.model.metrics import StageMetrics
from tests.end_to_end.conftest import KIT, REPOSITORY, ctdna

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
OXIDATION, DEAMINATION = 1e-3, 3e-4
PLACES = {"demo_EGFR": (4500, 4550, 4700, 4750, 4990, 5040), "demo_KRAS": (1120, 1170, 1330, 1390), "demo_MET": (5030,)}


def _planted(reference: Path) -> list[dict[str, object]]:
    texts = {part.split()[0]: "".join(part.split("\n")[1:]).upper() for part in reference.read_text().split(">")[1:]}
    places = [(contig, pos1, texts[contig][pos1 - 1]) for contig, some in PLACES.items() for pos1 in some]
    other = dict(zip("ACGT", "CATG", strict=True))
    return [{"allele": f"{contig}:{pos1}:{ref}>{other[ref]}", "vaf": 0.5} for contig, pos1, ref in places]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the consensus reads of two donors, one of whom has planted alleles at 50 %."""
    if shutil.which("bwa") is None:
        pytest.skip("bwa is not on the PATH")
    path = tmp_path_factory.mktemp("dilution")
    reference = path / "reference.fa"
    for name in ("reference.fa", "reference.fa.fai"):
        shutil.copy(REPOSITORY / "config" / "kits" / "ctdna-demo" / "1.0.0" / name, path / name)
    subprocess.run(["bwa", "index", str(reference)], check=True, capture_output=True)
    shared = {"role": "patient", "molecules_per_target": 500, "reads_per_molecule": 6.0}
    base = {"sample_id": "BASE", "index": "TGTAAGGA", "index2": "GTGGACTT", "subject": "one", **shared}
    spike = {"sample_id": "SPIKE", "index": "TCTGTGAA", "index2": "CATGCACA", "subject": "two", **shared}
    spike["variants"] = _planted(reference)
    run = {"instrument": "A00042", "number": 7, "flow_cell": "HDEMODSX1", "date": "250117", "n_tiles": 2}
    process = {"oxidation": OXIDATION, "deamination": DEAMINATION}
    design = {"run": run, "process": process, "samples": [base, spike]}
    (path / "design.yaml").write_text(json.dumps(design))
    options = ["--kit", KIT, "--seed", 4, "--fastq-only", "--output", path / "fastq"]
    assert ctdna("simulate", "--design", path / "design.yaml", *options).returncode == 0
    for name in ("BASE", "SPIKE"):
        reads = ["--r1", path / "fastq" / f"{name}_R1.fastq.gz", "--r2", path / "fastq" / f"{name}_R2.fastq.gz"]
        out = ["--output", path / f"{name}.bam", "--sample", name, "--kit", KIT, "--reference", reference]
        done = ctdna("consensus-from-fastq", *reads, *out)
        assert done.returncode == 0, done.stderr
    return path


def test_oxidation_and_deamination_are_measured_as_they_were_made(folder: Path) -> None:
    files = ["--input", folder / "BASE.bam", "--reference", folder / "reference.fa", "--output", folder / "o.vcf.gz"]
    done = ctdna("call", *files, "--kit", KIT, "--metrics", folder / "call.json")
    assert done.returncode == 0, done.stderr
    metrics = read_json(folder / "call.json", StageMetrics)
    n_bases = metrics.counts["lesion_bases_g"]
    assert n_bases == metrics.counts["lesion_bases_c"] > 50_000
    rates = {name.removeprefix("lesions_per_million_"): rate for name, rate in metrics.values.items()}
    for name, rate in (("g_to_t", OXIDATION), ("c_to_t", DEAMINATION)):
        assert rates[name] == pytest.approx(1e6 * rate, abs=4e6 * (rate / n_bases) ** 0.5 + 0.1e6 * rate)
        sides = [metrics.counts[f"lesions_{name}_{side}"] for side in ("top", "bottom")]
        assert abs(sides[0] - sides[1]) < 4 * sum(sides) ** 0.5
    assert max(rates[name] for name in ("c_to_a", "g_to_a", "a_to_g", "t_to_c", "g_to_c", "a_to_t")) < 60


@pytest.mark.req("REQ-CAL-003")
def test_dilutions_bear_the_stated_limit_out(folder: Path) -> None:
    sources = ["--base", folder / "BASE.bam", "--spike", folder / "SPIKE.bam"]
    truth = ["--truth", folder / "fastq" / "truth" / "SPIKE.truth.tsv", "--reference", folder / "reference.fa"]
    out = ["--output", folder / "o.json", "--plot", folder / "o.svg", "--replicates", 3, "--threads", 2]
    done = ctdna("calibrate", *sources, *truth, *out, "--kit", KIT)
    assert done.returncode == 0, done.stderr
    report = read_json(folder / "o.json", Calibration)
    assert report.alleles["BASE"] >= len(_planted(folder / "reference.fa"))
    assert report.limit_judgement not in (None, FAILS)
    assert abs(report.detected - report.expected) < 4 * report.expected_sd
    assert report.blanks.calls == ()
    assert done.stdout.startswith(report.judgement)
