"""Statistics of results, as pure functions of numbers that know nothing about runs: intervals of
proportions that are clustered by problem (`intervals`), comparisons of methods on the same problems
(`comparisons`), and figures of several samples (`several_samples`)."""
