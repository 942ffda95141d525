rule qc:
    input:
        manifest=ancient("run.json"),
        stages=expand(
            "samples/{{sample}}/{stage}.json",
            stage=[
                "extract",
                "align",
                "group",
                "consensus",
                "realign",
                "filter",
                "call",
            ],
        ),
        bam="samples/{sample}/filter.bam",
        vcf="samples/{sample}/annotate.vcf.gz",
        loci="samples/{sample}/call.loci.tsv.gz",
        reference=ancient(REFERENCE),
    output:
        "qc/{sample}.json",
    log:
        "logs/qc/{sample}.log",
    benchmark:
        "benchmarks/qc/{sample}.tsv"
    conda:
        "../envs/ctdna.yaml"
    threads: 1
    resources:
        mem_mb=4000,
    params:
        kit=KIT,
    shell:
        "ctdna qc sample --run-dir . --sample {wildcards.sample} --reference {input.reference:q}"
        " --output {output} --kit {params.kit:q} 2> {log}"


rule qc_run:
    input:
        manifest=ancient("run.json"),
        samples=expand("qc/{sample}.json", sample=SAMPLES),
        demultiplex="fastq/demultiplex.json",
    output:
        qc="qc/run.json",
        multiqc="qc/multiqc/ctdna_samples_mqc.json",
    log:
        "logs/qc_run/run.log",
    benchmark:
        "benchmarks/qc_run/run.tsv"
    conda:
        "../envs/ctdna.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        kit=KIT,
    shell:
        "ctdna qc run --run-dir . --output {output.qc} --multiqc qc/multiqc"
        " --kit {params.kit:q} 2> {log}"


rule report:
    input:
        manifest=ancient("run.json"),
        sample_qc="qc/{sample}.json",
        run_qc="qc/run.json",
        vcf="samples/{sample}/annotate.vcf.gz",
        loci="samples/{sample}/call.loci.tsv.gz",
        bam="samples/{sample}/filter.bam",
        reference=ancient(REFERENCE),
    output:
        "reports/{sample}/result.json",
    log:
        "logs/report/{sample}.log",
    benchmark:
        "benchmarks/report/{sample}.tsv"
    conda:
        "../envs/ctdna.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        kit=KIT,
        folder=lambda wildcards, output: Path(output[0]).parent,
    shell:
        "ctdna report --run-dir . --sample {wildcards.sample} --reference {input.reference:q}"
        " --output {params.folder} --kit {params.kit:q} 2> {log}"
