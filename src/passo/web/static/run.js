// The page of a run: curves that grow while it trains, figures by tabs, the microscope's controls.
import { asked, embed, inTurn, isDark, onChange, words } from "./charts.js";
import { lost } from "./lost.js";

const curves = document.getElementById("curves");
const panels = document.getElementById("panels");
const logarithmic = document.getElementById("logarithmic");
const address = curves.dataset.address;
const views = new Map();

// ── Curves ──
const specification = (name, values) => ({
  $schema: "https://vega.github.io/schema/vega-lite/v6.json",
  width: "container",
  height: 180,
  autosize: { type: "fit", contains: "padding" },
  background: null,
  title: { text: name, anchor: "start", fontSize: 13 },
  data: { name: "curve", values },
  params: [{ name: "zoom", select: { type: "interval", encodings: ["x"] } }],
  mark: { type: "line", strokeWidth: 1.4, interpolate: "linear", color: "#0064A8", tooltip: true },
  encoding: {
    x: { field: "x", type: "quantitative", title: words.step, scale: { nice: false, zero: false }, axis: { grid: false, tickMinStep: 1 } },
    y: { field: "y", type: "quantitative", title: null, scale: { zero: false, type: logarithmic.checked ? "log" : "linear" }, axis: { format: "~g", tickCount: 5 } },
  },
  config: { view: { stroke: null }, font: "system-ui, sans-serif", locale: words.locale, axis: { labelColor: "#2B2F36", titleColor: "#2B2F36", gridColor: "#E6E8EB" } },
});

const points = (curve) => curve.x.map((x, i) => ({ x, y: curve.y[i] })).filter(({ y }) => y === null || !logarithmic.checked || y > 0);

const wanted = () => [...document.querySelectorAll("[name=metric]:checked")].map((box) => box.value);

const fetched = (names, range = "") =>
  asked(`${address}/series?${names.map((name) => "metric=" + encodeURIComponent(name)).join("&")}${range}`);

const panel = (name) => {
  const known = [...panels.children].find((box) => box.dataset.metric === name);
  if (known) return known;
  const box = document.createElement("div");
  box.className = "chart";
  box.dataset.metric = name;
  panels.append(box);
  return box;
};

const told = (name, curve) => {
  const last = curve.y.findLast((y) => y !== null);
  return `${name}: ${curve.n} · ${last === undefined ? "–" : last.toPrecision(4)}`;
};

const drawn = async (name, curve, anew) => {
  const box = panel(name);
  const known = views.get(name);
  if (known && !anew) {
    await known.change("curve", known.changeset().remove(() => true).insert(points(curve))).runAsync();
  } else {
    known?.finalize();
    const view = await embed(box, specification(name, points(curve)), told(name, curve));
    views.set(name, view);
    view.addSignalListener("zoom_x", () => zoomed(name));
  }
  const cell = document.querySelector(`[data-last="${CSS.escape(name)}"]`);
  const last = curve.y.at(-1);
  if (cell && last !== null && last !== undefined) cell.textContent = last.toPrecision(6).replace(".", words.point);
};

const draw = inTurn(async (anew = false) => {
  const names = wanted();
  for (const box of [...panels.children])
    if (!names.includes(box.dataset.metric)) {
      views.get(box.dataset.metric)?.finalize();
      views.delete(box.dataset.metric);
      box.remove();
    }
  if (names.length === 0) return;
  try {
    const { curves: found } = await fetched(names);
    for (const [name, curve] of Object.entries(found)) await drawn(name, curve, anew);
    document.documentElement.dataset.curves = "drawn";
  } catch (error) {
    lost(error.message);
  }
});

// What is zoomed into is asked for again, with all of its points; a double click shows the whole.
const zoomed = inTurn(async (name) => {
  const range = views.get(name)?.signal("zoom_x");
  if (!range || range.length < 2) return;
  await new Promise((done) => setTimeout(done, 400));
  const now = views.get(name)?.signal("zoom_x");
  if (!now || now[0] !== range[0] || now[1] !== range[1]) return;
  const { curves: found } = await fetched([name], `&from=${range[0]}&to=${range[1]}`);
  views.get(name)?.finalize();
  const view = await embed(panel(name), specification(name, points(found[name])), told(name, found[name]));
  views.set(name, view);
  panel(name).addEventListener("dblclick", () => drawWhole(name), { once: true });
});
const drawWhole = async (name) => {
  const { curves: found } = await fetched([name]);
  await drawn(name, found[name], true);
};

for (const box of document.querySelectorAll("[name=metric]")) box.addEventListener("change", () => draw());
logarithmic.addEventListener("change", () => draw(true));
onChange(() => draw(true));
draw();

// ── Live ──
if (curves.dataset.live) {
  const source = new EventSource(curves.dataset.live);
  source.addEventListener("study", ({ data }) => {
    const { status, running, told } = JSON.parse(data);
    if (lost(told)) return status === "gone" && source.close();
    draw();
    if (status !== "running" || !running.some((one) => address.endsWith("/run/" + encodeURIComponent(one)))) {
      source.close();
      location.reload();
    }
  });
  source.addEventListener("end", () => source.close());
}

// ── Figures ──
const microscope = document.getElementById("microscope");
const slider = microscope?.querySelector("[name=step]");
const steps = slider ? JSON.parse(slider.dataset.steps) : [];

const options = (figure) => {
  const query = new URLSearchParams();
  const takes = words.takes[figure] ?? [];
  if (microscope && takes.includes("parameter")) query.set("parameter", microscope.elements.parameter.value);
  if (slider && takes.includes("step")) query.set("step", steps[slider.value]);
  return query;
};

const show = inTurn(async (tab) => {
  const section = tab.closest("section");
  const figure = section.querySelector("figure");
  figure.dataset.shown = tab.dataset.figure;
  const box = figure.querySelector(".chart");
  const [sentence, caption] = figure.querySelectorAll("figcaption p");
  try {
    const found = await asked(`${address}/figure/${tab.dataset.figure}?${options(tab.dataset.figure)}`);
    await embed(box, found.spec, found.sentence);
    [sentence.textContent, caption.textContent] = [found.sentence, found.caption];
  } catch (error) {
    box.replaceChildren();
    [sentence.textContent, caption.textContent] = [error.message, ""];
  }
  figure.dataset.drawn = tab.dataset.figure;
});

const select = (tab) => {
  for (const one of tab.parentElement.children) {
    one.setAttribute("aria-selected", String(one === tab));
    one.tabIndex = one === tab ? 0 : -1;
  }
  show(tab);
};

for (const list of document.querySelectorAll("[role=tablist]")) {
  const tabs = [...list.children];
  list.addEventListener("click", ({ target }) => target.dataset.figure && select(target));
  list.addEventListener("keydown", (event) => {
    const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!move) return;
    const next = tabs[(tabs.indexOf(event.target) + move + tabs.length) % tabs.length];
    next.focus();
    select(next);
    event.preventDefault();
  });
}

const shownAgain = () => {
  for (const tab of document.querySelectorAll("[role=tab][aria-selected=true]")) show(tab);
};
microscope?.addEventListener("input", () => {
  const output = document.getElementById("step-told");
  if (output && slider) output.textContent = steps[slider.value];
  const tab = microscope.closest("section").querySelector("[aria-selected=true]");
  if (tab) show(tab);
});
microscope?.addEventListener("submit", (event) => event.preventDefault());
onChange(shownAgain);
for (const list of document.querySelectorAll("[role=tablist]")) {
  new IntersectionObserver((seen, observer) => {
    if (!seen.some((one) => one.isIntersecting)) return;
    observer.disconnect();
    select(list.firstElementChild);
  }).observe(list);
}
