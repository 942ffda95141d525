rule demultiplex:
    input:
        run_folder=ancient(config["run_folder"]),
        manifest=ancient("run.json"),
    output:
        r1=expand("fastq/{sample}_R1.fastq.gz", sample=SAMPLES),
        r2=expand("fastq/{sample}_R2.fastq.gz", sample=SAMPLES),
        metrics="fastq/demultiplex.json",
    log:
        "logs/demultiplex/run.log",
    benchmark:
        "benchmarks/demultiplex/run.tsv"
    conda:
        "../envs/ctdna.yaml"
    threads: 4
    resources:
        mem_mb=8000,
    params:
        sheet=SHEET_OPTION,
        kit=KIT,
    shell:
        "ctdna demultiplex {input.run_folder:q} --output fastq {params.sheet}"
        " --kit {params.kit:q} --threads {threads} 2> {log}"


rule extract:
    input:
        r1="fastq/{sample}_R1.fastq.gz",
        r2="fastq/{sample}_R2.fastq.gz",
    output:
        r1="samples/{sample}/extract_R1.fastq.gz",
        r2="samples/{sample}/extract_R2.fastq.gz",
        metrics="samples/{sample}/extract.json",
    log:
        "logs/extract/{sample}.log",
    benchmark:
        "benchmarks/extract/{sample}.tsv"
    conda:
        "../envs/ctdna.yaml"
    threads: 1
    resources:
        mem_mb=2000,
    params:
        kit=KIT,
    shell:
        "ctdna extract --r1 {input.r1} --r2 {input.r2} --output-r1 {output.r1}"
        " --output-r2 {output.r2} --metrics {output.metrics} --sample {wildcards.sample}"
        " --kit {params.kit:q} --threads {threads} 2> {log}"


rule align:
    input:
        r1="samples/{sample}/extract_R1.fastq.gz",
        r2="samples/{sample}/extract_R2.fastq.gz",
        reference=ancient(REFERENCE),
    output:
        bam="samples/{sample}/align.bam",
        metrics="samples/{sample}/align.json",
    log:
        "logs/align/{sample}.log",
    benchmark:
        "benchmarks/align/{sample}.tsv"
    conda:
        "../envs/ctdna.yaml"
    threads: 4
    resources:
        mem_mb=12000,
    params:
        kit=KIT,
    shell:
        "ctdna align --r1 {input.r1} --r2 {input.r2} --reference {input.reference:q}"
        " --output {output.bam} --metrics {output.metrics} --sample {wildcards.sample}"
        " --kit {params.kit:q} --threads {threads} 2> {log}"
