rule consensus_from_fastq:
    input:
        r1="fastq/{sample}_R1.fastq.gz",
        r2="fastq/{sample}_R2.fastq.gz",
        reference=ancient(REFERENCE),
    output:
        bam="samples/{sample}/filter.bam",
        index="samples/{sample}/filter.bam.bai",
        loci="samples/{sample}/group.loci.tsv",
        metrics=expand(
            "samples/{{sample}}/{stage}.json",
            stage=[
                "extract",
                "collapse",
                "align",
                "group",
                "consensus",
                "realign",
                "filter",
            ],
        ),
    log:
        "logs/consensus_from_fastq/{sample}.log",
    benchmark:
        "benchmarks/consensus_from_fastq/{sample}.tsv"
    conda:
        "../envs/ctdna.yaml"
    threads: 4
    resources:
        mem_mb=12000,
    params:
        kit=KIT,
        folder=lambda wildcards, output: output.bam.rpartition("/")[0],
    shell:
        "ctdna consensus-from-fastq --r1 {input.r1} --r2 {input.r2} --reference {input.reference:q}"
        " --output {output.bam} --metrics-dir {params.folder} --sample {wildcards.sample}"
        " --kit {params.kit:q} --threads {threads} 2> {log}"
