"""The words of sample packs. Each set says what its words mean in a name; a word that is not here means nothing."""


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


LOOP = _set("loop loops looped drumloop drumloops toploop toploops breakbeat breakbeats breakloop boucle boucles bucle bucles")
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
# Parts of a whole piece last whole beats, and are no loops.
PIECES = _set("stem stems song songs master masters bounce bounces")
# Folders of rhythms: what lasts longer than a hit and is called by a drum is a rhythm of that drum.
BEATS = _set("beat beats groove grooves rhythm rhythms pattern patterns fill fills")
# Files that are meant to have no sound.
SILENT = _set("empty silence silent blank")
# A drum behind one of these is the one that is not heard.
WITHOUT = _set("no without minus less")
# What makes a noise and no music, however regular it is.
EFFECTS = _set(
    """
    fx sfx effect effects engine engines motor motors noise noises wind rain thunder storm ocean ambience ambiences atmosphere
    atmospheres foley whoosh whooshes sweep sweeps riser risers downlifter downlifters uplifter uplifters impact impacts
    explosion explosions siren sirens alarm alarms laser lasers zap zaps crackle hiss hum traffic footsteps heartbeat
    """
)
SHOT = _set("oneshot oneshots shot shots hit hits stab stabs")
# Single periods of a synthesizer's waves, which are neither loops nor hits.
CYCLES = _set("wave waves waveform waveforms wavetable wavetables shape shapes cycle cycles akwf lfo")
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
    odyssey hammond farfisa vox tape studer portastudio s r d k m xr dd rm sd linndrum drumulator machinedrum univox vermona
    visco sequential circuits emulator maestro kawai fricke mfb nord elektron jomox serge
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
