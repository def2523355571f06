"""The words of sample packs. Each set says what its words mean in a name; a word that is not here means nothing."""

import re
from functools import lru_cache

_WORD = re.compile(r"[^\W\d_]+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


def split_camel_case(text: str) -> str:
    """Put a space between the words of CamelCase."""
    return _CAMEL.sub(" ", text)


@lru_cache(1024)
def split_words(text: str) -> tuple[str, ...]:
    """Return the words of a name in lower case; those in CamelCase one by one."""
    return (*_WORD.findall(split_camel_case(text).lower()),)


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


LOOP = _set("loop loops looped drumloop drumloops toploop toploops breakbeat breakbeats breakloop")
BREAK = _set("break breaks")
# Words with "break" that do not mean a drum break.
NOT_A_BREAK = _set(
    """
    glass bone bones wood plate window ice stick bottle branch twig wave day spring coffee lunch tea tape line bad heart
    """
)
AMEN = _set("amen")
# They play more than one hit, and yet may be no loop.
PHRASE = _set(
    """
    groove grooves beat beats fill fills roll rolls pattern patterns phrase phrases riff riffs top tops melody melodies
    arp bassline sequence seq drums build buildup riser progression strum strums construction song stem stems mix
    """
)
SHOT = _set("oneshot oneshots shot shots hit hits stab stabs")
# A number behind one of these counts, or names, something else.
COUNTED = _set(
    """
    jan feb mar apr may jun jul aug sep sept oct nov dec summer winter mp vol volume take tk no nr num number part pt v
    ver version disc disk cd pack bank kit set patch preset prog program track trk session page chapter ep layer vel
    velocity rr ch channel cc note midi key pitch oct octave zone sample file rec recording img image dsc mvi zoom str
    audio voice memo route room studio level area apollo unit section district formula agent top best of highway mk mark
    model id scene clip var variation round cut slice chop step index side lp
    """
)
MACHINES = _set(
    """
    tr tb sh mc cr dx juno jupiter jp jx jd jv ju mks mpc sp asr eps emax emu cs cz sk ms po kpr dr rx ry rz hr sr dmx ddd
    linn lm er emx electribe polysix mono poly prophet ob oberheim minimoog moog model rhodes wurli wurlitzer suitcase
    stage re echo tascam akai korg roland yamaha casio boss alesis simmons drumtraks tx fb qy su mv sv xv mt ax volca arp
    odyssey hammond farfisa vox tape studer portastudio s r d k m
    """
)
# A number in front of one of these is measured in it, or counts it.
UNITS = _set(
    """
    rpm khz hz k bit bits ms s sec secs second seconds min mins minute minutes db dbfs lufs cent cents ct deg inch in mm
    cm m bar bars beats step steps st semi semis oct kbps mb gb kb th nd rd loops breaks samples kicks snares sounds shots
    hits drums presets years percent proof
    """
)
# Behind a key in two words that starts with the article A, these say that a key it is.
MUSIC = (
    LOOP
    | PHRASE
    | SHOT
    | _set(
        """
    piano keys key guitar bass synth pad lead strings string brass pluck chords chord vocal vocals vox bell bells organ
    rhodes flute sax choir acoustic electric dry wet up down bpm scale harmonic natural melodic down fx texture drone sub
    trumpet
    """
    )
)
# A letter behind one of these is one of several, not a note.
LETTERED = _set(
    """
    side part take version ver mix plan vitamin pattern section type group class bank variation var channel option grade
    disc
    """
)

# Instruments, in the order in which pads are filled: a tag, and the words that stand for it.
_INSTRUMENTS = {
    "kick": "kick kicks kik bd bassdrum kickdrum",
    "snare": "snare snares sn sd snr",
    "hat": "hat hats hihat hihats hh chh ohh hhopen hhclosed pedalhihat openhat closedhat",
    "clap": "clap claps handclap handclaps",
    "rim": "rim rims rimshot rimshots rimclick sidestick",
    "tom": "tom toms",
    "crash": "crash crashes splash",
    "ride": "ride rides",
    "cymbal": "cymbal cymbals china",
    "cowbell": "cowbell cowbells",
    "shaker": "shaker shakers cabasa maraca maracas",
    "tambourine": "tambourine tambourines tamb",
    "conga": "conga congas",
    "bongo": "bongo bongos",
    "clave": "clave claves",
    "snap": "fingersnap fingersnaps",
    "perc": "perc percs percussion djembe",
    "bass": "bass basses sub",
    "keys": "piano rhodes wurlitzer organ clavinet",
    "guitar": "guitar guitars gtr",
    "strings": "strings violin cello viola",
    "brass": "brass trumpet trombone horns",
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
INSTRUMENT = {word: tag for tag, text in _INSTRUMENTS.items() for word in text.split()}
INSTRUMENTS = tuple(_INSTRUMENTS)
# Those that are struck once, unless a word says otherwise.
DRUMS = frozenset(INSTRUMENTS[: INSTRUMENTS.index("clave") + 1]) - {"shaker", "tambourine"}
# They ring longer than any other drum.
RINGING = frozenset(["crash", "ride", "cymbal", "hat"])


@lru_cache(1024)
def find_instruments(words: tuple[str, ...]) -> list[str]:
    """Return the tags of the instruments among the words, each once. Where two words make one thing, neither counts alone."""
    text = f" {' '.join(words)} "
    for pair, joined in _JOINED:
        text = text.replace(pair, joined)
    tags = (INSTRUMENT.get(word) for word in text.split())
    return list(dict.fromkeys(tag for tag in tags if tag))


# Longer ones first.
_JOINED = (
    (" drum and bass ", " "),
    (" drum n bass ", " "),
    (" bass drum ", " kick "),
    (" kick drum ", " kick "),
    (" drum bass ", " "),
    (" snare drum ", " snare "),
    (" bass guitar ", " bass "),
    (" side stick ", " rim "),
    (" hi hat ", " hat "),
    (" finger snap ", " fingersnap "),
    (" mad hat ", " "),
    (" ride cymbal ", " ride "),
    (" crash cymbal ", " crash "),
    (" free ride ", " "),
    (" joy ride ", " "),
    (" sub mix ", " "),
    (" djembe bass ", " djembe "),
)
