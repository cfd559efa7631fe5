// A race that answers while its form is changed: drag the start, move a rate, add an optimiser.
import { follow, standing } from "./arithmetic.js";
import { asked, inTurn } from "./charts.js";
import { beside, read } from "./sliders.js";

const form = document.getElementById("race-form");
const picture = document.getElementById("picture");
const wrong = document.getElementById("wrong");
const surfaces = JSON.parse(document.getElementById("surfaces").textContent);
let data = JSON.parse(document.getElementById("race").textContent);
let end = playRace(data, standing().length > 0); // whose link names a step looks at that step

const query = () => {
  const found = new URLSearchParams();
  const rows = [...form.querySelectorAll(".racers li")].filter((row) => row.querySelector("[name=o]").value.trim());
  for (const name of ["surface", "x", "y", "steps", "noise", "seed"]) found.set(name, form.elements[name].value);
  for (const row of rows) {
    found.append("o", row.querySelector("[name=o]").value);
    found.append("s", row.querySelector("[name=s]").value);
  }
  for (const [name, value] of standing()) found.set(name, value);
  return found;
};

const draw = inTurn(async (still) => {
  const state = query();
  try {
    const found = await asked(`/descents/race?${state}`);
    end();
    data = found.data;
    picture.innerHTML = found.svg;
    picture.setAttribute("aria-label", found.sentence);
    const slider = document.getElementById("slider");
    slider.max = data.steps;
    end = playRace(data, still);
    handle();
    rates();
    document.getElementById("tip").hidden = true;
    const [sentence, note] = document.querySelectorAll("#result > p");
    [sentence.textContent, note.textContent] = [found.sentence, found.note];
    const cells = (tag, row) => row.map((words) => Object.assign(document.createElement(tag), { textContent: words }));
    const line = (row) => { const tr = document.createElement("tr"); tr.append(...cells("td", row)); return tr; };
    document.querySelector("#result tbody").replaceChildren(...found.rows.map(line));
    history.replaceState(null, "", `?${query()}`);
    follow(query, data.racers.map(({ label }) => label));
    wrong.hidden = true;
    document.documentElement.dataset.raced = String(Number(document.documentElement.dataset.raced ?? 0) + 1);
  } catch (error) {
    wrong.textContent = error.message;
    wrong.hidden = false;
  }
});

// ── The start ──
const place = {
  x: (x) => data.map[0] + ((x - data.x[0]) / (data.x[1] - data.x[0])) * data.map[2],
  y: (y) => data.map[1] + data.map[3] - ((y - data.y[0]) / (data.y[1] - data.y[0])) * data.map[3],
};
const value = {
  x: (at) => data.x[0] + ((at - data.map[0]) / data.map[2]) * (data.x[1] - data.x[0]),
  y: (at) => data.y[0] + ((data.map[1] + data.map[3] - at) / data.map[3]) * (data.y[1] - data.y[0]),
};
const within = (number, [low, high]) => Math.min(high, Math.max(low, number));

function handle() {
  const svg = picture.querySelector("svg");
  const circle = document.createElementNS("http://www.w3.org/2000/svg", "circle");
  const put = () => {
    circle.setAttribute("cx", place.x(read(form.elements.x.value)));
    circle.setAttribute("cy", place.y(read(form.elements.y.value)));
  };
  const moved = (x, y) => {
    form.elements.x.value = Number(within(x, data.x).toPrecision(5));
    form.elements.y.value = Number(within(y, data.y).toPrecision(5));
    put();
  };
  for (const [name, words] of Object.entries({ class: "handle", r: 9, tabindex: 0, role: "button", "aria-label": form.elements.x.labels[0].textContent + "y" }))
    circle.setAttribute(name, words);
  put();
  svg.append(circle);
  circle.addEventListener("pointerdown", (event) => {
    circle.setPointerCapture(event.pointerId);
    event.stopPropagation();
    const drag = (now) => {
      const box = svg.getBoundingClientRect();
      const scale = svg.viewBox.baseVal.width / box.width;
      moved(value.x((now.clientX - box.left) * scale), value.y((now.clientY - box.top) * scale));
      now.stopPropagation();
    };
    circle.addEventListener("pointermove", drag);
    circle.addEventListener("pointerup", () => { circle.removeEventListener("pointermove", drag); draw(false); }, { once: true });
  });
  circle.addEventListener("keydown", (event) => {
    const [across, up] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key] ?? [0, 0];
    if (!across && !up) return;
    const [wide, tall] = [data.x[1] - data.x[0], data.y[1] - data.y[0]];
    moved(read(form.elements.x.value) + (across * wide) / 50, read(form.elements.y.value) + (up * tall) / 50);
    draw(true).then(() => picture.querySelector(".handle").focus());
    event.preventDefault();
    event.stopPropagation();
  });
}

// ── The form ──
if (window.matchMedia("(max-width: 640px)").matches) form.querySelector("details").open = false; // else a screen of it comes first
const rated = (row) => {
  const spec = row.querySelector("[name=o]");
  const rate = row.querySelector(".rate");
  if (!rate) return;
  rate.addEventListener("input", () => {
    const lr = `lr=${Number((10 ** Number(rate.value)).toPrecision(3))}`;
    spec.value = /\blr=\S+/.test(spec.value) ? spec.value.replace(/\blr=\S+/, lr) : `${spec.value} ${lr}`;
    draw(true);
  });
};
// A slider stands where its racer's rate is, unless it is being moved.
const rates = () => {
  const rows = [...form.querySelectorAll(".racers li")].filter((row) => row.querySelector("[name=o]").value.trim());
  for (const [place, row] of rows.entries()) {
    const [rate, lr] = [row.querySelector(".rate"), data.racers[place]?.lr?.[0]];
    if (rate && lr > 0 && document.activeElement !== rate) rate.value = Math.log10(lr);
  }
};
for (const row of form.querySelectorAll(".racers li")) rated(row);
rates();
form.elements.surface.addEventListener("change", () => {
  const { start } = surfaces[form.elements.surface.value];
  [form.elements.x.value, form.elements.y.value] = start;
});
form.addEventListener("input", ({ target }) => {
  if (target.type === "range" && target.nextElementSibling?.tagName === "OUTPUT") beside(target);
  if (target.type === "range" && target.name) draw(true);
});
form.addEventListener("change", ({ target }) => { if (target.type !== "range") draw(false); });
form.addEventListener("submit", (event) => { event.preventDefault(); draw(false); });
handle();
follow(query);
