"""What every rule needs: the checked configuration and the samples of the run."""

import json
import shlex
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import validate

validate(config, schema="../schemas/config.schema.yaml")

if not Path("run.json").is_file():
    raise WorkflowError(
        f"run.json not found in {Path.cwd()}; make it by `ctdna run --prepare`"
    )

KIT = config["kit"]
REFERENCE = config["reference"]
SHEET_OPTION = (
    f"--sample-sheet {shlex.quote(config['sample_sheet'])}"
    if config["sample_sheet"]
    else ""
)
_SAMPLES = json.loads(Path("run.json").read_text())["samples"]
SAMPLES = [sample["sample_id"] for sample in _SAMPLES]
CELLS_OF_SUBJECT = {
    sample["specimen"]["subject_id"]: sample["sample_id"]
    for sample in _SAMPLES
    if sample["role"] == "white_cells"
}
WHITE_CELLS = {
    sample["sample_id"]: f"samples/{name}/filter.bam"
    for sample in _SAMPLES
    if sample["role"] == "patient"
    and (name := CELLS_OF_SUBJECT.get(sample["specimen"]["subject_id"]))
}


wildcard_constraints:
    sample="[A-Za-z0-9][A-Za-z0-9_-]*",
