"""Chats in OpenAI's shape and Anthropic's: read, changed, translated, streamed. Pure."""

from pointsman.chat.words import PROTOCOLS, Chat, Edit, Finish, Protocol, Reply, Role, Turn

__all__ = ["PROTOCOLS", "Chat", "Edit", "Finish", "Protocol", "Reply", "Role", "Turn"]
