"""The tables of a report, for the terminal and the page.

Each table is a function from runs to a `Block` and names its columns where it fills their cells:
`accuracy` (also cost and differences), `speed` (also tokens and servers), `samples`, `provenance`
(also models). `labels` names runs, `cells` formats numbers, `warnings` words every warning that
depends on the results, and `text` puts the tables in order for the terminal.
"""
