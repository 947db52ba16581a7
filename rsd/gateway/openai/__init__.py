"""OpenAI's API: requests as clients send them, and answers as clients expect them."""
