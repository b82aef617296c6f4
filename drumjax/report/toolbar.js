// The bar above the pieces: tempo, and what the signs mean. Runs last, and starts the page.
const SIGNS = { fill: "a fill was asked for", new: "new, not given", seam: "here what was given ends" };

function makeTempo() {
  const percents = { type: "range", min: 50, max: 200, step: 1, value: 100, "aria-label": "Tempo in percent" };
  const field = make("input", percents);
  const value = make("output", {}, "100 %");
  const reset = make("button", { type: "button", title: "As written" }, "Reset");
  const set = (percent) => {
    field.value = percent;
    value.textContent = `${percent} %`;
    field.setAttribute("aria-valuetext", `${percent} percent`);
    reset.disabled = percent === 100;
    setSpeed(percent / 100);
    for (const card of shown) card.showTempo();
  };
  field.oninput = () => set(Number(field.value));
  reset.onclick = () => set(100);
  reset.disabled = true;
  return make("div", { class: "tempo-field" }, "Tempo", field, value, reset);
}

/** Notes of rising velocity, and the signs that this page uses. */
function makeLegend() {
  const velocities = [10, 35, 60, 85, 110, 127];
  const [step, height, row] = data.kit ? [18, 18, data.kit.names.length] : [24, 18, 0];
  const svg = make("svg", { width: velocities.length * step, height, "aria-hidden": "true" });
  for (const [i, velocity] of velocities.entries()) {
    const level = levelOf(velocity);
    const x = data.kit ? (i + 0.5) * step : i * step + 2;
    const d = shapeOf(x, height / 2, level, [0, row, velocity, 1], 8, step - 4);
    svg.append(make("path", { class: `note v${level}`, d }));
  }
  const legend = make("div", { class: "legend" }, make("span", {}, "soft", svg, "loud"));
  for (const sign of data.signs) legend.append(make("span", {}, make("i", { class: `sign ${sign}` }), SIGNS[sign]));
  return legend;
}

/** In a frame of a notebook: as high as the page is. */
function fitFrame() {
  if (window === window.top) return;
  document.body.classList.add("framed");
  const fit = () => {
    try {
      window.frameElement.style.height = `${Math.ceil(document.body.getBoundingClientRect().height)}px`;
    } catch {
      // The frame is somebody else's, and as high as they say.
    }
  };
  new ResizeObserver(fit).observe(document.body);
}

function start() {
  const elements = document.querySelectorAll("[data-list]");
  if (!elements.length) return;
  fitFrame();
  elements[0].before(make("div", { class: "toolbar" }, makeTempo(), makeLegend()));
  const lists = [...elements].map((element) => new List(element, data.lists[Number(element.dataset.list)]));
  window.addEventListener("hashchange", () => lists.some((list) => list.goTo(location.hash)));
  new ResizeObserver(() => {
    for (const card of shown) card.draw();
  }).observe(document.querySelector("main"));
}

start();
