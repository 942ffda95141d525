"""htslib by pysam, silent: what it finds wrong is told by the command's own one line."""

import pysam as pysam
from pysam.utils import SamtoolsError as SamtoolsError

pysam.set_verbosity(0)
