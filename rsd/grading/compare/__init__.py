"""Comparing an answer with the gold answer: from strings to formulas."""
