"""The paper beside our runs: its published figures (`published`), runs compared with them
(`comparison`), the figures that the published program would compute (`figures`), and the `tables`.
"""
