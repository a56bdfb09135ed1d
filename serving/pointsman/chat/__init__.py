"""Chats in OpenAI's shape and Anthropic's: read, changed, translated, streamed. Pure."""

from pointsman.chat.bounds import caches_for_an_hour, input_bound, input_estimate
from pointsman.chat.error_bodies import error_body
from pointsman.chat.reading import read_chat, whole_chat
from pointsman.chat.replay import replayed
from pointsman.chat.replies import read_reply, translated_reply
from pointsman.chat.sse import SseEvent
from pointsman.chat.stream_reader import StreamReader, whole_of_stream
from pointsman.chat.stream_writer import StreamWriter
from pointsman.chat.usage import believed
from pointsman.chat.wire import translatable, wire_body
from pointsman.chat.words import PROTOCOLS, Chat, Edit, Finish, Protocol, Reply, Role, Turn

__all__ = [
    "PROTOCOLS",
    "Chat",
    "Edit",
    "Finish",
    "Protocol",
    "Reply",
    "Role",
    "SseEvent",
    "StreamReader",
    "StreamWriter",
    "Turn",
    "believed",
    "caches_for_an_hour",
    "error_body",
    "input_bound",
    "input_estimate",
    "read_chat",
    "read_reply",
    "replayed",
    "translatable",
    "translated_reply",
    "whole_chat",
    "whole_of_stream",
    "wire_body",
]
