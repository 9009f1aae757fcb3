"""An independent reader of finished documents: what contradicts, what is miswritten.

It knows the plain facts of people.toml, places.toml and things.toml and English, and
nothing of how the documents are made. What it finds are sentences such as "Tilda is a
baker, but works as the letter carrier".
"""

import re
import tomllib
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "llmlab" / "village" / "words"

DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
WEATHERS = "rainy foggy windy snowy frosty stormy warm clear".split()


def read(name: str) -> dict:
    return tomllib.loads((FOLDER / name).read_text(encoding="utf-8"))


@cache
def people() -> dict[str, dict]:
    return {person["name"]: person for person in read("people.toml")["person"]}


@cache
def places() -> dict[str, dict]:
    return {place["name"]: place for place in read("places.toml")["place"]}


@cache
def things() -> dict[str, dict]:
    keys = ("name", "made", "colour", "use", "kept", "owner", "marks")
    rows = [
        [cell.strip() for cell in line.split("|")]
        for line in read("things.toml")["things"].splitlines()
        if "|" in line
    ]
    return {row[0]: dict(zip(keys, row, strict=True)) for row in rows}


def any_of(words) -> str:
    """A pattern for any of the words, the longest first."""
    ordered = sorted(words, key=len, reverse=True)
    return "(?:" + "|".join(map(re.escape, ordered)) + ")"


@cache
def pattern(text: str) -> re.Pattern:
    """A pattern in which NAME, PLACE, THING, TRADE, ... stand for groups."""
    groups = {
        "NAME": people(),
        "PLACE": places(),
        "THING": things(),
        "TRADE": {p["trade"] for p in people().values()},
        "SPECIES": {p["species"] for p in people().values()},
        "EPITHET": {p["epithet"] for p in people().values()},
        "BOND": {p["bond"] for p in people().values()},
        "COLOUR": {t["colour"] for t in things().values()},
        "MADE": {t["made"] for t in things().values()},
        "LIKE": {p["like"] for p in people().values()},
        "WISH": {p["wish"] for p in people().values()},
        "HABIT": {p["habit"] for p in people().values()},
        "FEAR": {p["fear"] for p in people().values()},
        "USE": {t["use"] for t in things().values()},
        "MARK": {p["mark"] for p in places().values()},
        "VISIT": {p["use"] for p in places().values()},
    }
    for name, words in groups.items():
        text = re.sub(rf"\b{name}\b", lambda _, w=words: f"({any_of(w)})", text)
    return re.compile(rf"(?<![\w']){text}(?!\w)")


# ---- facts: (pattern with a subject and what is said of it, what that must be)

# A noun after a name that says who it is: "Tilda the fox", "Tilda, our letter carrier".
WHO_IS = (
    ("TRADE", "trade"),
    ("SPECIES", "species"),
    ("EPITHET", "epithet"),
)
AN = "(?:[Aa]n?|[Tt]he)"
OF_PEOPLE = [
    *(
        (
            rf"NAME,? (?:the|our|your|a|an) {noun}(?= and| with|[,.;:\"!?]|$| of the)",
            key,
        )
        for noun, key in WHO_IS
    ),
    *(
        (rf"NAME (?:is|was) (?:the|our|your|a|an) {noun}(?= |[,.;:\"!?]|$)", key)
        for noun, key in WHO_IS
    ),
    (r"NAME works as (?:the|a|an) TRADE", "trade"),
    (r"NAME(?: is|,) (?:known as|called) the EPITHET", "epithet"),
    (r"NAME keeps the (?:[a-z ]+?) at the PLACE", "home"),
    (r"NAME (?:lives|lived|is at home|has a room) at the PLACE", "home"),
    (r"NAME(?:,| who) lives? at the PLACE", "home"),
    (r"NAME of the PLACE(?=,)", "home"),
    (r"looks for NAME goes to the PLACE", "home"),
    (r"[Tt]he home of NAME is at the PLACE", "home"),
    (r"NAME (?:loved|loves|is fond of|was fond of|likes) LIKE", "like"),
    (r"NAME (?:likes nothing better than|is happy with) LIKE", "like"),
    (r"[Tt]he great love of NAME is LIKE", "like"),
    (r"NAME (?:had|has) always wished to WISH", "wish"),
    (r"NAME (?:wants to|dreams of a way to) WISH", "wish"),
    (r"NAME would give [a-z ]+ to WISH", "wish"),
    (r"[Tt]he dearest wish of NAME is to WISH", "wish"),
    (r"NAME (?:had|has) a habit of HABIT", "habit"),
    (r"NAME (?:is|was) (?:known for )?HABIT", "habit"),
    (r"(?:sees NAME|stop NAME from|NAME spends [a-z]+ hours a week) HABIT", "habit"),
    (r"NAME (?:is|was) afraid of FEAR", "fear"),
    (r"NAME (?:fears only|cannot bear) FEAR", "fear"),
    (r"[Ww]hat frightens NAME is FEAR", "fear"),
    (r"NAME hides [a-z ]+ for fear of FEAR", "fear"),
]
OF_PLACES = [
    (r"PLACE (?:is|stands|lies) (?:near|close to|beside|next to) the PLACE", "near"),
    (r"PLACE has MARK", "mark"),
    (r"knows the PLACE by MARK", "mark"),
    (r"(?:pride of|picture of|come to) the PLACE (?:is|shows|to see) MARK", "mark"),
    (r"(?:come|go) to the PLACE to VISIT", "use"),
    (r"PLACE is the right place to VISIT", "use"),
    (r"[Aa]t the PLACE one can VISIT", "use"),
]
OF_THINGS = [
    (r"The THING (?:is|was) COLOUR", "colour"),
    (r"The THING of [A-Z]\w+ is COLOUR", "colour"),
    (r"[A-Z]\w+ likes the THING because it is COLOUR", "colour"),
    (r"THING is made of MADE", "made"),
    (rf"{AN} THING (?:can|helps to) USE", "use"),
    (rf"(?:[Ww]ith|[Nn]eed) {AN} THING (?:one can|to) USE", "use"),
    (rf"(?:borrow|village keeps) {AN} THING at the PLACE", "kept"),
    (rf"needs {AN} THING (?:goes to|gets one at) the PLACE", "kept"),
    (rf"{AN} THING is kept at the PLACE", "kept"),
    (r"finest THING in the village belongs to NAME", "owner"),
    (r"has a finer THING than NAME", "owner"),
    (r"best THING is that of NAME", "owner"),
    (r"[Tt]he THING of NAME", "owner"),
]
# Here the fact comes first.
OF_PEOPLE_TURNED = [
    *((rf"(?:[Tt]he|[Oo]ur|village) {noun} NAME", key) for noun, key in WHO_IS),
    (r"The SPECIES of the village is called NAME", "species"),
    (r"meets an? SPECIES has met NAME", "species"),
    (r"one SPECIES in the village: NAME", "species"),
    (r"The EPITHET of the village is NAME", "epithet"),
    (r"(?:The village TRADE is|needs an? TRADE goes to) NAME", "trade"),
    (r"At the PLACE lives NAME", "home"),
    (r"For LIKE NAME", "like"),
]
OF_PLACES_TURNED = [
    (r"knows the PLACE will find the PLACE", "near"),
    (r"From the PLACE to the PLACE it is", "near"),
    (r"(?:wants to|To) VISIT (?:goes to|one goes to) the PLACE", "use"),
]
OF_THINGS_TURNED = [
    (rf"(?:wants to|To) USE (?:takes|one needs) {AN} THING", "use"),
    (rf"[Aa]t the PLACE there is {AN} THING (?:for everybody|to borrow)", "kept"),
    (rf"PLACE keeps {AN} THING for everybody", "kept"),
    (r"COLOUR is the colour of the THING", "colour"),
    (r"NAME (?:has|owns) the (?:finest|best) THING", "owner"),
    (r"NAME would not sell the THING", "owner"),
]


def wrong_facts(text: str, genre: str) -> list[str]:
    """Sentences that say of somebody or something what is not so."""
    rules_of = [
        (OF_PEOPLE, people(), False),
        (OF_PEOPLE_TURNED, people(), True),
        (OF_PLACES, places(), False),
        (OF_PLACES_TURNED, places(), True),
    ]
    found = wrong_bonds(text)
    if genre != "bilingual":  # whose chairs are of any colour
        found += wrong_materials(text)
        rules_of += [(OF_THINGS, things(), False), (OF_THINGS_TURNED, things(), True)]
    for rules, table, turned in rules_of:
        for rule, key in rules:
            for match in matches(rule, text):
                said = [group for group in match.groups() if group]
                name, fact = reversed(said) if turned else said
                if table[name][key] != fact:
                    found.append(f"{key} of {name}: {match[0]!r}")
    return found


def matches(rule: str, text: str) -> list[re.Match]:
    """Where a rule fits, but not "a donkey" in "called Otto a donkey"."""
    found = pattern(rule).finditer(text)
    return [match for match in found if not text[: match.start()].endswith("called ")]


# In which group stand the one whose kin is told, the bond and the kin.
BONDS = [
    (r"NAME,? (?:is )?(?:the|an?) BOND of NAME", (3, 2, 1)),
    (r"NAME has NAME as BOND", (1, 3, 2)),
    (r"[Tt]he BOND of NAME is NAME", (2, 1, 3)),
    (r"For NAME, NAME is the BOND", (1, 3, 2)),
    (r"NAME often visits NAME, the BOND", (1, 3, 2)),
]


def wrong_bonds(text: str) -> list[str]:
    """Kin of others, and other kin."""
    found = []
    for rule, order in BONDS:
        for match in pattern(rule).finditer(text):
            name, bond, kin = (match[number] for number in order)
            if (people()[name]["bond"], people()[name]["kin"]) != (bond, kin):
                found.append(f"bond: {match[0]!r}")
    return found


def wrong_materials(text: str) -> list[str]:
    """Things that are made of something else. Of food there is more than one kind."""
    return [
        f"made: {made} {thing}"
        for made, thing in re.findall(pattern("MADE THING"), text)
        if things()[thing]["made"] != made and "eaten" not in things()[thing]["marks"]
    ]


def homeless_facts(text: str, genre: str) -> list[str]:
    """Facts of somebody, some place or some thing that the document does not name."""
    found = []
    for key, facts in _owners().items():
        if genre == "sayings" and key == "epithet":
            continue  # the pangram is a saying
        for fact, names in facts.items():
            if stands_in(fact, text) and not any(stands_in(n, text) for n in names):
                found.append(f"{key} {fact!r}, but none of {sorted(names)}")
    homes = {people()[name]["home"] for name in re.findall(pattern("NAME"), text)}
    for place in re.findall(pattern("home (?:to|at) the PLACE"), text):
        if place not in homes:
            found.append(f"nobody is at home at the {place}")
    there = set(re.findall(pattern("the PLACE"), text))
    return found + (homeless_spots(text, there) if genre == "books" else [])


@cache
def _owners() -> dict[str, dict[str, set[str]]]:
    """By kind of fact and fact whose it is. A fact that is part of another one, or that
    several kinds have, says nothing."""
    kinds = {
        **{key: (people(), key) for key in ("like", "wish", "habit", "fear")},
        **{key: (people(), key) for key in ("epithet",)},
        "mark": (places(), "mark"),
        "what it is used for": (things(), "use"),
    }
    owners: dict[str, dict[str, set[str]]] = {}
    for kind, (table, key) in kinds.items():
        for name, entry in table.items():
            owners.setdefault(kind, {}).setdefault(entry[key], set()).add(name)
    every = [fact for facts in owners.values() for fact in facts]
    every += [place["use"] for place in places().values()]
    return {
        kind: {
            fact: names
            for fact, names in facts.items()
            if len(fact.split()) > 1
            and sum(stands_in(fact, other) for other in every) == 1
        }
        for kind, facts in owners.items()
    }


def homeless_spots(text: str, there: set[str]) -> list[str]:
    """Spots of places where the story is not. One may work "on the ladder" anywhere if
    a ladder is what the story is about."""
    thing = re.search(r", an? (.+) and the ", text.partition("\n")[0])
    return [
        f"spot {spot!r}, but none of {sorted(names)}"
        for spot, names in _spots().items()
        if stands_in(spot, text)
        and not names & there
        and not (thing and f" {thing[1]}".endswith(f" {spot.split()[-1]}"))
    ]


@cache
def _spots() -> dict[str, set[str]]:
    owners: dict[str, set[str]] = {}
    for name, place in places().items():
        for spot in place["spots"].split("\n"):
            if spot.strip() and "[" not in spot:
                owners.setdefault(spot.strip(), set()).add(name)
    return owners


def stands_in(phrase: str, text: str) -> bool:
    return re.search(rf"(?<![\w']){re.escape(phrase)}(?!\w)", text) is not None


# ---- who is who

HE, SHE = {"he", "him", "his", "himself"}, {"she", "her", "hers", "herself"}
# What a simile says of somebody else is not said of a person.
OF_OTHERS = re.compile(
    r"\b(?:hen|goose|cow|duck|mare|king|seller) (?:with her|on his|praised her)\b"
)


# Who is called in a quotation is not whom the sentence is about.
QUOTED = re.compile(r"\"[^\"\n]+\"")


def wrong_pronouns(text: str) -> list[str]:
    """He and she that can mean nobody: neither whom its sentence names first or last
    nor, for him and her, anybody who was named before."""
    found = []
    before: set[str] = set()
    text = QUOTED.sub("...", OF_OTHERS.sub("", text))
    for sentence in re.split(r"(?<=[.!?]) |\n", text):
        here: list[str] = []
        for match in _people_and_pronouns().finditer(sentence):
            token, small = match[0], match[0].lower()
            if small in HE | SHE:
                wanted = "male" if small in HE else "female"
                meant = {*here[:1], *here[-1:]} or before
                if small == "him" or small == "her" and _is_object(match):
                    meant |= before
                if meant and wanted not in meant:
                    found.append(f"{token!r} after {here}: {sentence!r}")
            elif gender := _gender_of(token):
                here.append(gender)
        before.update(here)
    return found


def _is_object(her: re.Match) -> bool:
    """Whether "her" is nobody's possession."""
    after = her.string[her.end() :]
    return not re.match(
        r" (?!to|for|and|in|on|at|with|by|from|so|as|a|the)[a-z]", after
    )


@cache
def _people_and_pronouns() -> re.Pattern:
    nouns = {p[key] for p in people().values() for key in ("trade", "species")}
    return re.compile(
        rf"\b(?:{any_of(people())}|[Tt]he {any_of(nouns)}(?! girls)|"
        rf"(?:{any_of(HE | SHE | {word.capitalize() for word in HE | SHE})}))\b"
    )


def _gender_of(token: str) -> str:
    if token in people():
        return people()[token]["gender"]
    noun = token.split(" ", 1)[1]
    owners = {
        p["gender"] for p in people().values() if noun in (p["trade"], p["species"])
    }
    return owners.pop() if len(owners) == 1 else ""


@cache
def _said_of_nobody() -> re.Pattern:
    """Phrases in which a trade or an animal is not one of the people."""
    uses = [thing["use"] for thing in things().values()]
    return re.compile(any_of([*uses, "the duck pond", "the goat cheese"]))


def strangers(text: str) -> list[str]:
    """In a story: "the miller" where neither of its people is a miller."""
    title, _, story = without_proverb(text).partition("\n")
    cast = re.findall(pattern("NAME"), title)
    if len(cast) != 2:
        return [f"title: {title!r}"]
    known = {p[key] for p in people().values() for key in ("trade", "species")}
    own = {people()[name][key] for name in cast for key in ("trade", "species")}
    story = _said_of_nobody().sub("", story)
    said = re.findall(rf"\b[Tt]he ({any_of(known)})(?!'s| of|\w)", story)
    return [f"{noun!r} in a story about {cast}" for noun in said if noun not in own]


@cache
def _proverbs() -> tuple[str, ...]:
    names = [f"plots/{path.name}" for path in sorted((FOLDER / "plots").glob("*.toml"))]
    return tuple(line for name in names for line in read(name)["morals"].splitlines())


def without_proverb(story: str) -> str:
    """A story may end with a proverb, which says nothing of its people."""
    return next(
        (story.removesuffix(p) for p in _proverbs() if p and story.endswith(p)), story
    )


def wrong_times(text: str) -> list[str]:
    """In a story: more days than one and the day after it, more weathers than one,
    or more times of the day."""
    body = text.partition("\n")[2]
    days = list(dict.fromkeys(re.findall(any_of(DAYS), body)))
    found = []
    first = DAYS.index(days[0]) if days else 0
    allowed = {DAYS[first], DAYS[(first + 1) % 7]}
    if not set(days) <= allowed and not any("like a" in s for s in body.split(".")):
        found.append(f"days {days}")
    times = "(?:morning|afternoon|evening|night|day)"
    weather = set(
        re.findall(rf"\b({any_of(WEATHERS)}) (?:{any_of(DAYS)}|{times})\b", body)
    )
    if len(weather) > 1:
        found.append(f"weathers {weather}")
    return found


def wrong_things(text: str) -> list[str]:
    """In a story: its thing in another colour or of another material."""
    title, _, story = text.partition("\n")
    match = re.search(r", an? (.+) and the (.+)$", title)
    if not match or match[1] not in things() or match[2] not in places():
        return [f"title: {title!r}"]
    thing = things()[match[1]]
    found = []
    for word in re.findall(rf"[Tt]he ([a-z]+) {re.escape(thing['name'])}\b", story):
        looks = {t[key] for t in things().values() for key in ("made", "colour")}
        if word in looks and word not in (thing["made"], thing["colour"]):
            found.append(f"{word} {thing['name']}")
    return found


# ---- English

ARTICLE = re.compile(
    r"\b[Aa] (?=[aeiou])(?!one\b|uni|use|eu)|\b[Aa]n (?![aeiouAEIOU8]|hour|honest|heir)"
)
DOUBLED = re.compile(r"\b(\w+) \1\b", re.IGNORECASE)
MARKUP = re.compile(r"[{}|\[\]<>_*#\\]|None|nan\b")
SPACING = re.compile(
    r"  |\t| [,.;:!?]|[,;](?=[^\s\"'])|[.!?](?=[A-Za-z])|\( | \)|,,|\.\.|,\.|^ | $",
    re.M,
)
AGREEMENT = [
    re.compile(text)
    for text in (
        r"(?<!oes )(?<!id )\b[Hh]e (?:are|were|have|do|go|say|want|know)\b",
        r"(?<!oes )(?<!id )\b[Ss]he (?:are|were|have|do|go|say|want|know)\b",
        r"(?<!oes )(?<!id )(?<!if )\b[Ii]t (?:are|were|have|do|go|say)\b",
        r"\b(?:[Tt]hey|[Ww]e|[Yy]ou) (?:is|was|has|does)\b",
        r"\bI (?:is|are|has|does|were)\b",
        r"\bthis (?:\w+s) (?:are|were|have)\b",
        r"\b(?:[Ee]very|[Ee]ach) [a-z]+[^s'\W]s\b(?<!bus)(?<!ous)",
        r"\b(?:[Tt]hese|[Tt]hose) [a-z]+[^s]\b (?:is|was)\b",
        r"\b(?:did|can|shall|will|would|could|should|might)(?: not)? "
        r"(?:was|were|is|are|had|has|went|saw|found|took|gave)\b",
        r"\bto (?:was|were|are|had|has|went|saw|found|took|gave|came|made|lost)\b",
        r"\b(?:has|have|had) (?:went|saw|took|gave|came|did|was|were|is)\b",
        r"\bmore (?:better|bigger|smaller|older|younger|nicer|faster|happier)\b",
        r"\bmost \w+est\b(?<!honest)",
    )
]
NUMBERS = (
    "two three four five six seven eight nine ten eleven twelve several many few both"
).split()
UNCOUNTED = (
    r"(?:s|sheep|fish|people|children|men|women|mice|geese|feet|teeth|hundred|"
    r"thousand|dozen|of|more|out|or|and|to|in|at|on|for|o'clock|pounds)"
)
AMERICAN = (
    "color gray neighbor traveled honor favorite center theater pajamas plow mustache "
    "jewelry airplane flavor humor labor parlor rumor harbor woolen marvelous"
).split()


def miswritten(text: str) -> list[str]:
    """Mistakes of English that a pattern can find."""
    found = []
    for name, rule in (
        ("article", ARTICLE),
        ("doubled", DOUBLED),
        ("markup", MARKUP),
        ("spacing", SPACING),
        *(("agreement", rule) for rule in AGREEMENT),
    ):
        for match in rule.finditer(text):
            around = text[max(0, match.start() - 25) : match.end() + 25]
            found.append(f"{name}: {around!r}")
    for word in re.findall(rf"\b{any_of(AMERICAN)}\b", text):
        found.append(f"American: {word}")
    for match in re.finditer(
        rf"\b(?:{'|'.join(NUMBERS[:-3])}) ([a-z]+)(?=[.,;:!?])", text
    ):
        if not re.search(rf"{UNCOUNTED}$", match[1]):
            found.append(f"plural: {match[0]!r}")
    found += _wrong_capitals(text)
    for paragraph in text.split("\n"):
        if paragraph.count('"') % 2:
            found.append(f"quotation marks: {paragraph!r}")
    if not re.search(r"[.!?:]\"?$|[a-z]$", text):
        found.append(f"end: {text[-30:]!r}")
    return found


def _wrong_capitals(text: str) -> list[str]:
    found = []
    before = ""
    for paragraph in text.split("\n"):
        letter_goes_on = before.endswith((",", ":"))  # "Dear Nils,"
        before = paragraph
        if paragraph[:1].islower() and not letter_goes_on:
            found.append(f"small beginning: {paragraph[:40]!r}")
        for match in re.finditer(r"[.!?]\"? ([a-z])", paragraph):
            # A quotation may go on with what is said of it: "No!" said Tilda.
            if not re.search(r"\"", match[0]):
                found.append(f"small letter: {paragraph[match.start() - 20 :][:50]!r}")
        for match in re.finditer(r"(?<=[a-z,;] )([A-Z][a-z]+)", paragraph):
            if match[1] not in known_capitals():
                found.append(f"capital: {match[1]} in {paragraph[:200]!r}")
    return found


@cache
def known_capitals() -> frozenset[str]:
    """Words that the data write with a capital after a small word."""
    words = {*people(), *DAYS, "I"}
    for path in sorted(FOLDER.glob("**/*.toml")):
        for text in texts_of(read(str(path.relative_to(FOLDER)))):
            words.update(re.findall(r"(?<=[a-z,;|\[] )([A-Z]\w*)", text))
            words.update(re.findall(r"\b(?:Mayor|French|English|Paris)\b", text))
    return frozenset(words)


def texts_of(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield key
            yield from texts_of(part)
    elif isinstance(value, list):
        for part in value:
            yield from texts_of(part)


@cache
def lexicon() -> frozenset[str]:
    """Every word of the data files, in small letters, and those that code puts in:
    pronouns, "We answer Otto", "Otto answers", the quiz of a title, "is going"."""
    words = HE | SHE | {"answer", "answers", "quiz", "going"}
    for path in sorted(FOLDER.glob("**/*.toml")):
        for text in texts_of(read(str(path.relative_to(FOLDER)))):
            words.update(re.findall(r"\w+", text.lower()))
    return frozenset(words)


def unknown_words(text: str) -> list[str]:
    return sorted(set(re.findall(r"\w+", text.lower())) - lexicon())


# ---- whole documents


def english_of(text: str, genre: str) -> str:
    """The text without its French: after the title a lesson has lines of "English. –
    French.", or French alone."""
    if genre != "bilingual":
        return text
    title, *lines = text.split("\n")
    return "\n".join(
        [title, *(line.split(" – ")[0] for line in lines if " – " in line)]
    )


def contradictions(text: str, genre: str) -> list[str]:
    """What in a document cannot be so."""
    english = english_of(text, genre)
    found = wrong_facts(english, genre) + homeless_facts(english, genre)
    if genre != "bilingual":
        found += wrong_pronouns(english)
    if genre == "books":
        found += strangers(text) + wrong_times(text) + wrong_things(text)
    return found


def mistakes(text: str, genre: str) -> list[str]:
    """What in a document is miswritten."""
    found = unknown_words(english_of(text, genre))
    return miswritten(english_of(text, genre)) + [f"unknown: {word}" for word in found]
