"""Every setting there is, with the value used where a config says nothing else.

The other files in this folder start from here and hold only their differences. On the command line any field can be
set with `--config.<group>.<field>=<value>` after `--config`; of numbers by name one at a time, as in
`--config.train.field_weights.velocity=0.2`, or all of them, `--config.train.history_dropout="{'offset': 0.25}"`.
"""

import ml_collections
from ml_collections import config_dict

from drumjax.config.augmentation import AUGMENTATIONS
from drumjax.config.conditions import CONDITIONS
from drumjax.config.sampling import SampleSettings


def get_config() -> ml_collections.ConfigDict:
    config = ml_collections.ConfigDict()

    # ---- Data: which songs to train on (their training split).
    config.data = data = ml_collections.ConfigDict()
    data.dataset = "groove"  # groove: the Groove MIDI Dataset; folder: any MIDI files; starter: bundled, synthetic
    data.dir = ""  # where it is; "" lets groove look in $DRUMJAX_DATA/groove, the user cache, then download
    data.fallback = True  # groove: train on the starter grooves if it cannot be downloaded; False fails instead
    data.styles = ()  # primary styles such as ("rock", "funk"); () takes all
    data.fill = "all"  # beat, fill or all
    data.time_signatures = ()  # such as ("4/4", "6/8"); () takes all
    data.drummers = ()  # such as ("drummer1",); () takes all
    data.instrument = "drums"  # drums: channel 10; all: every note, whatever it is; pitched: all but channel 10;
    # program=0-7: pitched notes of these General MIDI programs; track=piano: of tracks with such a name
    data.sustain = False  # notes sound on while the sustain pedal is down
    data.validation_fraction = 0.1  # folder: share of the files held out
    data.seed = 0  # starter: which variations

    # ---- Validation: which songs of the validation split the model is judged by.
    config.validation = validation = ml_collections.ConfigDict()
    validation.styles = ()
    validation.fill = "all"
    validation.time_signatures = ("4/4",)
    validation.drummers = ()

    # ---- Codec: how notes become tokens.
    config.codec = codec = ml_collections.ConfigDict()
    codec.name = "grid"  # grid: a step per 16th, for drums; events: a step per note, for any instrument
    codec.kit = "roland_td11"  # which pitches are which drum: roland_td11, general_midi, one_drum; "": no drums
    codec.steps_per_beat = 4  # grid: 4: 16ths; 12: also triplets; 24: nearly everything. events: ticks, such as 24
    codec.expressive = True  # learn velocity (and grid: timing) of each hit, not only which drums
    codec.velocity_bins = 32
    codec.offset_bins = 32  # grid: of one step
    codec.timed = True  # events: False tells only which notes begin together, not how long anything is
    codec.tick_ms = 0.0  # events: above 0, a tick is so many milliseconds, for music that was not played to a beat
    codec.max_shift_beats = 4.0  # events: to the next note; longer rests take several steps
    codec.max_duration_beats = 0.0  # events: longest note; 0 leaves durations out
    codec.lookback_bars = 4  # how many earlier bars the model sees at the same place
    codec.lookback_beats = (2.0, 1.0, 0.5)  # and how many beats ago it looks, rounded to steps (at least one)

    # ---- Model: sizes, and parts that can be left out.
    config.model = model = ml_collections.ConfigDict()
    model.hidden_size = 256
    model.num_layers = 2
    model.embed_size = 128
    model.norm = "none"  # after each layer: none, layer, batch
    model.residual = False  # add a layer's input to its output, from the second layer on
    model.skip = True  # show the heads the input of the stack too
    model.position = True  # place in the bar, bar in the phrase
    model.lookback = True  # what was played at the places of codec.lookback_bars and lookback_beats
    model.copy = True  # let the head raise the lookback's chords directly
    model.pointer = True  # hear and copy what followed similar moments of the song
    model.pointer_beats = 256  # grid: how far back
    model.pointer_notes = 1024  # events: how far back
    model.pointer_heads = 2
    model.joint_units = 16  # through which the drums of a step hear how hard and how late the others are; 0: none does
    model.coming_beats = 8  # grid: how far velocity and timing hear the hits to come, where these are given
    model.features = True  # chords that share drums share weights
    model.conditions = tuple(CONDITIONS)  # what it knows of the music: the table in drumjax/config/conditions.py
    model.cell = "lstm"  # the recurrence of a layer

    # ---- Augmentation: how far training examples are changed, inside the compiled step; 0 leaves them alone.
    config.augment = augment = ml_collections.ConfigDict()
    augment.schedule = "constant"  # constant; rise: from nothing over the first quarter; fade: to nothing over the last
    # Each change, what it does and how far it may go: drumjax/config/augmentation.py.
    augment.update(dict.fromkeys(AUGMENTATIONS, 0.0))

    # ---- Training.
    config.train = train = ml_collections.ConfigDict()
    train.seed = 0
    train.init_from = ""  # workdir of another run to start from; its styles are matched by name
    train.num_epochs = 0.0  # above 0: in place of num_steps; one is as many windows as hold all training songs
    train.num_steps = 1200
    train.batch_size = 32  # windows
    train.window_beats = 64  # 16 bars of 4/4
    train.memory_beats = 192  # grid: before the window, remembered by lookback and pointer but not scored
    train.memory_notes = 1024  # events: the same in notes, in as many beats at most
    train.memory_dropout = 0.3  # odds that this is hidden, so that enough examples are of beginnings
    train.window_notes = 0  # a window ends where it has more notes; 0: it never does
    train.optimizer = "adamw"  # adamw, adam, rmsprop
    train.schedule = "cosine"  # cosine (down to 1%) or constant, after the warm-up
    train.learning_rate = 2e-3  # peak
    train.warmup_steps = 100
    train.weight_decay = 1e-2  # adamw: decoupled, on matrices
    train.clip_norm = 1.0  # global gradient norm; 0 does not clip
    train.dropout = 0.3
    train.context_dropout = 0.1  # odds that style, tempo, metre or fill is hidden from an example
    train.measured_dropout = 0.5  # odds that what is measured, and who plays, is hidden; it is not given in scoring
    train.coming_dropout = 0.5  # odds that velocity and timing do not hear the hits to come
    train.history_dropout = {}  # by field, such as {"offset": 0.25}: odds that its earlier values are hidden
    train.average_decay = 0.99  # of the weight average that is evaluated and sampled; 0 keeps none
    train.field_weights = {"hits": 1.0, "velocity": 0.1, "offset": 0.1}  # in the loss, by field of the codec
    train.matmul_precision = "auto"  # bfloat16 where a TPU or GPU multiplies it, float32 on a CPU; default: JAX's own;
    # bfloat16, tensorfloat32, float32: where the device knows them
    train.steps_per_call = 5  # train steps per compiled call; a signal is answered between calls
    train.log_every_steps = 20
    train.eval_every_steps = 100  # validate, sample a groove, save a checkpoint
    train.eval_every_epochs = 0.0  # above 0: in place of eval_every_steps
    train.patience_evals = 0  # stop after this many evaluations without a better one; 0 never stops early

    # ---- Sampling: what is played unless run_sample.py is told otherwise.
    # Each control, what it asks for and what it can be: drumjax/config/controls.py, or run_sample.py --help.
    config.sample = sample = ml_collections.ConfigDict(SampleSettings().values())
    for name in ("lean", "swing", "fill_intensity"):  # none: as it is played
        sample[name] = config_dict.placeholder(float)
    sample.temperature = {"hits": 1.0, "velocity": 1.0, "offset": 1.0}  # by field of the codec; 1 where none is given
    sample.humanize = {"guidance": 1.0, "spread": 1.0}  # controls that are others where --humanize plays given notes
    return config


def leave_out_parts(config: ml_collections.ConfigDict) -> None:
    """Leaves of the model only what older projects have: embeddings of the previous step, the recurrence, the heads."""
    for part in ("skip", "position", "lookback", "copy", "features", "pointer"):
        config.model[part] = False
    config.model.joint_units = config.model.coming_beats = 0
    config.train.memory_beats = config.train.memory_notes = 0
    config.model.conditions = ()
