"""The guard's English: which words carry no weight, which say the same, which say the opposite.

Chosen by hand, and extended on the tune half of datasets/cache only. A word that isn't here counts as itself.
"""

from collections.abc import Mapping
from typing import Final


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


NEGATIONS: Final = _set(
    "not no never without cannot cant dont doesnt didnt isnt arent wasnt werent wont wouldnt shouldnt couldnt hasnt "
    "havent hadnt aint mustnt neednt nothing nobody none neither nor nowhere"
)

QUESTION_WORDS: Final = _set("who whom whose when where why how what which")

EMPTY_WORDS: Final = _set(
    "a an the this that these those my our your its their his her some any i we you it they he she me us them one's "
    "is are was were be been being am do does did doing done have has had having can could will would shall should may "
    "might of in on at for with as about and so just really actually please simply also there here kindly quickly "
    "then now basically exactly possible possibly able want need like go going way "
    "ve ll re s d m t to into available using if what's that's"
)
"""Words without weight of their own."""

ORDERING: Final = _set("from to into onto than versus with for by as over under before after then against between")
"""Words that give a sentence a direction: where one of them stands, words must come in the same order."""

_SMALL_NUMBERS: Final = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
)
NUMBER_WORDS: Final[Mapping[str, str]] = {
    **{word: str(number) for number, word in enumerate(_SMALL_NUMBERS.split())},
    **{"thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "seventy": "70", "eighty": "80", "ninety": "90"},
    **{"hundred": "100", "thousand": "1000", "million": "1000000", "billion": "1000000000", "dozen": "12"},
    **{"twice": "2", "double": "2", "triple": "3", "half": "0.5"},
}

IRREGULAR: Final[Mapping[str, str]] = {
    **{"wrote": "write", "written": "write", "found": "find", "sent": "send", "built": "build", "made": "make"},
    **{"got": "get", "gotten": "get", "forgot": "forget", "forgotten": "forget", "lost": "lose", "paid": "pay"},
    **{"bought": "buy", "broke": "break", "broken": "break", "kept": "keep", "left": "left", "chose": "choose"},
    **{"chosen": "choose", "ran": "run", "went": "go", "gone": "go", "took": "take", "taken": "take", "saw": "see"},
    **{"seen": "see", "said": "say", "told": "tell", "began": "begin", "begun": "begin", "meant": "mean"},
    **{"children": "child", "people": "person", "men": "man", "women": "woman", "indices": "index"},
    **{"indexes": "index", "vertices": "vertex", "matrices": "matrix", "criteria": "criterion", "feet": "foot"},
    **{"news": "news", "customs": "customs", "goods": "goods", "arms": "arms", "glasses": "glasses", "less": "less"},
    **{"string": "string", "sibling": "sibling", "ping": "ping", "king": "king", "ring": "ring", "during": "during"},
    **{"thing": "thing", "nothing": "nothing", "red": "red", "need": "need", "feed": "feed", "seed": "seed"},
    **{"speed": "speed", "embed": "embed", "hundred": "hundred", "process": "process", "address": "address"},
}

_SAME: Final = (
    *("write create generate make produce draft compose", "fix solve resolve repair", "remove delete erase"),
    *("change modify edit alter update", "explain describe clarify", "begin start launch", "stop halt"),
    *("display view see", "fast quick rapid", "big large huge", "small little tiny", "issue problem trouble"),
    *("folder directory", "picture image photo", "application app", "database db", "repository repo"),
    *("configuration config", "documentation docs doc", "environment env", "kubernetes k8s", "javascript js"),
    *("typescript ts", "postgres postgresql", "email mail", "buy purchase", "cost price", "staff employee"),
    *("use utilise utilize employ", "allow permit", "avoid prevent", "convert transform", "calculate compute"),
    *("improve enhance", "rewrite rephrase reword paraphrase", "summarize summarise recap", "shorten condense"),
    *("choose pick select", "check verify validate", "find locate", "fetch retrieve", "whole entire full"),
    *("increase raise boost", "decrease reduce lower", "mean signify", "error failure", "wrong incorrect"),
    *("correct right", "client customer", "phone telephone", "car automobile", "movie film", "job position"),
    *("example sample instance", "reason cause", "meaning definition", "simple easy", "hard difficult"),
    *(
        "connect link",
        "optimize optimise",
        "organize organise",
        "analyze analyse",
        "color colour",
        "behavior behaviour",
    ),
    *("cancel terminate", "internet web online", "argument parameter param", "variable var", "function func"),
    *("regex regexp", "authentication auth", "administrator admin", "information info", "specification spec"),
    *(
        "maximum max",
        "minimum min",
        "average mean",
        "password passcode",
        "advantage benefit pro",
        "disadvantage drawback con",
    ),
    *("buyer purchaser", "begin start", "holiday vacation", "clothes clothing", "kid child", "purpose point"),
    *("dictionary dict", "deployment deploy", "largest biggest", "larger bigger", "create invent", "parcel package"),
    *("differ distinguish", "list enumerate", "say tell", "short brief concise", "get obtain receive"),
)
SAME_CLASSES: Final = tuple(tuple(words.split()) for words in _SAME)
"""Classes of words that say the same in a question; the first of a class stands for all."""

_OPPOSITES: Final = (
    *("increase decrease", "enable disable", "before after", "add remove", "open close", "start stop"),
    *("maximum minimum", "ascending descending", "include exclude", "import export", "upload download"),
    *("encrypt decrypt", "encode decode", "lock unlock", "accept reject", "allow deny", "allow block"),
    *("buy sell", "best worst", "good bad", "high low", "above below", "over under", "more less", "more fewer"),
    *("first last", "next previous", "early late", "old new", "big small", "long short", "fast slow", "hot cold"),
    *("advantage disadvantage", "pass fail", "win lose", "push pull", "read write", "input output", "up down"),
    *("left right", "top bottom", "inside outside", "public private", "internal external", "upgrade downgrade"),
    *("attach detach", "connect disconnect", "install uninstall", "subscribe unsubscribe", "mute unmute"),
    *("merge split", "expand collapse", "compress decompress", "zip unzip", "serialize deserialize", "hide show"),
    *("always never", "all none", "with without", "positive negative", "true false", "success failure"),
    *("send receive", "lend borrow", "teach learn", "import export", "synchronous asynchronous", "legal illegal"),
    *("strong weak", "rich poor", "cheap expensive", "hard easy", "front back", "credit debit", "profit loss"),
    *("inner outer", "vertical horizontal", "row column", "static dynamic", "mutable immutable", "client server"),
    *("formal informal", "active passive", "domestic international", "join leave", "approve reject", "grow shrink"),
)
OPPOSITE_PAIRS: Final = tuple(tuple(words.split()) for words in _OPPOSITES)

PERSONS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("my", "mine", "our", "ours", "me", "us", "we"), "first"),
    **dict.fromkeys(("your", "yours"), "second"),
    **dict.fromkeys(("he", "him", "his"), "he"),
    **dict.fromkeys(("she", "her", "hers"), "she"),
    **dict.fromkeys(("they", "them", "their", "theirs"), "they"),
}
PAST: Final = frozenset(("did", "was", "were", "had"))
MOODS: Final = (
    (r"do (?:i|we|you) (?:have|need) to\b|must\b|am i (?:required|obliged) to\b", "must"),
    (r"can\b|could\b|may\b|might\b|am i (?:able|allowed) to\b", "can"),
    (r"should\b|ought\b", "should"),
    (r"will\b|would\b|(?:is|are|am) \w+ going to\b", "will"),
    (r"did\b|was\b|were\b|had\b", "did"),
    (r"is\b|are\b|do\b|does\b|has\b|have\b", "is"),
)
"""How a question that wants a yes or a no begins."""

PHRASES: Final = (
    (r"\b(about|for|to|with|of) you\b", r"\1 your"),
    (r"[ .?!…]+$", ""),
    (r"\b(what|where|who|how|when|it|that)'s\b", r"\1 is"),
    (
        r"^(?:explain|describe) (?:me )?(?:the )?(?:main |key )?differences? between (.+?) and\b",
        r"how differ \1",
    ),
    (r"^how would you (design|build|implement|write|structure) ", r"\1 "),
    (r"^explain what (\w+) (?:does|do)$", r"what does \1 do"),
    (r"^(?:give me |write )?(?:a )?tl;?dr(?: of)?\b", "summarize"),
    (r"\bwhich (?:city|country|year) is\b", "what is"),
    (r"^(?:(?:could|can|would|will) (?:some(?:one|body)|any(?:one|body)|you)|quick one:?)(?: please| kindly)? ", ""),
    (r"^(?:please )?(?:tell|show)(?: me| us)?(?: about)? ", ""),
    (r"^(?:give|get|bring|provide|show)(?: me| us)? (?=an? |some |\w+ ideas|ideas)", "write "),
    (r"^i (?:need|want|would like|'d like) (?=an? |some )", "write "),
    (r"\bquick one\b", ""),
    (r"\b(?:turn|turning|switch|switching) on\b|\bactivate\b", "enable"),
    (r"\b(?:turn|turning|switch|switching) off\b|\bdeactivate\b", "disable"),
    (r"\bget(?:ting)? in touch with\b|\breach(?: out to)?\b", "contact"),
    (r"\bget(?:ting)? better at\b", "improve"),
    (r"\bregular expression", "regex"),
    (r"\b(check|see|know|tell)(s|ing)? if\b", r"\1\2 whether"),
    (r"^name (?=the |all |some |two |three |four |five |\d)", "list "),
    (r"\bmore than\b", "over"),
    (r"\bfewer than\b|\bless than\b", "under"),
    (r"\b(?:get|got|gets) (\w+ed)\b", r"\1"),
    (r"\bwho is the (?:author|writer) of\b", "who write"),
    (r"\bwhat (?:can|do|should|could) i do to\b|\bwhat are (?:some |the |good )?ways (?:to|of)\b", "how"),
    (r"\bis there (?:a|any) way (?:to|of)\b|\bdo you know how to\b", "how"),
    (r"\bhow tall (?:is|are)\b", "what is the height of"),
    (r"\bhow old (?:is|are)\b", "what is the age of"),
    (r"\bhow big (?:is|are)\b", "what is the size of"),
    (r"\bhow many people live in\b", "what is the population of"),
    (r"\bhow much (?:does|do|is|are) (.+?) cost\b", r"what is the price of \1"),
    (r"\bwhere (?:can|do|could) (?:i|we) (?:find|see)\b", "where is"),
    (r"\bexplain what (.+) (?:is|are)$", r"explain \1"),
    (
        r"\bwhat (?:is|are) (?:an? )?(?!the |my |our |your |this |that |his |her |their |its |an? )(\w+(?: \w+){0,3})$",
        r"explain \1",
    ),
    (r"^explain (?=how |why |when |where |who )", ""),
    (r"\bhow come\b", "why"),
    (r"\bfor what reason\b|\bwhat is the reason(?: that| why| for)?\b|\bwhat (?:causes|makes)\b", "why"),
    (
        r"\bwhat(?: is| would be)? (?:the |a )?"
        r"(?:best |easiest |right |proper |correct |good |simplest |recommended )?"
        r"(?:way|method|approach|procedure|process|command|steps?)(?: to| of| for)\b",
        "how",
    ),
    (r"\bwhat(?: are the)? steps?(?: do i need| should i take| are needed)?(?: to| for)\b", "how"),
    (
        r"\bin (?:what|which) way\b|\bby what means\b|\bhow to\b"
        r"|\bhow (?:do|can|could|would|should|might) (?:i|we|you|one)\b",
        "how",
    ),
    (r"\bat what time\b|\bwhat time\b|\bon (?:what|which) (?:day|date)\b|\bwhat date\b", "when"),
    (r"\b(?:in|at) (?:what|which) place\b", "where"),
    (r"\bwhat person\b|\bwhich person\b", "who"),
    (r"\bwhat (?:number|amount) of\b", "how many"),
    (r"\bthe number of\b", "how many"),
    (r"\bwhat(?:'s| is| are) the (?:main |key )?differences? between (.+?) and\b", r"how differ \1"),
    (r"\bdifferences? between (.+?) and\b", r"differ \1"),
    (r"\bhow (?:is|are|does|do) (.+?) (?:different|differ) from\b", r"how differ \1"),
    (r"\bget rid of\b", "remove"),
    (r"\b(?:log|sign)(?:ging|ging|ned|ged)?[ -]?in(?:to)?\b|\blogin\b", "signin"),
    (r"\b(?:log|sign)(?:ging|ned|ged)?[ -]?out\b|\blogout\b", "signout"),
    (r"\bsign(?:ing|ed)?[ -]?up\b", "signup"),
    (r"\bset(?:ting)?[ -]?up\b|\bsetup\b", "configure"),
    (r"\bcome up with\b", "write"),
    (r"\blook(?:ing)? for\b|\bsearch for\b", "find"),
    (r"\bwork out\b|\bfigure out\b", "calculate"),
    (r"\be-mail\b", "email"),
    (r"\bsum up\b|\b(?:give|write|provide) (?:me )?a (?:short |brief )?summary of\b", "summarize"),
    (r"\btl;?dr:?", "summarize"),
    (r"\b(?:give|write|provide) (?:me )?an? (?:short |brief )?(?:explanation|description) of\b", "explain"),
    (r"\bwhat does (.+?) (?:mean|stand for)\b", r"what mean \1"),
    (r"\bwhat is (?:the )?(?:meaning|definition) of\b|\bdefine\b", "what mean"),
    (r"\bas well as\b|\balong with\b", "and"),
    (r"\bin order to\b|\bso as to\b", "to"),
    (r"\ba lot of\b|\blots of\b|\bplenty of\b", "many"),
    (r"\bis it possible to\b|\bam i able to\b|\bare we able to\b", "can i"),
)
"""Phrases brought to one wording before words are compared, on lower-case text without quotes and code."""
