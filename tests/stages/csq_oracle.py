"""bcftools csq on the real slices of GRCh38: an outside oracle of consequences."""

from pathlib import Path

from pysam import bcftools

from tests.stages.hgvs_oracle import Slices, exons_of

TERMS = {
    "missense": "missense_variant",
    "synonymous": "synonymous_variant",
    "stop_gained": "stop_gained",
    "stop_lost": "stop_lost",
    "stop_retained": "stop_retained_variant",
    "start_lost": "start_lost",
    "frameshift": "frameshift_variant",
    "inframe_deletion": "inframe_deletion",
    "inframe_insertion": "inframe_insertion",
    "splice_acceptor": "splice_acceptor_variant",
    "splice_donor": "splice_donor_variant",
    "splice_region": "splice_region_variant",
    "intron": "intron_variant",
    "5_prime_utr": "5_prime_UTR_variant",
    "3_prime_utr": "3_prime_UTR_variant",
}


def gff(rows: list[dict[str, str]], slices: Slices) -> str:
    lines = ["##gff-version 3"]
    for number, row in enumerate(rows):
        spans = [item for item in slices.places if item[0] == row["chrom"]]
        exons = sorted(exons_of(row))
        contig, start = next((name, low) for _, low, high, name in spans if low <= exons[0][0] and exons[-1][1] <= high)
        head = f"{contig}\tx"
        strand, name = row["strand"], f"T{number}"

        def line(
            kind: str, low: int, high: int, tags: str, head: str = head, at: int = start, sign: str = strand
        ) -> str:
            return f"{head}\t{kind}\t{low - at + 1}\t{high - at}\t.\t{sign}\t.\t{tags}"

        whole = (exons[0][0], exons[-1][1])
        lines.append(line("gene", *whole, f"ID=gene:G{number};biotype=protein_coding;Name={row['gene']}"))
        tags = f"ID=transcript:{name};Parent=gene:G{number};biotype=protein_coding"
        lines.append(line("mRNA", *whole, tags))
        low, high = int(row["cds_start_1based"]) - 1, int(row["cds_end"])
        done = 0
        for first, last in exons if strand == "+" else exons[::-1]:
            lines.append(line("exon", first, last, f"Parent=transcript:{name}"))
            a, b = max(first, low), min(last, high)
            if a < b:
                coding = line("CDS", a, b, f"Parent=transcript:{name}").split("\t")
                coding[7] = str(-done % 3)
                lines.append("\t".join(coding))
                done += b - a
    return "\n".join(lines) + "\n"


def consequences(
    folder: Path, fasta: Path, rows: list[dict[str, str]], alleles: list[tuple[str, int, str, str]]
) -> list[set[str]]:
    """Return the terms of each allele (contig, start0, ref, alt), each judged alone."""
    slices = Slices(fasta)
    (folder / "genes.gff").write_text(gff(rows, slices))
    header = ["##fileformat=VCFv4.2"]
    header += [f"##contig=<ID={name},length={high - low}>" for _, low, high, name in slices.places]
    order = {name: i for i, (*_, name) in enumerate(slices.places)}
    ranked = sorted(range(len(alleles)), key=lambda i: (order[alleles[i][0]], alleles[i][1]))
    lines = [f"{alleles[i][0]}\t{alleles[i][1] + 1}\t{i}\t{alleles[i][2]}\t{alleles[i][3]}\t.\t.\t." for i in ranked]
    text = "\n".join([*header, "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO", *lines]) + "\n"
    (folder / "in.vcf").write_text(text)
    # --local-csq: every record alone, neighbours are not joined into haplotypes
    bcftools.csq(
        *("-l", "-v", "0", "-f", str(fasta), "-g", str(folder / "genes.gff")),
        *("-o", str(folder / "out.vcf"), str(folder / "in.vcf")),
        catch_stdout=False,
    )
    found: list[set[str]] = [set() for _ in alleles]
    for row in (folder / "out.vcf").read_text().splitlines():
        fields = row.split("\t")
        if not row.startswith("#") and "BCSQ=" in fields[7]:
            for item in fields[7].split("BCSQ=")[1].split(";")[0].split(","):
                found[int(fields[2])] |= {TERMS.get(term, term) for term in item.split("|")[0].split("&")}
    return found
