"""Formulas: tokens, parser, tree, exact or 60-digit values, equality at random points."""
