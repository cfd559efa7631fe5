// Plays a race: the picture is there, drawn at its end; this moves what moves in it to any step, and between steps.
"use strict";

// Begins to play, unless `still`; what it returns ends it, so that another picture can take the place of this one.
function playRace(race, still) {
const ended = new AbortController();
const on = (node, kind, act) => node.addEventListener(kind, act, { signal: ended.signal });
const $$ = (selector) => document.querySelector(selector);
const svg = $$("#picture svg"), slider = $$("#slider"), play = $$("#play"), speed = $$("#speed"), tip = $$("#tip");
const PLAY = "M4 2l10 6-10 6z", PAUSE = "M3 2h4v12H3zM9 2h4v12H9z";
const SECONDS = 10; // that a whole race takes at speed 1
const say = (word, number) => race.words[word].replace("#", number);
const point = (text) => text.replace(".", race.words.point); // the decimal mark of the page's language
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const map = {
  x: (x) => race.map[0] + ((x - race.x[0]) / (race.x[1] - race.x[0])) * race.map[2],
  y: (y) => race.map[1] + race.map[3] - ((y - race.y[0]) / (race.y[1] - race.y[0])) * race.map[3],
};
const fall = {
  x: (step) => race.fall[0] + (step / race.steps) * race.fall[2],
  y: (loss) => {
    const [low, high] = race.losses.map(Math.log10);
    const height = Math.log10(clamp(loss, 1e-3 * race.losses[0], 1e3 * race.losses[1]));
    return race.fall[1] + race.fall[3] - ((height - low) / (high - low)) * race.fall[3];
  },
};

// Each path once as text with the place where every step ends in it, so that a frame is a slice.
function strokes(xs, ys) {
  const ends = [];
  let text = "";
  xs.forEach((x, i) => {
    text += `${i ? "L" : "M"}${x.toFixed(1)} ${ys[i].toFixed(1)}`;
    ends.push(text.length);
  });
  return { xs, ys, text, ends };
}
function drawn(stroke, at) {
  const last = stroke.xs.length - 1, whole = Math.min(Math.floor(at), last), share = whole < last ? at - whole : 0;
  const between = (values) => values[whole] + (share ? share * (values[whole + 1] - values[whole]) : 0);
  const x = between(stroke.xs), y = between(stroke.ys);
  const tail = share ? `L${x.toFixed(1)} ${y.toFixed(1)}` : "";
  return { x, y, d: stroke.text.slice(0, stroke.ends[whole]) + tail };
}
const far = (value) => clamp(value, -1e4, 1e4);
const racers = race.racers.map((racer, row) => {
  const one = (kind) => svg.querySelector(`.${kind}.r${row}`);
  const way = strokes(racer.x.map((x) => far(map.x(x))), racer.y.map((y) => far(map.y(y))));
  const losses = strokes(racer.loss.map((_, i) => fall.x(i)), racer.loss.map((l) => fall.y((l ?? Infinity) - race.lowest)));
  const name = one("name");
  return { ...racer, row, way, losses, name, now: name.querySelector(".now"), verdict: name.querySelector(".verdict"),
           path: one("way"), line: one("fall"), dot: one("dot"), exit: one("exit") };
});

function live(loss) {
  if (loss === null) return "∞";
  const size = Math.abs(loss);
  const text = size === 0 ? "0"
    : size >= 1e-3 && size < 1e5 ? size.toFixed(Math.max(0, 2 - Math.floor(Math.log10(size))))
    : size.toExponential(2).replace("e+", "e");
  return point(loss < 0 ? `−${text}` : text);
}
const fate = (racer, step) =>
  racer.diverged !== null && step >= racer.diverged ? say("diverged", racer.diverged)
  : racer.arrived !== null && step >= racer.arrived ? say(racer.arrived === 1 ? "arrived" : "after", racer.arrived) : "";

let at = race.steps, playing = false, before = 0;
function show(moment) {
  at = clamp(moment, 0, race.steps);
  const step = Math.floor(at);
  for (const racer of racers) {
    const way = drawn(racer.way, at), gone = racer.diverged !== null && at >= racer.diverged;
    racer.path.setAttribute("d", way.d);
    racer.line.setAttribute("d", drawn(racer.losses, at).d);
    racer.dot.setAttribute("cx", way.x.toFixed(1));
    racer.dot.setAttribute("cy", way.y.toFixed(1));
    racer.dot.style.display = gone ? "none" : "inline";
    if (racer.exit) racer.exit.style.display = gone ? "inline" : "none";
    racer.now.textContent = live(racer.loss[Math.min(step, racer.loss.length - 1)]);
    racer.verdict.textContent = fate(racer, step);
  }
  const x = fall.x(at).toFixed(1);
  $$("#cursor").setAttribute("x1", x);
  $$("#cursor").setAttribute("x2", x);
  $$("#step").textContent = say("step", step);
  slider.value = step;
  $$("#at").textContent = `${step} / ${race.steps}`;
}

function run(going) {
  if (going && at >= race.steps) show(0);
  playing = going;
  if (!going) $$("#result").classList.remove("later"); // at the end, or when somebody takes the race into their hands
  before = performance.now();
  play.querySelector("path").setAttribute("d", going ? PAUSE : PLAY);
  play.setAttribute("aria-label", say(going ? "pause" : "play"));
  if (going) requestAnimationFrame(tick);
}
function tick(now) {
  if (!playing) return;
  show(at + ((now - before) / 1000) * (race.steps / SECONDS) * Number(speed.value));
  before = now;
  if (at >= race.steps) run(false);
  else requestAnimationFrame(tick);
}
const halt = (moment) => { run(false); show(moment); };
on(play, "click", () => run(!playing));
on(slider, "input", () => halt(Number(slider.value)));
on(document, "keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.target !== slider && event.target.closest?.("input, select, textarea")) return; // its own keys
  const stride = event.shiftKey ? 10 : 1, step = Math.floor(at);
  const moves = { ArrowLeft: step - stride, ArrowRight: step + stride, Home: 0, End: race.steps };
  if (event.key in moves) halt(moves[event.key]);
  else if (event.key === " " && event.target === document.body) run(!playing);
  else if (event.key === " " && event.target === slider) run(!playing);
  else return;
  event.preventDefault();
});

// A click on a name brings it forward; a second click brings all back.
let picked = new Set();
function pick(label) {
  if (picked.has(label)) picked.delete(label);
  else picked.add(label);
  for (const racer of racers) {
    const behind = picked.size > 0 && !picked.has(racer.label);
    for (const part of [racer.path, racer.line, racer.dot, racer.exit, racer.name])
      part?.classList.toggle("behind", behind);
    racer.name.setAttribute("aria-pressed", String(picked.has(racer.label)));
  }
}
for (const racer of racers) {
  on(racer.name, "click", () => pick(racer.label));
  on(racer.name, "keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    pick(racer.label);
    event.preventDefault();
    event.stopPropagation();
  });
}

// The nearest point that is drawn tells its numbers; in the losses, dragging moves through the race.
const inside = ([left, top, width, height], x, y) => x >= left && x <= left + width && y >= top && y <= top + height;
function place(event) {
  const box = svg.getBoundingClientRect(), scale = svg.viewBox.baseVal.width / box.width;
  return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
}
function nearest(x, y, kind) {
  let best = null, least = 18 ** 2;
  for (const racer of racers) {
    if (picked.size && !picked.has(racer.label)) continue;
    const { xs, ys } = racer[kind];
    for (let i = 0; i <= Math.min(Math.floor(at), xs.length - 1); i++) {
      const distance = (xs[i] - x) ** 2 + (ys[i] - y) ** 2;
      if (distance < least) [best, least] = [{ racer, i }, distance];
    }
  }
  return best;
}
function tell(event) {
  const [x, y] = place(event);
  const found = inside(race.map, x, y) ? nearest(x, y, "way") : inside(race.fall, x, y) ? nearest(x, y, "losses") : null;
  tip.hidden = !found;
  if (!found) return;
  const { racer, i } = found, digits = (value) => point(String(Number(value.toPrecision(4))).replace("-", "−"));
  const name = document.createElement("b");
  name.textContent = racer.name.getAttribute("aria-label");
  const rate = racer.lr[Math.min(i, racer.lr.length - 1)];
  const lines = [say("step", i), `${race.axes[0]} = ${digits(racer.x[i])}`, `${race.axes[1]} = ${digits(racer.y[i])}`,
                 say("loss", live(racer.loss[i])), ...(rate === undefined ? [] : [`lr ${digits(rate)}`])];
  tip.replaceChildren(name, lines.join("\n"));
  tip.style.left = `${Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8)}px`;
  tip.style.top = `${Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8)}px`;
}
let scrubbing = false;
const scrub = (event) => halt(Math.round(((place(event)[0] - race.fall[0]) / race.fall[2]) * race.steps));
on(svg, "pointerdown", (event) => {
  scrubbing = inside(race.fall, ...place(event));
  if (!scrubbing) return;
  svg.setPointerCapture(event.pointerId);
  scrub(event);
});
on(svg, "pointermove", (event) => (scrubbing ? scrub(event) : tell(event)));
on(svg, "pointerup", () => { scrubbing = false; });
on(svg, "pointerleave", () => { tip.hidden = true; });


$$("#controls").hidden = false;
$$("#picture").removeAttribute("role"); // it holds buttons now; its words stay as the label
if (!still && !matchMedia("(prefers-reduced-motion: reduce)").matches) {
  $$("#result").classList.add("later"); // the table gives the end away
  run(true);
}
document.documentElement.dataset.race = "ready";
return () => { playing = false; ended.abort(); };
}
