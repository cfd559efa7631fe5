// One step of one racer, number by number: a racer and a step are chosen, or the race's own slider is followed.
import { inTurn } from "./charts.js";
import { beside } from "./sliders.js";

const box = document.getElementById("stepping");
const form = document.getElementById("steps");
const place = document.getElementById("arithmetic");
const wrong = document.getElementById("unstepped");
const race = document.getElementById("slider");
const slider = form.elements.step;
let query = null;

// What the address says of the step; nothing while it is not looked at.
export const standing = () => (box.open ? [["racer", form.elements.racer.value], ["step", slider.value]] : []);

const show = inTurn(async () => {
  if (!box.open || !query) return;
  const answer = await fetch(`/descents/step?${query()}`, { headers: { accept: "application/json" } });
  const text = await answer.text();
  wrong.hidden = answer.ok;
  if (!answer.ok) {
    wrong.textContent = JSON.parse(text).error;
    return;
  }
  place.innerHTML = text;
  slider.max = document.getElementById("stepped").dataset.steps;
  history.replaceState(null, "", `?${query()}`);
});

// The race is another one: its racers are offered, and the step is asked for anew.
export const follow = (asked, labels) => {
  query = asked;
  if (labels) {
    const chosen = Math.min(Number(form.elements.racer.value), labels.length - 1);
    form.elements.racer.replaceChildren(...labels.map((label, i) => new Option(label, i, false, i === chosen)));
    form.elements.racer.value = chosen;
    slider.max = race.max;
  }
  beside(slider);
  if (labels) show();
  else if (box.open) lead();
};

// Both sliders stand on the same step.
let leading = false;
const lead = () => {
  leading = true;
  race.value = slider.value;
  race.dispatchEvent(new Event("input", { bubbles: true }));
  leading = false;
};
const moved = () => {
  beside(slider);
  lead();
  show();
};
race.addEventListener("input", () => {
  if (leading || !box.open) return;
  slider.value = Math.max(1, Number(race.value));
  beside(slider);
  show();
});
slider.addEventListener("input", moved);
form.elements.racer.addEventListener("change", show);
form.addEventListener("click", ({ target }) => {
  if (!target.dataset.by) return;
  slider.value = Number(slider.value) + Number(target.dataset.by);
  moved();
});
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("keydown", (event) => event.stopPropagation()); // the race's own keys are not this slider's
box.addEventListener("toggle", () => {
  if (query) history.replaceState(null, "", `?${query()}`);
  if (!place.childElementCount) show();
});
