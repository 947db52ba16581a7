"""The page of one or more runs: one self-contained HTML file.

`page` renders it, `headline` states in words what the runs show, and `trajectories` packs every
solution for the page's scripts. `static` holds the template, the style and the scripts: `symbols`,
`math` and `commands` render LaTeX, `text` and `problem` show texts of models, `list` filters and
lists problems, `page` handles input.
"""

from rsd.analysis.report.page import render_page, write_page

__all__ = ["render_page", "write_page"]
