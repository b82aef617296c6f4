// The sounds that pages play: a small synthesis of ours, so that no sound library and nobody's recordings are needed.
//
// Drums are sines that fall in pitch, filtered noise, and for metal the six detuned squares of early drum machines;
// other instruments are a struck string of a few partials. Good enough to judge a groove by; a real kit sounds better,
// and the MIDI files are there to be played by one.
const SOUND_RATE = 32000; // Hz
const METAL_HZ = [205.3, 304.4, 369.6, 522.7, 540.0, 800.0]; // of hi-hats and cymbals: no two in a simple ratio
const SILENCE = 10 ** (-54 / 20); // sounds end where they are this much softer than their peak
// How each drum of a kit is made, and how loud it is beside the others.
const DRUMS = {
  kick: [makeKick, 1.0],
  snare: [makeSnare, 0.75],
  "closed hi-hat": [() => makeHat(0.03), 0.35],
  "open hi-hat": [() => makeHat(0.22), 0.3],
  "low tom": [() => makeTom(82), 0.75],
  "mid tom": [() => makeTom(115), 0.7],
  "high tom": [() => makeTom(160), 0.65],
  crash: [makeCrash, 0.4],
  ride: [makeRide, 0.3],
};

/** Samples in -1..1 of a full stroke on a drum, by name; other names sound like a snare. */
function drumSound(name) {
  const [make, loudness] = DRUMS[name] ?? DRUMS.snare;
  return finish(make(), loudness);
}

/** Samples in -1..1 of a string of MIDI pitch 0..127 that is struck and left to sound. */
function noteSound(pitch) {
  const hz = 440 * 2 ** ((pitch - 69) / 12);
  const seconds = Math.min(Math.max(5 * (220 / hz) ** 0.6, 0.5), 6);
  const tone = silence(seconds);
  for (let k = 1; k <= 12; k++) {
    const partial = k * hz * Math.sqrt(1 + 4e-4 * k * k); // a stiff string's partials are a little sharp
    if (partial < 0.45 * SOUND_RATE) addRinging(tone, partial, seconds / (3 * (1.2 + 0.7 * k)), 1 / k ** 1.3);
  }
  const rise = 0.002 * SOUND_RATE;
  for (let i = 0; i < rise; i++) tone[i] *= i / rise;
  return finish(tone, 1);
}

function makeKick() {
  const body = shape(falling(0.5, 48, 130, 0.035), (t) => Math.exp(-t / 0.12));
  return add(body, shape(noise(0.5, 1500, 6000), (t) => 0.25 * Math.exp(-t / 0.004)));
}

function makeSnare() {
  const shell = add(falling(0.4, 185, 60, 0.02), shape(falling(0.4, 330, 80, 0.02), () => 0.6));
  const wires = shape(noise(0.4, 1800, 9500), (t) => 0.8 * (Math.exp(-t / 0.09) + 0.4 * Math.exp(-t / 0.015)));
  return add(shape(shell, (t) => 0.55 * Math.exp(-t / 0.06)), wires);
}

function makeTom(hz) {
  const skin = shape(falling(0.7, hz, 0.55 * hz, 0.05), (t) => Math.exp(-t / 0.2));
  return add(skin, shape(noise(0.7, 800, 4000), (t) => 0.15 * Math.exp(-t / 0.01)));
}

function makeHat(seconds) {
  const length = Math.max(5 * seconds, 0.12);
  const sound = add(metal(length, 1.5), shape(noise(length, 6000, 15000), () => 0.8));
  return shape(highPass(sound, 6500), (t) => Math.exp(-t / seconds));
}

function makeCrash() {
  const sound = add(shape(metal(2.2, 1.1), () => 0.5), shape(noise(2.2, 2500, 14000), () => 1.2));
  return shape(highPass(sound, 2500), (t) => Math.exp(-t / 0.55) + 0.7 * Math.exp(-t / 0.06));
}

function makeRide() {
  const wash = add(metal(1.4, 1.7), shape(noise(1.4, 5000, 14000), () => 0.3));
  const ping = silence(1.4);
  addRinging(ping, 3140, 0.09, 0.35);
  addRinging(ping, 4755, 0.09, 0.21);
  return add(shape(highPass(wash, 5000), (t) => 0.5 * Math.exp(-t / 0.4)), ping);
}

const silence = (seconds) => new Float32Array(Math.round(seconds * SOUND_RATE));
const add = (one, other) => one.map((x, i) => x + other[i]);
const shape = (sound, level) => sound.map((x, i) => x * level(i / SOUND_RATE));

/** A sine that begins `above` Hz above its pitch and falls to it. */
function falling(seconds, hz, above, fall) {
  return silence(seconds).map((_, i) => {
    const t = i / SOUND_RATE;
    return Math.sin(2 * Math.PI * (hz * t + above * fall * (1 - Math.exp(-t / fall))));
  });
}

/** Adds a sine that fades to 1/e in `fade` seconds: a resonator, which takes no sine per sample. */
function addRinging(sound, hz, fade, gain) {
  const w = (2 * Math.PI * hz) / SOUND_RATE;
  const r = Math.exp(-1 / (fade * SOUND_RATE));
  const [a, b] = [2 * r * Math.cos(w), -r * r];
  let [now, before] = [0, -Math.sin(w) / r];
  for (let i = 0; i < sound.length; i++) {
    sound[i] += gain * now;
    [now, before] = [a * now + b * before, now];
  }
}

/** Noise in a band, the same at every call. */
function noise(seconds, low, high) {
  let state = 1;
  const random = () => { // mulberry32, by Tommy Ettinger
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t ^= t + Math.imul(t ^ (t >>> 7), 61 | t);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const white = silence(seconds).map(() => random() + random() + random() - 1.5);
  filter(white, true, low, Math.SQRT1_2);
  filter(white, false, high, Math.SQRT1_2);
  const most = peak(white);
  return white.map((x) => x / most);
}

function metal(seconds, pitch) {
  return silence(seconds).map((_, i) => {
    const t = (2 * Math.PI * pitch * i) / SOUND_RATE;
    return METAL_HZ.reduce((sum, hz) => sum + Math.sign(Math.sin(hz * t)), 0) / METAL_HZ.length;
  });
}

/** A Butterworth filter of fourth order, in place. */
function highPass(sound, hz) {
  filter(sound, true, hz, 0.5412);
  filter(sound, true, hz, 1.3066);
  return sound;
}

/** A second-order filter in place, from R. Bristow-Johnson's Audio EQ Cookbook. */
function filter(sound, isHigh, hz, q) {
  const w = (2 * Math.PI * hz) / SOUND_RATE;
  const alpha = Math.sin(w) / (2 * q);
  const edge = isHigh ? 1 + Math.cos(w) : 1 - Math.cos(w);
  const b0 = edge / 2 / (1 + alpha);
  const b1 = (isHigh ? -edge : edge) / (1 + alpha);
  const a1 = (-2 * Math.cos(w)) / (1 + alpha);
  const a2 = (1 - alpha) / (1 + alpha);
  let [x1, x2, y1, y2] = [0, 0, 0, 0];
  for (let i = 0; i < sound.length; i++) {
    const y = b0 * (sound[i] + x2) + b1 * x1 - a1 * y1 - a2 * y2;
    [x2, x1, y2, y1] = [x1, sound[i], y1, y];
    sound[i] = y;
  }
}

function peak(sound) {
  return sound.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
}

/** Cut where it can no longer be heard, faded to nothing, the peak at 0.9 of its loudness. */
function finish(sound, loudness) {
  const most = peak(sound);
  let end = sound.length;
  while (end > 1 && Math.abs(sound[end - 1]) <= SILENCE * most) end--;
  const fade = 0.01 * SOUND_RATE;
  return sound.slice(0, end).map((x, i) => (0.9 * loudness * x * Math.min(1, (end - 1 - i) / fade)) / most);
}
