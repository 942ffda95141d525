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
