rule call:
    input:
        bam="samples/{sample}/filter.bam",
        index="samples/{sample}/filter.bam.bai",
        white=lambda wildcards: WHITE_CELLS.get(wildcards.sample, []),
        reference=ancient(REFERENCE),
    output:
        vcf="samples/{sample}/call.vcf.gz",
        vcf_index="samples/{sample}/call.vcf.gz.tbi",
        loci="samples/{sample}/call.loci.tsv.gz",
        loci_index="samples/{sample}/call.loci.tsv.gz.tbi",
        metrics="samples/{sample}/call.json",
    log:
        "logs/call/{sample}.log",
    benchmark:
        "benchmarks/call/{sample}.tsv"
    conda:
        "../envs/ctdna.yaml"
    threads: 1
    resources:
        mem_mb=8000,
    params:
        kit=KIT,
        white=lambda wildcards, input: (
            f"--matched-normal {input.white}" if input.white else ""
        ),
    shell:
        "ctdna call --input {input.bam} --reference {input.reference:q} --output {output.vcf}"
        " --loci {output.loci} --metrics {output.metrics} --sample {wildcards.sample} {params.white}"
        " --kit {params.kit:q} --threads {threads} 2> {log}"


rule annotate:
    input:
        vcf="samples/{sample}/call.vcf.gz",
        reference=ancient(REFERENCE),
    output:
        vcf="samples/{sample}/annotate.vcf.gz",
        index="samples/{sample}/annotate.vcf.gz.tbi",
        metrics="samples/{sample}/annotate.json",
    log:
        "logs/annotate/{sample}.log",
    benchmark:
        "benchmarks/annotate/{sample}.tsv"
    conda:
        "../envs/ctdna.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        kit=KIT,
    shell:
        "ctdna annotate --input {input.vcf} --reference {input.reference:q} --output {output.vcf}"
        " --metrics {output.metrics} --sample {wildcards.sample} --kit {params.kit:q} 2> {log}"
