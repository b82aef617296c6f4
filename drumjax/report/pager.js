// Lists of pieces: a page of them at a time, found by their numbers or by words.
const PER_PAGE = 24;
const KEPT = 40; // chunks in memory
const HASH = /^#piece-(\d+)$/;
const chunks = new Map(); // promises of pieces, by the name of their file
const waiting = new Map(); // what resolves those that are on their way
const shown = new Set(); // cards on the page

/** What the files of chunks call. */
function drumjaxChunk(name, pieces) {
  waiting.get(name)?.(pieces);
}

/** The pieces of a chunk, which a script element loads: pages that are files may not fetch. */
function loadChunk(name) {
  if (!chunks.has(name)) {
    const load = new Promise((resolve, reject) => {
      waiting.set(name, resolve);
      const script = make("script", { src: name });
      script.onerror = () => reject(new Error(`${name} is not there; it belongs beside this page`));
      script.onload = () => script.remove();
      document.head.append(script);
    });
    load.catch(() => chunks.delete(name)).finally(() => waiting.delete(name));
    chunks.set(name, load);
    if (chunks.size > KEPT) chunks.delete(chunks.keys().next().value);
  }
  return chunks.get(name);
}

/** A test of (number, words) for what is looked for: "12", "100-120", or words that all have to be there. */
function makeTest(query) {
  const text = query.trim().toLowerCase();
  const range = text.match(/^#?(\d+)(?:\s*-\s*(\d+))?$/);
  if (range) {
    const [low, high] = [Number(range[1]), Number(range[2] ?? range[1])];
    return (number) => low <= number && number <= high;
  }
  const words = text.split(/\s+/);
  return (_, facts) => words.every((word) => facts.includes(word));
}

/** The pieces of a part of the page: in the page itself, or an index of those in chunks. */
class List {
  constructor(element, source) {
    this.element = element;
    this.source = source;
    const { index, pieces } = source;
    this.facts = index ? index.facts.map((text) => text.toLowerCase()) : [];
    this.entries = index
      ? index.numbers.map((number, place) => [number, this.facts[index.which[place]], place])
      : pieces.map((piece, place) => [piece.number, `${piece.name} ${piece.facts}`.toLowerCase(), place]);
    this.found = this.entries;
    this.page = 0;
    this.turn = 0;
    this.cards = make("div", {});
    if (this.entries.length > PER_PAGE) element.append(this.makeSearch(), this.cards, this.makeSteps());
    else element.append(this.cards);
    if (!this.goTo(location.hash)) this.show();
  }

  makeSearch() {
    const hint = "number, range or words: 12, 100-120, funk";
    const field = make("input", { type: "search", placeholder: hint, "aria-label": `Search by ${hint}` });
    field.oninput = () => {
      const test = makeTest(field.value);
      this.found = field.value.trim() ? this.entries.filter(([number, facts]) => test(number, facts)) : this.entries;
      this.page = 0;
      this.show();
    };
    return make("nav", { class: "pager", "aria-label": "Search and pages" }, field, this.makeSteps());
  }

  makeSteps() {
    const step = (text, by) => {
      const button = make("button", { type: "button", "data-by": by }, text);
      button.onclick = () => {
        this.page += by;
        this.show();
        this.element.scrollIntoView({ block: "start" });
        history.replaceState(null, "", this.found.length ? `#piece-${this.found[this.page * PER_PAGE][0]}` : "#");
      };
      return button;
    };
    const where = make("span", { class: "where", role: "status" });
    return make("div", { class: "steps" }, step("‹ Previous", -1), where, step("Next ›", 1));
  }

  /** Shows the page that has the piece of a hash such as #piece-17; false if there is none. */
  goTo(hash) {
    const number = Number((hash.match(HASH) ?? [])[1] ?? NaN);
    const place = this.found.findIndex((entry) => entry[0] === number);
    if (place < 0) return false;
    this.page = Math.floor(place / PER_PAGE);
    this.show().then(() => document.getElementById(`piece-${number}`)?.scrollIntoView());
    return true;
  }

  async find(place) {
    const { index, pieces } = this.source;
    if (!index) return pieces[place];
    const first = place - (place % index.chunk);
    return (await loadChunk(`${index.folder}/${String(first).padStart(6, "0")}.js`))[place % index.chunk];
  }

  async show() {
    const mine = ++this.turn;
    const first = this.page * PER_PAGE;
    const here = this.found.slice(first, first + PER_PAGE);
    let cards;
    try {
      cards = (await Promise.all(here.map((entry) => this.find(entry[2])))).map((piece) => new Card(piece));
    } catch (error) {
      if (mine === this.turn) this.cards.replaceChildren(make("p", { class: "plain bad" }, error.message));
      return;
    }
    if (mine !== this.turn) return; // another page was asked for meanwhile
    if (playing && this.mine?.includes(playing.card)) stop();
    for (const card of this.mine ?? []) shown.delete(card);
    this.mine = cards;
    for (const card of cards) shown.add(card);
    this.cards.replaceChildren(...cards.map((card) => card.element));
    for (const card of cards) card.draw();
    this.showWhere(first, here.length);
  }

  showWhere(first, count) {
    const total = this.found.length;
    const words = total ? `${first + 1}–${first + count} of ${total}` : "nothing found";
    for (const where of this.element.querySelectorAll(".where")) where.textContent = words;
    for (const button of this.element.querySelectorAll("[data-by]")) {
      button.disabled = button.dataset.by < 0 ? first === 0 : first + count >= total;
    }
  }
}
