"""Authored conversations as chats, in either protocol's shape."""

from pathlib import Path

import msgspec
import yaml

from pointsman.chat import Chat, Turn

FILE = Path(__file__).with_name("conversations.yaml")


class Conversation(msgspec.Struct, frozen=True):
    name: str
    harness: str
    is_held_out: bool
    turns: tuple[dict, ...]
    reading: str
    has: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()


def conversations():
    by_harness = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return [
        msgspec.convert({"name": f"{harness}-{n}", "harness": harness, "is_held_out": n % 2 == 1, **each}, Conversation)
        for harness, group in by_harness.items()
        for n, each in enumerate(group)
    ]


def openai_chat(turns, **fields):
    """Return turns ({"u": text}, ...) as a Chat in OpenAI's shape."""
    roles = {"s": "system", "u": "user", "a": "assistant", "c": "assistant", "t": "tool"}
    messages, read = [], []
    for place, turn in enumerate(turns):
        [(letter, said)] = turn.items()
        parts = said if isinstance(said, list) else [said]
        content = [{"type": "text", "text": part} for part in parts] if isinstance(said, list) else said
        message = {"role": roles[letter], "content": content}
        calls = (f"call_{place}",) if letter == "c" else ()
        answers = (f"call_{place - 1}",) if letter == "t" else ()
        if calls:
            function = {"name": "tool", "arguments": "{}"}
            message["tool_calls"] = [{"id": calls[0], "type": "function", "function": function}]
        if answers:
            message["tool_call_id"] = answers[0]
        messages.append(message)
        read.append(Turn(roles[letter], "\n".join(parts), place, calls, answers))
    return Chat("openai", {"model": "auto", "messages": messages}, tuple(read), "auto", **fields)


def anthropic_chat(turns, **fields):
    """Return turns as a Chat in Anthropic's shape: a system beside the messages, tool results in user messages."""
    messages, read = [], []
    body = {"model": "auto", "messages": messages, "max_tokens": 1024}
    for turn in turns:
        [(letter, said)] = turn.items()
        parts = said if isinstance(said, list) else [said]
        text = "\n".join(parts)
        if letter == "s":
            body["system"] = text
            read.append(Turn("system", text, None))
            continue
        place = len(messages)
        blocks = [{"type": "text", "text": part} for part in parts]
        calls, answers, role = (), (), "assistant" if letter in "ac" else "user"
        if letter == "c":
            calls = (f"toolu_{place}",)
            blocks.append({"type": "tool_use", "id": calls[0], "name": "tool", "input": {}})
        if letter == "t":
            answers = (f"toolu_{place - 1}",)
            blocks = [{"type": "tool_result", "tool_use_id": answers[0], "content": text}]
        messages.append({"role": role, "content": blocks})
        read.append(Turn("tool" if letter == "t" else role, text, place, calls, answers))
    return Chat("anthropic", body, tuple(read), "auto", **fields)
