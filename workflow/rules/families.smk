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
