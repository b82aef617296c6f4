// Draws lanes of notes: time to the right, a row per drum or pitch, loud notes large and dark.
const SVG = "http://www.w3.org/2000/svg";
const LEVELS = 8; // of velocity that are told apart by size and colour, see .v0 to .v7 in page.css
const MARGIN = 10; // pixels before the first beat and after the last
const RULER = 18; // pixels of the row of bar numbers
const [LEAST_BEAT, MOST_BEAT] = [26, 96]; // pixels; a piece that fits is stretched to the width there is
const FINE_BEATS = 1000; // longer pieces have no lines for 16ths

/** An element with attributes and children; what is no element becomes text. */
function make(name, attributes = {}, ...children) {
  const isDrawing = ["svg", "path", "text", "rect", "title", "g"].includes(name);
  const element = isDrawing ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value !== null) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

const levelOf = (velocity) => Math.min(LEVELS - 1, Math.floor((velocity * LEVELS) / 128));

/** Which rows are drawn, from the top down, how high they are, and what they are called. */
function chooseRows(lanes, isWide) {
  const used = new Set(lanes.flatMap((lane) => lane.notes.map((note) => note[1])));
  if (data.kit) {
    for (const row of [0, 1, 2]) if (row < data.kit.names.length) used.add(row); // kick, snare and hi-hat always
    const rows = [...used].sort((a, b) => b - a);
    const names = isWide ? data.kit.names : data.kit.symbols;
    return { rows, height: 20, label: (row) => names[row], width: isWide ? 92 : 32 };
  }
  const [low, high] = used.size ? [Math.min(...used), Math.max(...used)] : [60, 72];
  const rows = Array.from({ length: Math.max(high - low, 12) + 1 }, (_, i) => Math.max(high, low + 12) - i);
  const label = (pitch) => (pitch % 12 ? "" : `C${pitch / 12 - 1}`);
  return { rows, height: rows.length > 40 ? 6 : 8, label, width: 32 };
}

/** The shape of a note whose place is (x, y): drums are circles, others bars as long as they sound. */
function shapeOf(x, y, level, note, height, scale) {
  if (data.kit) {
    const r = 1.8 + (4.9 * (level + 1)) / LEVELS;
    return `M${(x - r).toFixed(1)} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`;
  }
  const thick = height * (0.4 + (0.6 * (level + 1)) / LEVELS);
  const long = Math.max(note[3] * scale - 1, 2);
  return `M${x.toFixed(1)} ${(y - thick / 2).toFixed(1)}h${long.toFixed(1)}v${thick.toFixed(1)}h${-long.toFixed(1)}z`;
}

/** The notes of a lane as a path for each level of velocity, new ones apart: few elements, however many notes. */
function drawNotes(lane, layout, scale) {
  const paths = new Map();
  const place = new Map(layout.rows.map((row, i) => [row, (i + 0.5) * layout.height]));
  for (const note of lane.notes) {
    const level = levelOf(note[2]);
    const kind = `v${level}${note[4] ? " new" : ""}`;
    const shape = shapeOf(MARGIN + note[0] * scale, place.get(note[1]), level, note, layout.height, scale);
    if (!paths.has(kind)) paths.set(kind, []);
    paths.get(kind).push(shape);
  }
  return [...paths].sort().map(([kind, shapes]) => make("path", { class: `note ${kind}`, d: shapes.join("") }));
}

/** Lines of bars, beats and 16ths, each kind one path; beats are counted from the bar line, whatever the metre. */
function drawGrid(bars, bar, height, scale) {
  const lines = { sixteenth: [], beat: [], bar: [] };
  const step = !data.kit || bars * bar > FINE_BEATS ? 1 : 0.25;
  for (let i = 0; i <= bars; i++) {
    for (let inside = 0; inside < (i < bars ? bar : step) - 1e-6; inside += step) {
      const kind = inside === 0 ? "bar" : Number.isInteger(inside) ? "beat" : "sixteenth";
      lines[kind].push(`M${(MARGIN + (i * bar + inside) * scale).toFixed(1)} 0v${height}`);
    }
  }
  return Object.entries(lines).map(([kind, shapes]) => make("path", { class: `line ${kind}`, d: shapes.join("") }));
}

function drawRuler(piece, bars, width, scale) {
  const svg = make("svg", { width, height: RULER, "aria-hidden": "true" });
  const every = Math.max(1, Math.ceil(24 / (piece.bar * scale)));
  for (let i = 0; i < bars; i += every) {
    const x = MARGIN + i * piece.bar * scale;
    const isFill = piece.fills.includes(i);
    svg.append(make("text", { x, y: 13, class: isFill ? "fill" : "" }, isFill ? `${i + 1} fill` : i + 1));
  }
  return svg;
}

/** A lane: its labels, which stay where they are, and its notes. */
function drawLane(piece, lane, bars, layout, scale) {
  const [beats, height] = [bars * piece.bar, layout.rows.length * layout.height];
  const width = Math.ceil(beats * scale) + 2 * MARGIN;
  const labels = make("svg", { class: "labels", width: layout.width, height, "aria-hidden": "true" });
  layout.rows.forEach((row, i) => {
    const place = { x: layout.width - 8, y: (i + 0.5) * layout.height + 4, "text-anchor": "end" };
    if (layout.label(row)) labels.append(make("text", place, layout.label(row)));
  });
  const what = `${piece.name}${lane.label ? `, ${lane.label}` : ""}: what is played when, loud notes large and dark`;
  const roll = make("svg", { class: "notes", width, height, role: "img", "aria-label": what });
  for (const i of lane === piece.lane ? piece.fills : []) {
    roll.append(make("rect", { class: "fill", x: MARGIN + i * piece.bar * scale, width: piece.bar * scale, height }));
  }
  const rows = data.kit ? layout.rows.map((_, i) => `M${MARGIN} ${(i + 0.5) * layout.height}h${beats * scale}`) : [];
  roll.append(make("path", { class: "line row", d: rows.join("") }), ...drawGrid(bars, piece.bar, height, scale));
  if (lane.seam) { // where what was given ends
    const x = MARGIN + lane.seam * piece.bar * scale;
    roll.append(make("path", { class: "line seam", d: `M${x} 0v${height}` }));
  }
  roll.append(...drawNotes(lane, layout, scale));
  return make("div", { class: "row" }, labels, roll);
}
