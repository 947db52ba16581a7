"""The page of one or more runs: one self-contained HTML file.

page.py          puts it together
headline.py      says in words what the runs show
trajectories.py  packs every solution for the page's browser
page.html, .css  what it looks like
*.js             the browser: symbols, math and commands set LaTeX, text and problem show
                 what models wrote, list finds and lists problems, page listens
"""

from rsd.analysis.report.page import render_page, write_page

__all__ = ["render_page", "write_page"]
