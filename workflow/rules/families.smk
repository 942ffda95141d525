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


rule group:
    input:
        bam="samples/{sample}/align.bam",
    output:
        bam="samples/{sample}/group.bam",
        metrics="samples/{sample}/group.json",
        loci="samples/{sample}/group.loci.tsv",
    log:
        "logs/group/{sample}.log",
    benchmark:
        "benchmarks/group/{sample}.tsv"
    conda:
        "../envs/ctdna.yaml"
    threads: 2
    resources:
        mem_mb=8000,
    params:
        kit=KIT,
    shell:
        "ctdna group --input {input.bam} --output {output.bam} --metrics {output.metrics}"
        " --loci {output.loci} --sample {wildcards.sample} --kit {params.kit:q} --threads {threads} 2> {log}"


rule consensus:
    input:
        bam="samples/{sample}/group.bam",
    output:
        bam="samples/{sample}/consensus.bam",
        metrics="samples/{sample}/consensus.json",
    log:
        "logs/consensus/{sample}.log",
    benchmark:
        "benchmarks/consensus/{sample}.tsv"
    conda:
        "../envs/ctdna.yaml"
    threads: 4
    resources:
        mem_mb=4000,
    params:
        kit=KIT,
    shell:
        "ctdna consensus --input {input.bam} --output {output.bam} --metrics {output.metrics}"
        " --sample {wildcards.sample} --kit {params.kit:q} --threads {threads} 2> {log}"


rule realign:
    input:
        bam="samples/{sample}/consensus.bam",
        reference=ancient(REFERENCE),
    output:
        bam="samples/{sample}/realign.bam",
        metrics="samples/{sample}/realign.json",
    log:
        "logs/realign/{sample}.log",
    benchmark:
        "benchmarks/realign/{sample}.tsv"
    conda:
        "../envs/ctdna.yaml"
    threads: 4
    resources:
        mem_mb=12000,
    params:
        kit=KIT,
    shell:
        "ctdna realign --input {input.bam} --reference {input.reference:q} --output {output.bam}"
        " --metrics {output.metrics} --sample {wildcards.sample}"
        " --kit {params.kit:q} --threads {threads} 2> {log}"


rule filter:
    input:
        bam="samples/{sample}/realign.bam",
        reference=ancient(REFERENCE),
    output:
        bam="samples/{sample}/filter.bam",
        index="samples/{sample}/filter.bam.bai",
        metrics="samples/{sample}/filter.json",
    log:
        "logs/filter/{sample}.log",
    benchmark:
        "benchmarks/filter/{sample}.tsv"
    conda:
        "../envs/ctdna.yaml"
    threads: 2
    resources:
        mem_mb=8000,
    params:
        kit=KIT,
    shell:
        "ctdna filter --input {input.bam} --reference {input.reference:q} --output {output.bam}"
        " --metrics {output.metrics} --sample {wildcards.sample}"
        " --kit {params.kit:q} --threads {threads} 2> {log}"
