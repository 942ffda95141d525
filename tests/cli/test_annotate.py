"""`ctdna annotate`, `ctdna kit` and `ctdna reference` as a user calls them."""

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from ctdna.cli.main import command
from ctdna.kit.lock import write_lock
from ctdna.kit.resources import shipped
from ctdna.model.errors import CtdnaError

DEMO = shipped("config") / "kits" / "ctdna-demo" / "1.0.0"
VCF = """##fileformat=VCFv4.3
##FILTER=<ID=germline,Description="x">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tPATIENT-1
demo_EGFR\t5016\t.\tT\tG\t.\tPASS\t.\tDP\t100
demo_TP53\t1282\t.\tC\tT\t.\tgermline\t.\tDP\t100
"""
Run = Callable[..., str]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Return a function that runs a command and returns what it printed; a failure is raised."""
    monkeypatch.setenv("CTDNA_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "call.vcf").write_text(VCF)

    def call(*args: str | Path, code: int = 0) -> str:
        result = CliRunner().invoke(command, [str(arg) for arg in args], standalone_mode=False)
        if result.exception is not None:
            raise result.exception
        assert (result.return_value or 0) == code
        return result.output

    return call


def annotated(path: str) -> list[dict[str, str]]:
    with gzip.open(path, "rt") as stream:
        rows = [line.rstrip("\n").split("\t") for line in stream if not line.startswith("#")]
    return [dict(part.partition("=")[::2] for part in row[7].split(";")) for row in rows]


def test_a_kit_annotates_its_variants(run: Run) -> None:
    fasta = run("reference", "path", "--kit", "ctdna-demo@1.0.0").strip()
    args = ("annotate", "--input", "call.vcf", "--reference", fasta, "--kit", "ctdna-demo@1.0.0")
    run(*args, "--output", "out.vcf.gz", "--metrics", "annotate.json")
    egfr, tp53 = annotated("out.vcf.gz")
    assert (egfr["GENE"], egfr["HGVSC"], egfr["HGVSP"], egfr["TIER"]) == ("EGFR", "c.2573T>G", "p.(Leu858Arg)", "I")
    assert "HOTSPOT" in egfr
    assert "GERMLINE_ALERT" in tp53
    assert "CHIP" in tp53
    metrics = json.loads(Path("annotate.json").read_text())
    assert (metrics["sample"], metrics["n_in"], metrics["counts"]["hotspots"]) == ("PATIENT-1", 2, 2)
    run(*args, "--output", "again.vcf.gz")
    assert Path("again.vcf.gz").read_bytes() == Path("out.vcf.gz").read_bytes()
    run(*args, "--output", "melanoma.vcf.gz", "--diagnosis", "Melanoma")
    assert annotated("melanoma.vcf.gz")[0]["TIER"] == "II"


def test_files_annotate_without_a_kit(run: Run) -> None:
    fasta = run("reference", "path", "--kit", "ctdna-demo@1.0.0").strip()
    files = ("--transcripts", DEMO / "transcripts.tsv", "--knowledge", DEMO / "knowledge.tsv")
    run("annotate", "--input", "call.vcf", "--reference", fasta, "--output", "out.vcf.gz", *files)
    assert annotated("out.vcf.gz")[0]["HGVSP"] == "p.(Leu858Arg)"
    assert "HOTSPOT" not in annotated("out.vcf.gz")[0]


FAILURES = [
    ((), VCF, 2, "found neither --kit nor --transcripts; name the transcripts"),
    (("--kit", "ctdna-demo@9.0.0"), VCF, 2, "kit `ctdna-demo@9.0.0` is not known"),
    (("--kit", "ctdna-core@1.0.0"), VCF, 3, "--reference: its contigs are not those of the reference of kit"),
    (("--kit", "ctdna-demo@1.0.0"), VCF.replace("5016\t.\tT", "5016\t.\tC"), 2,
     "call.vcf: line 4, demo_EGFR:5016: REF is C, the reference has T there; give the reference"),
    (("--kit", "ctdna-demo@1.0.0"), VCF.replace("demo_TP53", "chr17"), 2,
     "line 5, chr17:1282: contig chr17 is not in the reference"),
    (("--kit", "ctdna-demo@1.0.0"), "hello", 2, "call.vcf: line 1: is no VCF"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "text", "code", "message"), FAILURES)
def test_failures_are_one_line_with_their_code(
    run: Run, options: tuple[str, ...], text: str, code: int, message: str
) -> None:
    fasta = run("reference", "path", "--kit", "ctdna-demo@1.0.0").strip()
    Path("call.vcf").write_text(text)
    with pytest.raises(CtdnaError, match=re.escape(message)) as caught:
        run("annotate", "--input", "call.vcf", "--reference", fasta, "--output", "out.vcf.gz", *options)
    assert caught.value.exit_code == code
    assert "\n" not in str(caught.value)
    assert not Path("out.vcf.gz").exists()


def test_options_that_contradict_the_kit_are_refused(run: Run) -> None:
    args = ("annotate", "--input", "call.vcf", "--reference", DEMO / "reference.fa", "--output", "o.vcf.gz")
    with pytest.raises(Exception, match="--splice-region-bases contradicts --kit: the kit decides it") as caught:
        run(*args, "--kit", "ctdna-demo@1.0.0", "--splice-region-bases", "3")
    assert caught.value.exit_code == 2  # type: ignore[attr-defined]


def test_kits_are_listed_shown_and_checked(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "ctdna-core@1.0.0\tdevelopment\tctDNA core hotspots, GRCh38" in run("kit", "list")
    assert json.loads(run("kit", "show", "ctdna-core@1.0.0"))["definition"]["reference"]["assembly"] == "GRCh38"
    assert "ctdna-core@1.0.0: valid; digest " in run("kit", "validate", "ctdna-core@1.0.0")
    printed = run("kit", "slice", "ctdna-core@1.0.0", "--output", tmp_path / "kits")
    assert "left out: target NRAS:exon3\n" in printed
    monkeypatch.setenv("CTDNA_KITS", str(tmp_path / "kits"))
    address = "ctdna-core-slices@1.0.0"
    folder = tmp_path / "kits" / "ctdna-core-slices" / "1.0.0"
    digest = write_lock(folder)
    assert run("kit", "validate", address).endswith(f"{address}: valid; digest {digest}\n")
    (folder / "panel.bed").write_text("")
    assert f"{address}\tdamaged\t" in run("kit", "list")
    (folder / "kit.lock").unlink()
    assert "wrong: " in run("kit", "validate", address, code=3)


def test_references_are_listed(run: Run) -> None:
    assert run("reference", "list").startswith("no reference is stored in ")
    assert "is ready: " in run("reference", "add", DEMO / "reference.fa", "--kit", "ctdna-demo@1.0.0")
    assert run("reference", "list") == "ctdna-demo\tgenome\t9 contigs\t47721 bases\n"
