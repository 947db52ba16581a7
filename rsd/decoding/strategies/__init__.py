"""The decoding strategies. `rsd.config.STRATEGIES` names each class."""
