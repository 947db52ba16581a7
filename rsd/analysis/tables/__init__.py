"""The tables of a report, for the terminal and the page.

Each table is a function from runs to a `Block`, which names every column where it fills its cells:
`accuracy` (answers and FLOPs), `servers` (tokens, speed, servers, provenance). `labels` names runs,
`cells` formats numbers, `warnings` holds every warning and footnote that depends on the results,
and `text` renders blocks in the terminal.
"""
