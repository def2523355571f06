"""Instruments as names spell them: one list for tags, pads, kinds and names of files.

A role is what a sample plays in a drum set; its tag is what a manifest says of it.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

_WORD = re.compile(r"[^\W\d_]+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z]{2})")

# The roles in the order in which pads are filled, and the words that stand for each. Two words are a tag with a detail.
_ROLES = {
    "kick": "kick kicks kik bassdrum bassdrums kickdrum kickdrums bd kck grancassa bombo bumbo キック",
    "snare": "snare snares snaredrum snaredrums sn sd snr snrs rullante redoblante スネア",
    "closed hat": """hat hats hihat hihats highhat highhats hhat hhats hh hhs chh closedhat hhclosed hhc hhcl clhh hhcd handhat
        ハイハット""",
    "open hat": "ohh ohat ohats openhat hhopen hho hhod ophh",
    "pedal hat": "pedalhihat phh hhp hhpedal",
    "clap": "clap claps handclap handclaps handclp clp claptrap クラップ",
    "rim": "rim rims rimshot rimshots rimclick rimclicks sidestick sidesticks crossstick xstick",
    "low tom": "toml lowtom floortom lotom",
    "mid tom": "tomm midtom",
    "high tom": "tomh hightom hitom",
    "tom": "tom toms toma タム",
    "crash": "crash crashes splash splashes",
    "ride": "ride rides",
    "cymbal": "cymbal cymbals china cym cyms platillo platillos シンバル",
    "perc": """perc percs percussion percussions djembe djembes cajon agogo agogos woodblock woodblocks timbale timbales guiro
        triangle cuica vibraslap castanet castanets tabla tablas bodhran udu darbuka darabuka doumbek""",
    "cowbell": "cowbell cowbells",
    "shaker": "shaker shakers cabasa maraca maracas shekere",
    "tambourine": "tambourine tambourines tamb tambo tambourin",
    "conga": "conga congas",
    "bongo": "bongo bongos",
    "clave": "clave claves",
    "snap": "fingersnap fingersnaps snaps",
    "bass": "bass basses sub",
    "keys": "piano pianos rhodes wurlitzer organ organs clavinet harpsichord keys klavier ピアノ",
    "guitar": "guitar guitars gtr guit guitarra guitare chitarra gitarre ギター",
    "strings": "strings violin violins cello cellos viola",
    "brass": "brass trumpet trumpets trombone horn horns",
    "sax": "sax saxophone",
    "flute": "flute flutes",
    "synth": "synth synths",
    "lead": "lead leads",
    "pluck": "pluck plucks",
    "chord": "chord chords",
    "vocal": "vocal vocals vox acapella",
    "choir": "choir choirs",
    "fx": "fx sfx riser risers downlifter uplifter",
    "vinyl": "vinyl",
}
ROLES = tuple(_ROLES)
# Drum machines write two letters. They mean other things, too: alone in a name, or behind a machine's name, they are drums.
CODES = {
    "bd": "kick", "sd": "snare", "sn": "snare", "ch": "closed hat", "chat": "closed hat", "hh": "closed hat", "oh": "open hat",
    "ho": "open hat", "cp": "clap", "rs": "rim", "cb": "cowbell", "cy": "cymbal", "cr": "crash", "cc": "crash",
    "rd": "ride", "rc": "ride", "ht": "high tom", "mt": "mid tom", "lt": "low tom", "ft": "low tom", "ma": "shaker",
    "tb": "tambourine", "sh": "shaker", "cg": "conga", "hc": "conga", "mc": "conga", "lc": "conga", "cl": "clave",
    "tm": "tom",
}  # fmt: skip
ROLE_OF = {word: role for role, words in _ROLES.items() for word in words.split()}
_SHORT = frozenset(
    word for word in ROLE_OF if word in CODES or word in {"hh", "hhs", "chh", "ohh", "phh", "snr", "hho", "hhc", "hhp"}
)
# In these a role in two words is one instrument.
_FAMILIES = {"hat": ("closed hat", "open hat", "pedal hat"), "tom": ("low tom", "mid tom", "high tom", "tom")}
_TAGS = {role: tag for tag, roles in _FAMILIES.items() for role in roles}
TAGS = tuple(dict.fromkeys(_TAGS.get(role, role) for role in ROLES))
_STRUCK = ROLES[: ROLES.index("clave") + 1]
# Instruments that are struck, by tag; and those struck once, unless a word says otherwise.
PERCUSSIVE = frozenset(_TAGS.get(role, role) for role in _STRUCK)
DRUMS = PERCUSSIVE - {"shaker", "tambourine"}
# They ring longer than any other drum.
RINGING = frozenset(["crash", "ride", "cymbal", "hat"])

_HEIGHTS = {
    "low tom": frozenset("low lo l floor bottom deep lt ft lowtom floortom lotom toml".split()),
    "mid tom": frozenset("mid middle m mt midtom tomm".split()),
    "high tom": frozenset("high hi h ht hightom hitom tomh".split()),
}
_OPEN = frozenset("open opened offen ouvert abierto aperto op ohh oh ho hho hhod openhat hhopen ophh semiopen".split())
_PEDAL = frozenset("pedal foot pd phh hhp hhpedal pedalhihat".split())
# How a drum sounds or is played. Glued to an instrument's word, they are words of their own.
_MODIFIERS = frozenset(
    """
    open opened close closed pedal foot semi half on off hard soft long short high hi low lo mid floor acoustic electro
    electronic dist distorted dirty clean dry wet room big small fat deep tight loose loud quiet roll flam ghost double
    fx layer vintage analog analogue digital heavy light loop loops linn rock jazz techno house trap shot hit slap
    """.split()
)
# Words that end as an instrument does, and are none.
_NOT_GLUED = frozenset(
    "sidekick dropkick thunderclap afterclap firecrash override ensnare claptrap seabass embass compass trespass bypass".split()
)
_GLUED_ENDS = tuple(
    sorted(
        """kick kicks snare snares clap claps hihat hihats cymbal cymbals cowbell cowbells rimshot rimshots bassdrum shaker
        shakers tambourine conga congas bongo bongos bass synth perc loop loops crash""".split(),
        key=len,
        reverse=True,
    )
)
_MUSICAL_PARTS = frozenset(word for word in ROLE_OF if len(word) > 2 or word == "hh") - {
    "sub",
    "cym",
    "snr",
    "clp",
    "kck",
    "sax",
}
_PARTS = _MUSICAL_PARTS | _MODIFIERS
# Longer ones first. Where two words make one thing, neither counts alone.
_JOINED = (
    (" drum and bass ", " "),
    (" drum n bass ", " "),
    (" bass drum ", " kick "),
    (" bass drums ", " kick "),
    (" kick drum ", " kick "),
    (" kick drums ", " kick "),
    (" drum bass ", " "),
    (" snare drum ", " snare "),
    (" snare drums ", " snare "),
    (" bass guitar ", " bass "),
    (" side stick ", " rim "),
    (" cross stick ", " rim "),
    (" stick rim ", " rim "),
    (" rim shot ", " rim "),
    (" hi hat ", " hat "),
    (" high hat ", " hat "),
    (" hand clap ", " clap "),
    (" cow bell ", " cowbell "),
    (" wood block ", " woodblock "),
    (" finger snap ", " fingersnap "),
    (" mad hat ", " "),
    (" ride cymbal ", " ride "),
    (" crash cymbal ", " crash "),
    (" splash cymbal ", " crash "),
    (" free ride ", " "),
    (" joy ride ", " "),
    (" sub mix ", " "),
    (" djembe bass ", " djembe "),
    (" triangle wave ", " "),
    (" grosse trommel ", " kick "),
    (" große trommel ", " kick "),
    (" kleine trommel ", " snare "),
    (" grosse caisse ", " kick "),
    (" caisse claire ", " snare "),
    (" charleston ouvert ", " openhat "),
    (" charleston fermé ", " closedhat "),
    (" charley ouvert ", " openhat "),
    (" charley fermé ", " closedhat "),
    (" air horn ", " "),
    (" car horn ", " "),
    (" fog horn ", " "),
    (" train horn ", " "),
    (" ship horn ", " "),
    (" car keys ", " "),
    (" house keys ", " "),
    (" door keys ", " "),
)
_BETWEEN = frozenset("and n with plus amp".split())


@lru_cache(1024)
def split_camel_case(text: str) -> str:
    """Put a space between the words of CamelCase."""
    return _CAMEL.sub(" ", text)


@lru_cache(1024)
def split_words(text: str) -> tuple[str, ...]:
    """Return the words of a name in lower case; those in CamelCase one by one."""
    return (*_WORD.findall(split_camel_case(text).lower()),)


@lru_cache(4096)
def split_glued(word: str) -> tuple[str, ...]:
    """Split a word into those that it is made of: `closedhh` into closed, hh; `jsnare` into j, snare; else leave it whole."""
    if len(word) < 5 or word in ROLE_OF or word in _NOT_GLUED:
        return (word,)
    if parts := _split_whole(word):
        return parts
    for end in _GLUED_ENDS:
        front = word[: -len(end)]
        if word.endswith(end) and (len(front) > 2 or (front and (len(end) > 4 or end == "kick"))):
            return (front, end)
    return (word,)


def _split_whole(word: str) -> tuple[str, ...]:
    """Split a word into instruments and modifiers, at least one an instrument or a loop; () if it is more than that."""
    for size in range(len(word) - 2, 1, -1):
        head, rest = word[:size], word[size:]
        if head not in _PARTS:
            continue
        tail = (rest,) if rest in _PARTS else _split_whole(rest)
        if tail and any(part in _MUSICAL_PARTS or part in ("loop", "loops") for part in (head, *tail)):
            return (head, *tail)
    return ()


@lru_cache(4096)
def split_music(text: str) -> tuple[str, ...]:
    """Return the words of a name as ``split_words`` does, glued ones apart."""
    return tuple(part for word in split_words(text) for part in split_glued(word))


@lru_cache(4096)
def find_roles(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return the roles among the words of ``split_music``, each once, in their order.

    A code of two letters does not count beside a word: `hh3kick1` is a kick. Where a drum is the last, it counts, for a pack's
    name or a colour stands in front: `Kick Vol 1 Snare` and `Vinyl Snare` are snares, `Kick Snare` is both.
    """
    text = f" {' '.join(words)} "
    for pair, joined in _JOINED:
        text = text.replace(pair, joined)
    found = [(at, word) for at, word in enumerate(text.split()) if word in ROLE_OF]
    whole = [(at, word) for at, word in found if word not in _SHORT]
    # `FX_CHH` is a hat: a code behind a word that is no drum is no prefix.
    if whole and (whole[-1] == found[-1] or any(tag_of(ROLE_OF[word]) in PERCUSSIVE for _, word in whole)):
        found = whole
    tokens = text.split()
    if found and tag_of(ROLE_OF[found[-1][1]]) in PERCUSSIVE and not any(token in ("loop", "loops") for token in tokens):
        found = [(at, word) for at, word in found if tag_of(ROLE_OF[word]) in PERCUSSIVE]
        while len(found) > 1 and not _stand_together(tokens, found[-1][0], found):
            found = found[1:]
    details = frozenset(tokens)
    return tuple(dict.fromkeys(_in_detail(ROLE_OF[word], details) for _, word in found))


@lru_cache(4096)
def find_instrument_word(text: str) -> str:
    """Return the word of a name that says its instrument, in lower case: `tom` of `PearlTom1-Hard`; "" if none does alone."""
    words = split_music(text)
    tags = [tag_of(role) for role in find_roles(words)[-1:]]
    return next((word for word in reversed(words) if word in ROLE_OF and tag_of(ROLE_OF[word]) in tags), "")


def _stand_together(tokens: list[str], last: int, found: list[tuple[int, str]]) -> bool:
    """Return whether only words between, modifiers and instruments stand from the first instrument to the last."""
    at = {place for place, _ in found}
    return all(place in at or tokens[place] in _BETWEEN | _MODIFIERS for place in range(found[0][0], last))


def _in_detail(role: str, words: frozenset[str]) -> str:
    """Return the role with what other words say of it: open or closed, high or low."""
    tag = tag_of(role)
    if tag == "hat" and role == "closed hat":
        return "open hat" if words & _OPEN else "pedal hat" if words & _PEDAL else role
    if role == "tom":
        heights = [height for height, spelt in _HEIGHTS.items() if words & spelt]
        return heights[0] if len(heights) == 1 else role
    return role


def tag_of(role: str) -> str:
    """Return the tag of a role: `hat` for an open one and a closed one."""
    return _TAGS.get(role, role)


def tags_of(roles: tuple[str, ...]) -> list[str]:
    """Return the tags of roles, each once."""
    return list(dict.fromkeys(tag_of(role) for role in roles))


@dataclass(frozen=True, slots=True)
class CodedName:
    """The role that a code in a name stands for, and what stands in front of the code, in lower case letters and digits."""

    role: str
    front: str


# `BD`, `SD0010`, `HT0D0`, `CH 02`, `tr808-bd`, `01 BD`, `808lt`: a code at the end, before numbers and single letters alone.
_CODED = re.compile(
    r"(?P<front>.*?)(?:(?<=[^A-Za-z])|^)(?P<code>"
    + "|".join(sorted(CODES))
    + r")(?P<take>(?:[ _.-]?\d[\dA-Za-z]{0,4})*(?:[ _-][A-Za-z])?)",
    re.IGNORECASE | re.DOTALL,
)


@lru_cache(4096)
def find_code(name: str) -> CodedName | None:
    """Find the code at the end of a name; None if there is none."""
    match = _CODED.fullmatch(name.strip())
    if not match:
        return None
    return CodedName(CODES[match["code"].lower()], re.sub(r"[\W_]", "", match["front"]).lower())
