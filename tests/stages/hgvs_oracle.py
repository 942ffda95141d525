"""The hgvs library on the real slices of GRCh38: an outside oracle of HGVS names."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pysam

CHROMOSOMES = {
    "chr1": "NC_000001.11",
    "chr3": "NC_000003.12",
    "chr4": "NC_000004.12",
    "chr5": "NC_000005.10",
    "chr7": "NC_000007.14",
    "chr12": "NC_000012.12",
    "chr13": "NC_000013.11",
    "chr17": "NC_000017.11",
}
_COMPLEMENT = str.maketrans("ACGTN", "TGCAN")


def gene_rows(real_data: Path) -> dict[str, dict[str, str]]:
    with (real_data / "gene-models" / "panel_transcripts.tsv").open() as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    return {row["gene"]: row for row in rows if row["cds_start_1based"]}


def exons_of(row: dict[str, str]) -> list[tuple[int, int]]:
    """Half-open, in the transcript's direction."""
    starts, ends = row["exon_starts_1based"].split(","), row["exon_ends"].split(",")
    exons = [(int(start) - 1, int(end)) for start, end in zip(starts, ends, strict=True)]
    return exons if row["strand"] == "+" else exons[::-1]


class Slices:
    """Bases of the genome out of the slices, `N` elsewhere."""

    def __init__(self, fasta: Path) -> None:
        self.file = pysam.FastaFile(str(fasta))
        self.places = []
        for name in self.file.references:
            chrom, start, end = name.split("_")
            self.places.append((chrom, int(start) - 1, int(end), name))

    def bases(self, chrom: str, start0: int, end0: int) -> str:
        out = ["N"] * (end0 - start0)
        for name, low, high, contig in self.places:
            a, b = max(start0, low), min(end0, high)
            if name == chrom and a < b:
                out[a - start0 : b - start0] = self.file.fetch(contig, a - low, b - low).upper()
        return "".join(out)


class _Fetcher:
    def __init__(self, slices: Slices, rows: dict[str, dict[str, str]]) -> None:
        self.slices = slices
        self.chromosomes = {accession: chrom for chrom, accession in CHROMOSOMES.items()}
        self.spliced: dict[str, str] = {}
        for row in rows.values():
            parts = []
            for start0, end0 in exons_of(row):
                part = slices.bases(row["chrom"], start0, end0)
                parts.append(part if row["strand"] == "+" else part.translate(_COMPLEMENT)[::-1])
            self.spliced[row["refseq"]] = "".join(parts)

    def fetch_seq(self, ac: str, start_i: int | None = None, end_i: int | None = None) -> str:
        if ac in self.chromosomes:
            return self.slices.bases(self.chromosomes[ac], start_i or 0, end_i or 0)
        return self.spliced[ac][start_i:end_i]


def _transcript(row: dict[str, str]) -> dict[str, Any]:
    exons, at = [], 0
    low, high = int(row["cds_start_1based"]) - 1, int(row["cds_end"])
    start_codon = stop_codon = 0
    for number, (start0, end0) in enumerate(exons_of(row)):
        exons.append([start0, end0, number, at + 1, at + end0 - start0, None])
        first, last = (low, high) if row["strand"] == "+" else (high, low)
        for base, is_first in ((first, True), (last, False)):
            if start0 <= base <= end0:
                offset = at + (base - start0 if row["strand"] == "+" else end0 - base)
                if is_first:
                    start_codon = offset
                else:
                    stop_codon = offset
        at += end0 - start0
    build = {
        "contig": CHROMOSOMES[row["chrom"]],
        "strand": row["strand"],
        "cds_start": low,
        "cds_end": high,
        "exons": sorted(exons),
        "url": "",
    }
    return {
        "id": row["refseq"],
        "gene_name": row["gene"],
        "gene_version": "",
        "protein": row["protein"],
        "start_codon": start_codon,
        "stop_codon": stop_codon,
        "genome_builds": {"GRCh38": build},
    }


class Oracle:
    """Names of a change by the hgvs library."""

    def __init__(self, real_data: Path, genes: tuple[str, ...]) -> None:
        import hgvs.parser
        from cdot.hgvs.dataproviders import JSONDataProvider
        from hgvs.assemblymapper import AssemblyMapper

        self.rows = {gene: row for gene, row in gene_rows(real_data).items() if gene in genes}
        self.slices = Slices(real_data / "reference" / "panel_hg38_slices.fa")
        document = {
            "cdot_version": "0.2.33",
            "genome_builds": ["GRCh38"],
            "transcripts": {row["refseq"]: _transcript(row) for row in self.rows.values()},
            "genes": {},
        }
        provider = JSONDataProvider(
            [io.BytesIO(json.dumps(document).encode())], seqfetcher=_Fetcher(self.slices, self.rows)
        )
        self._mapper = AssemblyMapper(
            provider,
            assembly_name="GRCh38",
            alt_aln_method="splign",
            replace_reference=True,
            prevalidation_level=None,
            normalize=True,
        )
        self._parse = hgvs.parser.Parser().parse_hgvs_variant

    def names(self, gene: str, start0: int, ref: str, alt: str) -> tuple[str, str]:
        """Return c. and p. (three letters, one-letter stop spelled Ter) of a trimmed change."""
        row = self.rows[gene]
        g = self._parse(f"{CHROMOSOMES[row['chrom']]}:g.{_g(start0, ref, alt)}")
        c = self._mapper.g_to_c(g, row["refseq"])
        p = self._mapper.c_to_p(c)
        return c.format().split(":")[1], p.format({"p_3_letter": True, "p_term_asterisk": False}).split(":")[1]


def _g(start0: int, ref: str, alt: str) -> str:
    if not ref:
        return f"{start0}_{start0 + 1}ins{alt}"
    span = f"{start0 + 1}" if len(ref) == 1 else f"{start0 + 1}_{start0 + len(ref)}"
    if not alt:
        return f"{span}del"
    return f"{span}{ref}>{alt}" if len(ref) == len(alt) == 1 else f"{span}delins{alt}"
