// Plays cards: every note is one of a few sounds, started by the audio clock. WAV files are made by the same code.
const LEAD = 0.08; // seconds between the button and the first note
const AHEAD = 0.4; // seconds of notes handed to the audio clock at a time
const AHEAD_HIDDEN = 2.5; // where nobody looks, browsers call but once a second
const TAIL = 2; // seconds that a WAV file goes on, for what still rings
const WAV_RATE = 44100;
const PITCH_STEP = 4; // between two pitches that have a sound of their own, a sound is played faster or slower
// Sounds that cut each other short.
const CHOKES = { "closed hi-hat": "hi-hat", "open hi-hat": "hi-hat" };
const buffers = new Map(); // sounds by name, made when they are first needed
let audio = null;
let turn = 0; // counts calls of play(): only the last one may go on when the audio is there
let speed = 1; // of what is written
// {card, start: the time of beat 0, beat: seconds of one, next: note to come, voices, chokes, output, timer}
let playing = null;

// Pages in other frames of a notebook stop when one begins.
const others = typeof BroadcastChannel === "function" ? new BroadcastChannel("drumjax") : null;
if (others) others.onmessage = () => stop();
document.addEventListener("visibilitychange", () => schedule()); // before it is called less often

/** The sound of a row of the kit, or of a pitch: its samples, how fast to play them, and what it chokes. */
function soundOf(row) {
  const kit = data.kit;
  const nearest = kit ? row : PITCH_STEP * Math.round(row / PITCH_STEP);
  if (!buffers.has(nearest)) {
    const samples = kit ? drumSound(kit.names[row]) : noteSound(nearest);
    const buffer = new AudioBuffer({ length: samples.length, sampleRate: SOUND_RATE });
    buffer.copyToChannel(samples, 0);
    buffers.set(nearest, buffer);
  }
  return [buffers.get(nearest), 2 ** ((row - nearest) / 12), kit ? CHOKES[kit.names[row]] : ""];
}

/** Starts a note at a time of the context's clock; `chokes` holds what rings. Returns what sounds. */
function strike(context, output, chokes, note, at, beat) {
  const [, row, velocity, length] = note;
  const [buffer, rate, group] = soundOf(row);
  const source = context.createBufferSource();
  const volume = context.createGain();
  source.buffer = buffer;
  source.playbackRate.value = rate;
  volume.gain.setValueAtTime((velocity / 127) ** 1.6, at);
  if (!data.kit) volume.gain.setTargetAtTime(0, at + length * beat, 0.06);
  if (group) {
    if (chokes[group]) chokes[group].gain.setTargetAtTime(0, at, 0.01);
    chokes[group] = volume;
  }
  source.connect(volume).connect(output);
  source.start(at);
  return source;
}

function makeOutput(context) {
  const output = context.createGain();
  output.gain.value = 0.8;
  output.connect(context.destination);
  return output;
}

async function play(card, from) {
  stop();
  const mine = ++turn;
  if (!audio) audio = new AudioContext();
  await audio.resume();
  if (mine !== turn) return;
  for (const note of card.lane().notes) soundOf(note[1]); // before the clock is asked what time it is
  if (others) others.postMessage("play");
  playing = { card, output: makeOutput(audio), voices: [], chokes: {}, timer: setInterval(schedule, 100) };
  seek(from);
  card.setPlaying(true);
  requestAnimationFrame(follow);
}

function stop() {
  turn++;
  if (!playing) return;
  clearInterval(playing.timer);
  playing.output.disconnect();
  playing.card.setPlaying(false);
  playing = null;
}

/** The beat that sounds now. */
const position = () => (audio.currentTime - playing.start) / playing.beat;

/** Goes on from a beat, with the notes of the card's lane and the tempo as they are now; what has begun rings on. */
function seek(from) {
  const now = audio.currentTime;
  const lead = playing.start === undefined ? LEAD : 0;
  for (const [source, at] of playing.voices) if (at > now) source.stop();
  playing.voices = [];
  playing.beat = 60 / (playing.card.piece.bpm * speed);
  playing.start = now + lead - from * playing.beat;
  const notes = playing.card.lane().notes;
  const next = notes.findIndex((note) => note[0] >= from - 1e-6);
  playing.next = next < 0 ? notes.length : next; // counts notes over all rounds of a loop
  schedule();
}

/** Hands the notes of the next moment to the audio clock. */
function schedule() {
  if (!playing) return;
  const { card, beat, output, chokes } = playing;
  const notes = card.lane().notes;
  const now = audio.currentTime;
  if (card.loops && position() >= card.beats) {
    playing.start += card.beats * beat;
    playing.next -= notes.length;
  }
  playing.voices = playing.voices.filter(([, at]) => at > now);
  while (notes.length && (card.loops || playing.next < notes.length)) {
    const round = Math.floor(playing.next / notes.length);
    const note = notes[playing.next % notes.length];
    const at = playing.start + (round * card.beats + note[0]) * beat;
    if (at >= now + (document.hidden ? AHEAD_HIDDEN : AHEAD)) break;
    if (at > now - 0.05) playing.voices.push([strike(audio, output, chokes, note, Math.max(at, now), beat), at]);
    playing.next++;
  }
  if (!card.loops && position() * beat > card.beats * beat + 1) stop();
}

/** Moves the cursor, for as long as something plays. */
function follow() {
  if (!playing) return;
  schedule();
  if (!playing) return;
  playing.card.showBeat(Math.min(Math.max(position(), 0), playing.card.beats));
  requestAnimationFrame(follow);
}

/** Plays faster or slower than written, without losing the place. */
function setSpeed(value) {
  const beat = playing && position();
  speed = value;
  if (playing) seek(beat);
}

/** The bytes of a WAV file of what a card plays, at the tempo that is set: mono, 16 bits. */
async function renderWav(card) {
  const beat = 60 / (card.piece.bpm * speed);
  const context = new OfflineAudioContext(1, Math.ceil((card.beats * beat + TAIL) * WAV_RATE), WAV_RATE);
  const [output, chokes] = [makeOutput(context), {}];
  for (const note of card.lane().notes) strike(context, output, chokes, note, Math.max(note[0], 0) * beat, beat);
  return encodeWav((await context.startRendering()).getChannelData(0));
}

function encodeWav(samples) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const write = (at, text) => [...text].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
  write(0, "RIFF");
  view.setUint32(4, 36 + 2 * samples.length, true);
  write(8, "WAVEfmt ");
  view.setUint32(16, 16, true); // bytes of the format
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // channels
  view.setUint32(24, WAV_RATE, true);
  view.setUint32(28, 2 * WAV_RATE, true); // bytes a second
  view.setUint16(32, 2, true); // bytes a sample
  view.setUint16(34, 16, true); // bits
  write(36, "data");
  view.setUint32(40, 2 * samples.length, true);
  const gain = 32767 / Math.max(1, peak(samples)); // what is too loud is made softer, not cut
  samples.forEach((x, i) => view.setInt16(44 + 2 * i, Math.round(gain * x), true));
  return view.buffer;
}
