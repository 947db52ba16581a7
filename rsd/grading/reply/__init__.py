"""Reading a reply: finding its answer section, and the answer in it."""
