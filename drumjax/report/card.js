// A piece on the page: its buttons, its lanes, and the cursor that all of them share.

/** Shows a piece, see Piece.as_data in piece.py. Its last lane is what was played, one before it what was given. */
class Card {
  constructor(piece) {
    this.piece = piece;
    this.lanes = [...(piece.given === null ? [] : [data.given[piece.given]]), piece.lane];
    this.chosen = this.lanes.length - 1; // the lane that sounds
    this.bars = Math.max(...this.lanes.map((lane) => lane.bars));
    this.loops = false;
    this.element = this.make();
  }

  /** The lane that sounds. */
  lane() {
    return this.lanes[this.chosen];
  }

  get beats() {
    return this.bars * this.piece.bar;
  }

  make() {
    const { piece } = this;
    this.button = make("button", { type: "button", class: "play" }, "▶ Play");
    this.button.onclick = () => (playing && playing.card === this ? stop() : play(this, 0));
    this.tempo = make("span", { class: "tempo" });
    const loop = make("button", { type: "button", class: "loop", "aria-pressed": "false" }, "Loop");
    loop.onclick = () => {
      this.loops = !this.loops;
      loop.setAttribute("aria-pressed", String(this.loops));
    };
    const midi = make("a", { class: "button", download: `${piece.file}.mid`, href: piece.midi }, "MIDI");
    const wav = make("button", { type: "button", class: "wav" }, "WAV");
    wav.onclick = () => this.saveWav(wav);
    const facts = make("p", { class: "facts" }, piece.facts);
    const words = make("div", { class: "words" }, make("h3", {}, piece.name), facts);
    const bar = make("div", { class: "bar" }, this.button, ...this.makeSwitch(), words);
    bar.append(make("div", { class: "tools" }, this.tempo, loop, midi, wav));
    this.view = make("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": `${piece.name}, notes` });
    const element = make("article", { class: "piece", id: `piece-${piece.number}` }, bar, this.view);
    if (piece.text) {
      const kind = data.kit ? "Tab" : "Text";
      element.append(make("details", {}, make("summary", {}, kind), make("pre", { tabindex: "0" }, piece.text)));
    }
    this.showTempo();
    return element;
  }

  /** Buttons that choose between what was given and what was played, where there are both. */
  makeSwitch() {
    if (this.lanes.length < 2) return [];
    this.choices = this.lanes.map((lane, i) => {
      const button = make("button", { type: "button", "aria-pressed": "false" }, `${"AB"[i]} ${lane.label}`);
      button.onclick = () => this.choose(i);
      return button;
    });
    return [make("div", { class: "switch", role: "group", "aria-label": "What sounds" }, ...this.choices)];
  }

  /** Lets another lane sound, without losing the place. */
  choose(i) {
    this.chosen = i;
    this.showChoice();
    if (playing && playing.card === this) {
      for (const note of this.lane().notes) soundOf(note[1]);
      seek(position());
    }
  }

  showChoice() {
    this.choices?.forEach((button, i) => button.setAttribute("aria-pressed", String(i === this.chosen)));
    this.view.querySelectorAll(".lane").forEach((lane, i) => lane.classList.toggle("quiet", i !== this.chosen));
  }

  /** Draws the lanes as wide as there is room. */
  draw() {
    const room = this.view.clientWidth;
    if (!room || room === this.room) return;
    this.room = room;
    const layout = chooseRows(this.lanes, room > 640);
    const fit = (room - layout.width - 2 * MARGIN) / this.beats;
    this.scale = Math.min(Math.max(fit, LEAST_BEAT), MOST_BEAT);
    this.labels = layout.width;
    const width = Math.ceil(this.beats * this.scale) + 2 * MARGIN;
    const corner = make("span", { class: "labels", style: `width:${layout.width}px` });
    const ruler = make("div", { class: "row ruler" }, corner, drawRuler(this.piece, this.bars, width, this.scale));
    const lanes = this.lanes.map((lane, i) => {
      const name = this.lanes.length > 1 ? [make("p", { class: "name" }, `${"AB"[i]} ${lane.label}`)] : [];
      const drawn = make("div", { class: "lane" }, ...name, drawLane(this.piece, lane, this.bars, layout, this.scale));
      drawn.onclick = (event) => this.playFrom(i, event);
      return drawn;
    });
    this.cursor = make("div", { class: "cursor" });
    this.view.replaceChildren(make("div", { class: "lanes" }, ruler, ...lanes, this.cursor));
    this.showChoice();
  }

  playFrom(i, event) {
    const left = this.view.querySelector(".notes").getBoundingClientRect().left;
    const beat = (event.clientX - left - MARGIN) / this.scale;
    if (event.clientX < this.view.getBoundingClientRect().left + this.labels) return;
    this.choose(i);
    play(this, Math.min(Math.max(beat, 0), this.beats - 0.01));
  }

  setPlaying(plays) {
    this.element.classList.toggle("playing", plays);
    this.button.textContent = plays ? "■ Stop" : "▶ Play";
  }

  /** Puts the cursor on a beat, and where it can be seen. */
  showBeat(beat) {
    const x = MARGIN + beat * this.scale;
    this.cursor.style.transform = `translateX(${this.labels + x}px)`;
    const [left, room] = [this.view.scrollLeft, this.view.clientWidth - this.labels];
    if (x < left || x > left + room * 0.9) this.view.scrollLeft = x - room * 0.1;
  }

  showTempo() {
    const bpm = this.piece.bpm * speed;
    this.tempo.textContent = `${Number(bpm.toFixed(bpm < 100 ? 1 : 0))} bpm`;
    this.tempo.classList.toggle("changed", speed !== 1);
  }

  async saveWav(button) {
    button.disabled = true;
    try {
      const url = URL.createObjectURL(new Blob([await renderWav(this)], { type: "audio/wav" }));
      const given = this.chosen < this.lanes.length - 1 ? "_given" : "";
      make("a", { href: url, download: `${this.piece.file}${given}.wav` }).click();
      setTimeout(() => URL.revokeObjectURL(url), 60000);
    } catch (error) {
      button.textContent = "too long"; // for the memory that a page has
      button.title = String(error);
    }
    button.disabled = false;
  }
}
