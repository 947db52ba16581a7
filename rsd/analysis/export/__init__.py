"""Results for other programs: one JSON document (`document`), CSV tables and PNG plots (`files`),
and the column types of a run's JSONL files for the library `datasets` (`dataset`).
"""

from rsd.analysis.export.document import results
from rsd.analysis.export.files import write_plots, write_tables

__all__ = ["results", "write_plots", "write_tables"]
