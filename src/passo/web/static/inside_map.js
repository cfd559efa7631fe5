// The map of test images: two SVGs of the same points; what a pointer or the arrow keys choose is shown, on both.
import { words } from "./charts.js";
import { errand, showTest, tell } from "./inside.js";

const SIDE = 360;
const SVG = "http://www.w3.org/2000/svg";
const said = words.inside;
const form = document.querySelector("#map form");
const maps = document.getElementById("maps");
const sheet = new Image();
let found = null;
let alone = null; // a class that is seen alone
let chosen = -1;

const node = (name, given, ...children) => {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(given)) made.setAttribute(key, value);
  made.append(...children);
  return made;
};

// Shapes tell apart what colours do not; each is about as large as a circle of radius r.
const SHAPES = [
  (r) => `M${-r},0a${r},${r} 0 1,0 ${2 * r},0a${r},${r} 0 1,0 ${-2 * r},0`,
  (r) => `M${-r * 0.9},${-r * 0.9}h${r * 1.8}v${r * 1.8}h${-r * 1.8}z`,
  (r) => `M0,${-r * 1.2}L${r * 1.15},${r * 0.8}H${-r * 1.15}z`,
  (r) => `M0,${-r * 1.3}L${r * 1.1},0L0,${r * 1.3}L${-r * 1.1},0z`,
  (r) => `M0,${r * 1.2}L${r * 1.15},${-r * 0.8}H${-r * 1.15}z`,
];
const shape = (label, r) => SHAPES[label % SHAPES.length](r);

const named = (i) => {
  const [true_, predicted] = [found.classes[found.labels[i]], found.classes[found.predicted[i]]];
  const told = found.labels[i] === found.predicted[i] ? said.point : said.mistaken;
  return told.replace("{place}", found.positions[i]).replace("{true}", true_).replace("{predicted}", predicted);
};

const seen = (i) => alone === null || found.labels[i] === alone;

const places = (name) => {
  const xy = found[name];
  const ends = [0, 1].map((axis) => [Math.min(...xy.map((p) => p[axis])), Math.max(...xy.map((p) => p[axis]))]);
  const span = Math.max(...ends.map(([low, high]) => high - low)) * 1.08 || 1;
  return xy.map((p) => [0, 1].map((axis) => SIDE / 2 + ((axis ? -1 : 1) * (p[axis] - (ends[axis][0] + ends[axis][1]) / 2) * SIDE) / span));
};

const choose = (i, focused) => {
  chosen = i;
  for (const svg of maps.querySelectorAll(".maps svg")) {
    svg.querySelector(".now").setAttribute("transform", `translate(${svg.places[i]})`);
    svg.querySelector(".now").removeAttribute("visibility");
    if (svg === focused) svg.setAttribute("aria-activedescendant", `${svg.dataset.map}-${i}`);
  }
  document.getElementById("pointed").textContent = named(i);
  const pen = maps.querySelector(".pointed canvas").getContext("2d");
  const { across, high, wide } = found.sheet;
  pen.imageSmoothingEnabled = false;
  pen.clearRect(0, 0, 112, 112);
  const larger = 112 / Math.max(high, wide);
  pen.drawImage(sheet, (i % across) * wide, Math.floor(i / across) * high, wide, high, 0, 0, wide * larger, high * larger);
};

const nearest = (svg, x, y, fits, weigh) => {
  let [best, least] = [-1, Infinity];
  svg.places.forEach(([px, py], i) => {
    if (!seen(i) || !fits(px - x, py - y, i)) return;
    const away = weigh(px - x, py - y);
    if (away < least) [best, least] = [i, away];
  });
  return best;
};
const WAYS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };

const listening = (svg) => {
  const at = (event) => {
    const box = svg.getBoundingClientRect();
    const [x, y] = [((event.clientX - box.left) * SIDE) / box.width, ((event.clientY - box.top) * SIDE) / box.height];
    const i = nearest(svg, x, y, (dx, dy) => Math.hypot(dx, dy) < 14, Math.hypot);
    if (i >= 0 && i !== chosen) choose(i, svg);
  };
  svg.addEventListener("pointermove", at);
  svg.addEventListener("focus", () => chosen < 0 && choose(nearest(svg, SIDE / 2, SIDE / 2, () => true, Math.hypot), svg));
  let before = -1; // a first touch shows an image, as a pointer does; another one on it leads on
  svg.addEventListener("pointerdown", () => (before = chosen), { capture: true });
  svg.addEventListener("click", (event) => {
    if (event.pointerType === "touch") {
      at(event);
      if (before !== chosen) return;
    }
    if (chosen >= 0) showTest(found.positions[chosen]);
  });
  svg.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && chosen >= 0) showTest(found.positions[chosen]);
    const way = WAYS[event.key];
    if (!way || chosen < 0) return;
    event.preventDefault();
    const [x, y] = svg.places[chosen];
    const along = (dx, dy) => dx * way[0] + dy * way[1];
    const off = (dx, dy) => Math.abs(dx * way[1]) + Math.abs(dy * way[0]);
    const ahead = (dx, dy, i) => i !== chosen && along(dx, dy) > 0;
    const i = nearest(svg, x, y, ahead, (dx, dy) => along(dx, dy) + 2 * off(dx, dy));
    if (i >= 0) choose(i, svg);
  });
};

const drawn = (name) => {
  const at = places(name);
  const r = Math.max(2.2, Math.min(4.5, 75 / Math.sqrt(at.length)));
  const order = at.map((_, i) => i).sort((a, b) => wrong(a) - wrong(b));
  const points = order.map((i) =>
    node("path", {
      id: `${name}-${i}`,
      d: shape(found.labels[i], wrong(i) ? r * 1.25 : r),
      transform: `translate(${at[i].map((v) => v.toFixed(1))})`,
      fill: found.shades[found.labels[i]],
      class: wrong(i) ? "ringed" : "",
      role: "option",
      "aria-label": named(i),
      "data-label": found.labels[i],
    }),
  );
  const svg = node("svg", { viewBox: `0 0 ${SIDE} ${SIDE}`, role: "listbox", tabindex: 0, "aria-label": found.titles[name], "data-map": name }, ...points);
  svg.append(node("circle", { class: "now", r: r + 5, visibility: "hidden" }));
  svg.places = at;
  listening(svg);
  const figure = document.createElement("figure");
  const caption = document.createElement("figcaption");
  caption.textContent = found.titles[name];
  figure.append(caption, svg);
  return figure;
};
const wrong = (i) => found.labels[i] !== found.predicted[i];

const legend = () => {
  const box = maps.querySelector(".legend");
  box.setAttribute("aria-label", said.legend);
  const only = (label) => {
    alone = alone === label ? null : label;
    for (const one of maps.querySelectorAll("[data-label]")) one.classList.toggle("away", alone !== null && Number(one.dataset.label) !== alone);
    for (const [i, button] of [...box.children].entries()) button.setAttribute("aria-pressed", String(alone === i));
  };
  box.replaceChildren(
    ...found.classes.map((name, label) => {
      const button = Object.assign(document.createElement("button"), { type: "button" });
      button.setAttribute("aria-pressed", "false");
      button.append(node("svg", { viewBox: "-8 -8 16 16", width: 16, height: 16, "aria-hidden": "true" }, node("path", { d: shape(label, 5), fill: found.shades[label] })), name);
      button.addEventListener("click", () => only(label));
      return button;
    }),
  );
};

const draw = () => {
  if (!found) return;
  const { value } = form.elements.what;
  [alone, chosen] = [null, -1];
  maps.querySelector(".maps").replaceChildren(...["inputs", "hidden"].filter((name) => value === "both" || value === name).map(drawn));
  legend();
  maps.hidden = false;
};

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const made = await errand(form, new URLSearchParams({ images: form.elements.images.value }));
  if (!made) return;
  found = made;
  sheet.src = found.sheet.picture;
  await sheet.decode();
  draw();
  document.querySelector("#map .told").innerHTML = found.html;
  tell(document.getElementById("map"));
  document.documentElement.dataset.mapped = String(found.labels.length);
});
form.elements.what.addEventListener("change", draw);
