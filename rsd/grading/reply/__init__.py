"""Reading a reply: which part of it is the answer section, and which candidate in it is meant."""
