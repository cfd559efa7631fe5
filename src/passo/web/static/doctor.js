// What the doctor says of a run: asked for when its curves stand, since it reads all that was recorded.
import { inTurn } from "./asking.js";

const PAUSE = 10_000; // ms between two visits to a run that trains
const place = document.getElementById("consulted");
const link = document.querySelector("[data-doctor]");
let visited = -Infinity;
let known = "";

export const consult = inTurn(async () => {
  if (!place || Date.now() - visited < PAUSE) return;
  visited = Date.now();
  const answer = await fetch(place.dataset.address, { headers: { accept: "application/json" } }).catch(() => null);
  if (!answer) return; // the server has ended: what stands there stays
  const text = await answer.text();
  if (!answer.ok) {
    if (!known) place.textContent = JSON.parse(text).error;
    return;
  }
  if (text === known) return;
  place.innerHTML = known = text;
  place.dataset.consulted = "";
  const told = place.querySelector("[data-told]")?.dataset.told;
  link.textContent = told ? `${link.dataset.doctor}: ${told}` : link.dataset.doctor;
});
