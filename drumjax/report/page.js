"use strict";
// Plays the pieces of this page: every note is one of a few sounds, started by the audio clock.
const sounds = JSON.parse(document.getElementById("sounds").textContent);
const pieces = JSON.parse(document.getElementById("pieces").textContent);
const LEAD = 0.08; // seconds between the button and the first note
const AHEAD = 0.5; // seconds of notes handed to the audio clock at a time
let audio = null;
let buffers = null; // a promise of {name: AudioBuffer}
let turn = 0; // counts calls of play(): only the last one may go on when sounds are there
let playing = null; // {card, piece, output, start, next, chokes}

async function prepare() {
  if (!audio) audio = new (window.AudioContext || window.webkitAudioContext)();
  await audio.resume();
  buffers ??= decode();
  return buffers;
}

async function decode() {
  const decoded = {};
  for (const [name, wav] of Object.entries(sounds)) {
    const bytes = Uint8Array.from(atob(wav), (c) => c.charCodeAt(0));
    decoded[name] = await audio.decodeAudioData(bytes.buffer);
  }
  return decoded;
}

function hit(note, round) {
  // [seconds, sound, gain, playback rate, seconds until it is damped (0: it rings), choke group]
  const [time, name, gain, rate, length, group] = note;
  const at = playing.start + round * playing.piece.seconds + time;
  if (at < audio.currentTime - 0.05) return; // the page was hidden meanwhile
  const source = audio.createBufferSource();
  const volume = audio.createGain();
  source.buffer = playing.sounds[name];
  source.playbackRate.value = rate;
  volume.gain.setValueAtTime(gain, at);
  if (length) volume.gain.setTargetAtTime(0, at + length, 0.06);
  if (group) {
    const ringing = playing.chokes[group];
    if (ringing) ringing.gain.setTargetAtTime(0, at, 0.01);
    playing.chokes[group] = volume;
  }
  source.connect(volume).connect(playing.output);
  source.start(at);
}

function stop() {
  if (!playing) return;
  playing.output.disconnect();
  playing.card.classList.remove("playing");
  playing.card.querySelector(".play").textContent = "▶ Play";
  playing = null;
}

async function play(card, from) {
  stop();
  const mine = ++turn;
  const ready = await prepare();
  if (mine !== turn) return;
  const piece = pieces[Number(card.dataset.piece)];
  const output = audio.createGain();
  output.gain.value = 0.8;
  output.connect(audio.destination);
  const next = piece.notes.findIndex((note) => note[0] >= from - 1e-6);
  const start = audio.currentTime + LEAD - from;
  // `next` counts notes over all rounds of a loop.
  playing = { card, piece, output, start, next: next < 0 ? piece.notes.length : next, chokes: {}, sounds: ready };
  card.classList.add("playing");
  card.querySelector(".play").textContent = "■ Stop";
  requestAnimationFrame(tick);
}

function tick() {
  if (!playing) return;
  const { piece, card } = playing;
  let now = audio.currentTime - playing.start;
  const loop = card.querySelector(".loop").getAttribute("aria-pressed") === "true";
  const count = piece.notes.length;
  while (count && (loop || playing.next < count)) {
    const round = Math.floor(playing.next / count);
    const note = piece.notes[playing.next % count];
    if (round * piece.seconds + note[0] >= now + AHEAD) break;
    hit(note, round);
    playing.next++;
  }
  if (loop && now >= piece.seconds) {
    playing.start += piece.seconds;
    playing.next -= count;
    now -= piece.seconds;
  }
  if (!loop && now > piece.seconds + 1) return stop();
  place(card, piece, Math.min(Math.max(now, 0), piece.seconds) / piece.seconds);
  requestAnimationFrame(tick);
}

function place(card, piece, share) {
  const roll = card.querySelector(".roll");
  const image = roll.querySelector("img");
  const x = image.offsetWidth * (piece.left + (piece.right - piece.left) * share);
  card.querySelector(".cursor").style.transform = `translateX(${x}px)`;
  const view = card.querySelector(".scroll");
  if (x < view.scrollLeft || x > view.scrollLeft + view.clientWidth * 0.85) {
    view.scrollLeft = x - view.clientWidth * 0.15;
  }
}

for (const card of document.querySelectorAll(".piece")) {
  const piece = pieces[Number(card.dataset.piece)];
  card.querySelector(".play").addEventListener("click", () => {
    if (playing && playing.card === card) stop();
    else play(card, 0);
  });
  const loop = card.querySelector(".loop");
  loop.addEventListener("click", () => {
    loop.setAttribute("aria-pressed", String(loop.getAttribute("aria-pressed") !== "true"));
  });
  card.querySelector(".roll").addEventListener("click", (event) => {
    const box = card.querySelector(".roll img").getBoundingClientRect();
    const share = ((event.clientX - box.left) / box.width - piece.left) / (piece.right - piece.left);
    play(card, Math.min(Math.max(share, 0), 0.999) * piece.seconds);
  });
}
