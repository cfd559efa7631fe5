// A study that trains: the page is made anew when a run ends or begins, at most every two seconds.
import { lost } from "./lost.js";

const standing = document.getElementById("standing");
if (standing?.dataset.study) {
  const source = new EventSource(`/study/${encodeURIComponent(standing.dataset.study)}/live`);
  let first = null;
  let waiting = false;
  const renewed = async () => {
    waiting = false;
    const answer = await fetch(location.href, { headers: { accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const ticked = [...document.querySelectorAll("[name=run]:checked")].map((box) => box.value);
    for (const place of ["#standing", "#acts", "#under-way", "#groups", "[role=search] .soft", "thead", "tbody", "h1"]) {
      const [now, then] = [document.querySelector(place), page.querySelector(place)];
      if (now && then) now.replaceWith(then);
    }
    const choice = page.querySelector("#overlay");
    if (choice && !document.querySelector("#overlay")) document.querySelector(".table").after(choice);
    for (const box of document.querySelectorAll("[name=run]")) box.checked = ticked.includes(box.value);
  };
  source.addEventListener("study", ({ data }) => {
    const state = JSON.parse(data);
    if (lost(state.told)) return state.status === "gone" && source.close();
    const seen = JSON.stringify([state.status, state.done, state.runs, state.running, state.groups]);
    if (first !== null && seen !== first && !waiting) {
      waiting = true;
      setTimeout(renewed, 2000);
    }
    first = seen;
    if (state.status !== "running") source.close();
  });
}
