"""The bundled demo family: its problem generator, its tokenizer and the training of its models."""
