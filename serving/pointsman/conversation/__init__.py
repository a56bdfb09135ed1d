"""What a conversation asks for: what people wrote of it, what must be sent, how long the answer may be. Pure."""

from pointsman.conversation.boilerplate import Boilerplate, Rule, Stripped
from pointsman.conversation.harnesses import HARNESSES
from pointsman.conversation.sense import Routed, needs, routed

__all__ = ["HARNESSES", "Boilerplate", "Routed", "Rule", "Stripped", "needs", "routed"]
