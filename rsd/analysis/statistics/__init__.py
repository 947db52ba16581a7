"""Statistics of results, as pure functions of numbers: intervals of proportions that are clustered
by problem (`intervals`), two methods compared on the same problems (`comparisons`), and what the
best of several samples achieves (`several_samples`). Nothing here knows about runs."""
