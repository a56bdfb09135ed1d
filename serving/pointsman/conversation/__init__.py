"""What a conversation asks for: what people wrote of it, what must be sent, how long the answer may be. Pure."""

from pointsman.conversation.affinity import (
    Conversations,
    Warmth,
    cache_saving_nanousd,
    cached_prefix,
    conversation_key,
    cost_changes_nanousd,
    switching_cost_nanousd,
)
from pointsman.conversation.boilerplate import Boilerplate, Rule, Stripped, rules_from
from pointsman.conversation.concise import Effect, Trial, concise_effect, instruction
from pointsman.conversation.harnesses import HARNESSES
from pointsman.conversation.output import output_limit
from pointsman.conversation.sense import Routed, needs, routed
from pointsman.conversation.trimming import Trim, trimmed

__all__ = [
    "HARNESSES",
    "Boilerplate",
    "Conversations",
    "Effect",
    "Routed",
    "Rule",
    "Stripped",
    "Trial",
    "Trim",
    "Warmth",
    "cache_saving_nanousd",
    "cached_prefix",
    "concise_effect",
    "conversation_key",
    "cost_changes_nanousd",
    "instruction",
    "needs",
    "output_limit",
    "routed",
    "rules_from",
    "switching_cost_nanousd",
    "trimmed",
]
