"""One answer: a strategy decoded over the model servers, also when one of them is lost."""
