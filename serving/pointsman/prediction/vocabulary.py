"""The words that `features` counts, by class. Every word stands in one class only."""

from typing import Final

WORD_CLASSES: Final[dict[str, str]] = {
    "what": "what which who whom whose",
    "when_where": "when where",
    "how": "how",
    "why": "why because reason therefore hence thus so",
    "if_then": "if else unless otherwise then suppose assume assuming given whenever while until",
    "negation": "not no never none nor without cannot neither except false incorrect isn don doesn avoid",
    "must": (
        "must should shall required ensure exactly strictly always guarantee preserve constraint constraints "
        "requirement requirements"
    ),
    "only": "only just single one each every per both all any",
    "comparison": (
        "more less than greater larger smaller fewer most least best worst maximum minimum max min highest "
        "lowest compare versus vs difference"
    ),
    "proof": "prove proof show derive lemma theorem induction contradiction rigorous converges conjecture iff",
    "explain": "explain describe define meaning mean definition tell list name give",
    "evaluate": "evaluate assess critique judge recommend trade tradeoff tradeoffs pros cons weigh justify argue",
    "compute": "calculate compute solve find determine simplify estimate many much total",
    "write": "write create build implement generate make develop produce draft compose add",
    "fix": "fix bug error fails failing broken crash exception traceback debug wrong issue leak stuck hang hangs",
    "refactor": (
        "refactor rename extract split move cleanup clean replace restructure deduplicate inline migrate rewrite"
    ),
    "document": "document documentation docstring readme comment comments changelog docs jsdoc guide tutorial",
    "review": "review pr diff pull check audit feedback spot",
    "test": "test tests testing unit pytest assert mock coverage fixture",
    "optimise": (
        "optimize optimise faster slow speed performance latency throughput memory efficient cheaper cache "
        "reduce bottleneck profile"
    ),
    "design": (
        "design architecture architect system scale scalable service services microservice microservices plan strategy"
    ),
    "analyse": (
        "analyze analyse analysis data dataset csv table chart trend correlation regression average median "
        "column columns sql"
    ),
    "summarise": "summarize summarise summary tldr tl condense shorten key points bullet bullets",
    "translate": (
        "translate translation english german french spanish chinese japanese italian portuguese russian "
        "korean arabic hindi polish dutch"
    ),
    "extract_fields": "json yaml xml fields field entities parse dates names emails",
    "story": "poem story haiku song lyrics character scene novel fiction sonnet rhyme verse joke slogan limerick",
    "rewrite_text": "rephrase paraphrase tone formal polite email letter sentence sentences paragraph essay",
    "ease_words": "simple quick quickly easy basic short trivial small tiny simply",
    "hardness_words": "complex advanced difficult hard optimal formally exact expert deep robust subtle",
    "python": "def return import self lambda elif true print len range dict str int append",
    "code": (
        "function class const let var void public private static async await try catch throw null undefined "
        "new struct enum"
    ),
    "sql": "select join group having insert update delete index query queries database postgres mysql",
    "shell": "bash docker kubernetes linux git grep curl nginx aws terraform deploy kubectl ssh cron yml",
    "web": "html css react javascript typescript api rest endpoint button page frontend url http component vue node",
    "concurrency": (
        "thread threads lock locks deadlock race concurrent concurrency atomic parallel mutex semaphore "
        "goroutine channel lockfree"
    ),
    "distributed": (
        "distributed consensus replication replica replicas partition partitions sharding shard raft paxos "
        "eventual quorum idempotent kafka tenant tenants failover multi region"
    ),
    "security": (
        "security attack vulnerability injection encryption encrypted crypto auth authentication token tokens "
        "oauth xss csrf signature threat"
    ),
    "low_level": (
        "kernel pointer pointers compiler assembly simd cpu gpu allocator register bytes binary bit bits "
        "interrupt embedded firmware"
    ),
    "ml": (
        "model training neural network gradient loss bayesian posterior prior classifier embedding "
        "transformer inference"
    ),
    "statistics": (
        "probability expected variance distribution random sample hypothesis confounder causal significance "
        "interval deviation"
    ),
    "algebra": "equation equations polynomial roots root matrix vector eigenvalue linear quadratic functions ring",
    "number_theory": (
        "integer integers prime primes divisor divisible remainder modulo digits digit factor sum product multiple"
    ),
    "geometry": (
        "triangle circle angle angles area perimeter radius square rectangle polygon sphere plane degrees coordinates"
    ),
    "calculus": "integral derivative limit differential continuous converge series sequence convergent",
    "combinatorics": "ways arrangements permutations combinations choose subsets graph tree path vertices edges puzzle",
    "latex_light": "\\frac \\sqrt \\cdot \\times \\text \\left \\right \\pi \\le \\ge \\leq \\geq",
    "latex_heavy": (
        "\\sum \\int \\prod \\lim \\begin \\mathbb \\mathbf \\infty \\partial \\alpha \\theta \\lambda \\binom \\equiv"
    ),
    "physics": (
        "velocity force mass energy acceleration momentum electric magnetic current voltage wave pressure "
        "temperature heat gravity quantum"
    ),
    "chemistry": (
        "reaction acid base molecule solution concentration mol electron bond equilibrium enthalpy oxidation "
        "ph compound"
    ),
    "biology": "cell cells gene dna protein species organism enzyme membrane evolution bacteria virus tissue",
    "medicine": "patient symptoms disease treatment diagnosis clinical blood pain dose therapy drug",
    "law": "court law legal plaintiff defendant contract statute liability crime constitutional clause gdpr",
    "economics": "price market demand supply cost profit interest rate inflation tax revenue income bank loan invest",
    "history": "war century king empire revolution president government ancient treaty political soviet",
    "philosophy": "moral ethics argument philosophy kant belief truth fallacy logic premise conclusion",
    "school_maths": "apples dollars hours minutes days week weeks miles bought sold costs twice half left altogether",
    "quantity_words": "two three four five six seven eight nine ten hundred thousand dozen first second third",
    "time_words": "today tomorrow yesterday monday friday year years month day date time hour",
    "stopwords": (
        "the a an of to in on and or is are was were be been it its this that these those for with as at by from but"
    ),
}
