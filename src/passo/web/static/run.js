// The page of a run: curves that grow while it trains, figures by tabs, the microscope's controls.
import { asked, embed, inTurn, onChange, words } from "./charts.js";
import { consult } from "./doctor.js";
import { lost } from "./lost.js";
import { written } from "./sliders.js";
import { tablesOf } from "./tables.js";

const curves = document.getElementById("curves");
const panels = document.getElementById("panels");
const logarithmic = document.getElementById("logarithmic");
const address = curves.dataset.address;
const views = new Map();

// ── Curves ──
const specification = (name, values) => {
  const spec = structuredClone(words.curve);
  spec.title = { text: name, anchor: "start", fontSize: 13 };
  spec.data = { name: "curve", values };
  spec.encoding.y.scale.type = logarithmic.checked ? "log" : "linear";
  return spec;
};

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

const told = (name, curve) => `${name}. ${curve.sentence}`;

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
  if (cell && last !== null && last !== undefined) cell.textContent = written(Number(last.toPrecision(6)));
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
    for (const name of Object.keys(found)) panel(name); // all of them, so that each has its width before it is drawn
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

const heeded = (box) => box.addEventListener("change", () => draw());
for (const box of document.querySelectorAll("[name=metric]")) heeded(box);
logarithmic.addEventListener("change", () => draw(true));
onChange(() => draw(true));
draw().finally(consult);

// ── Live ──
// Metrics that were first measured after the page was made: their boxes and last values are taken from it as it is now.
let looked = Date.now();
const renewed = async () => {
  if (Date.now() - looked < 2000) return;
  looked = Date.now();
  const answer = await fetch(location.href, { headers: { accept: "text/html" } });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const box of page.querySelectorAll("[name=metric]")) {
    if (document.querySelector(`[name=metric][value="${CSS.escape(box.value)}"]`)) continue;
    logarithmic.closest("label").before(box.closest("label"), " ");
    heeded(box);
  }
  const [now, then] = [curves, page].map((place) => place.querySelector("#lasts"));
  if (then && now.rows.length !== then.rows.length) now.replaceWith(then);
};

if (curves.dataset.live) {
  const source = new EventSource(curves.dataset.live);
  source.addEventListener("study", ({ data }) => {
    const { status, running, told } = JSON.parse(data);
    if (lost(told)) return status === "gone" && source.close();
    renewed().catch(() => {}).finally(() => draw()).finally(consult);
    if (status !== "running" || !running.includes(curves.dataset.run)) {
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
const traced = microscope ? JSON.parse(microscope.dataset.traced) : {};
const parameter = () => microscope.querySelector("[name=parameter]:checked")?.value;

// Where the microscope stands, as an address says it; a figure is asked what it takes of that.
const standing = () => {
  const query = new URLSearchParams();
  if (!microscope) return query;
  if (parameter()) query.set("parameter", parameter());
  if (microscope.elements.index.value) query.set("index", microscope.elements.index.value);
  if (slider) query.set("step", steps[slider.value]);
  return query;
};
const options = (figure) => new URLSearchParams([...standing()].filter(([name]) => (words.takes[figure] ?? []).includes(name)));

// A part's figure at a time: what was last asked for is what is shown.
const showing = new Map();
const show = (tab) => {
  const section = tab.closest("section");
  if (!showing.has(section)) showing.set(section, inTurn(shown));
  return showing.get(section)(tab, section);
};
const shown = async (tab, section) => {
  const figure = section.querySelector("figure.panel");
  const name = tab.dataset.figure;
  const query = options(name);
  const box = figure.querySelector(".chart");
  const [sentence, caption] = figure.querySelectorAll("figcaption p");
  figure.dataset.shown = name;
  try {
    const found = await asked(`${address}/figure/${name}?${query}`);
    [sentence.textContent, caption.textContent] = [found.sentence, found.caption];
    figure.querySelector(".tables").replaceChildren(...tablesOf(found.tables, "apart"));
    if (found.spec) await embed(box, found.spec, found.sentence);
    else box.replaceChildren();
  } catch (error) {
    box.replaceChildren();
    figure.querySelector(".tables").replaceChildren();
    [sentence.textContent, caption.textContent] = [error.message, ""];
  }
  figure.dataset.drawn = `${name}?${query}`;
};

const select = (tab) => {
  for (const one of tab.parentElement.children) {
    one.setAttribute("aria-selected", String(one === tab));
    one.tabIndex = one === tab ? 0 : -1;
  }
  return show(tab);
};

for (const list of document.querySelectorAll("[role=tablist]")) {
  const tabs = [...list.children];
  list.addEventListener("click", ({ target }) => { if (target.dataset.figure) { select(target); remembered(); } });
  list.addEventListener("keydown", (event) => {
    const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!move) return;
    const next = tabs[(tabs.indexOf(event.target) + move + tabs.length) % tabs.length];
    next.focus();
    select(next);
    remembered();
    event.preventDefault();
  });
}

// The address is what is seen.
const seen = () => microscope?.closest("section").querySelector("[aria-selected=true]");
const remembered = () => {
  const query = standing();
  if (seen()) query.set("figure", seen().dataset.figure);
  if (microscope) history.replaceState(null, "", `?${query}${location.hash}`);
};

const shownAgain = () => {
  for (const tab of document.querySelectorAll("[role=tab][aria-selected=true]")) show(tab);
};
const offered = () => {
  const choice = microscope.elements.index;
  const option = (value) => new Option(`[${value.replaceAll(",", ", ")}]`, value);
  choice.replaceChildren(choice.options[0], ...(traced[parameter()] ?? []).filter(Boolean).map(option));
  choice.value = "";
};
microscope?.addEventListener("input", ({ target }) => {
  if (target.name === "parameter") offered();
  if (slider) document.getElementById("step-told").textContent = steps[slider.value];
  remembered();
  const taken = words.takes[seen()?.dataset.figure] ?? [];
  if (seen() && taken.includes(target.name)) show(seen());
});
microscope?.addEventListener("submit", (event) => event.preventDefault());
onChange(shownAgain);
for (const list of document.querySelectorAll("[role=tablist]")) {
  const wanted = new URLSearchParams(location.search).get("figure");
  const first = [...list.children].find((tab) => tab.dataset.figure === wanted) ?? list.firstElementChild;
  new IntersectionObserver((there, observer) => {
    if (!there.some((one) => one.isIntersecting)) return;
    observer.disconnect();
    if (!showing.has(list.closest("section"))) select(first); // somebody may have chosen as it came into view
  }).observe(list);
}
