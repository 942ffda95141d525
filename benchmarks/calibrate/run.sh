#!/bin/sh
# Simulates the donors, makes their consensus reads and calibrates; FOLDER gets everything, this folder the table and the chart.
#   benchmarks/calibrate/run.sh FOLDER
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=$1
kit=ctdna-demo@1.0.0
ctdna simulate --design "$here/design.yaml" --kit $kit --output "$folder" --seed 11 --fastq-only
cp "$here"/../../config/kits/ctdna-demo/1.0.0/reference.fa* "$folder"
bwa index "$folder/reference.fa"
for name in BASE1 BASE2 SPIKE; do
    ctdna consensus-from-fastq --r1 "$folder/${name}_R1.fastq.gz" --r2 "$folder/${name}_R2.fastq.gz" \
        --reference "$folder/reference.fa" --output "$folder/$name.bam" --sample $name --kit $kit
done
ctdna calibrate --base "$folder/BASE1.bam" "$folder/BASE2.bam" --spike "$folder/SPIKE.bam" \
    --truth "$folder/truth/SPIKE.truth.tsv" --reference "$folder/reference.fa" --kit $kit --threads 2 --replicates 10 \
    --output "$folder/calibrate.json" --trials "$folder/trials.tsv" --table "$here/bins.tsv" --plot "$here/chart.svg"
