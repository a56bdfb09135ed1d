"""What a conversation asks for: what people wrote of it, what must be sent, how long the answer may be. Pure."""
