// A form whose command is shown while it is filled in; a name that is chosen brings the options of what it names.
import { asked, inTurn } from "./asking.js";

const form = document.getElementById("new");
const command = document.getElementById("command");
const wrong = document.getElementById("wrong");
const time = document.getElementById("time");

const query = () => {
  const found = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (String(value).trim()) found.append(name, value);
  return found;
};

const check = inTurn(async (estimate) => {
  const found = query();
  history.replaceState(null, "", `?${found}`);
  if (estimate) found.set("estimate", "1");
  try {
    const told = await asked(`/new/checked?${found}`);
    command.textContent = told.command;
    [wrong.textContent, wrong.hidden] = [told.wrong, !told.wrong];
    if (estimate) time.textContent = told.estimate;
  } catch (error) {
    [wrong.textContent, wrong.hidden] = [error.message, false];
  }
  document.documentElement.dataset.checked = String(Number(document.documentElement.dataset.checked ?? 0) + 1);
});

for (const choice of form.querySelectorAll("[data-anew]")) choice.addEventListener("change", () => location.assign(`?${query()}`));

if (!wrong) {
  // The form of a study is made anew at every change.
  form.addEventListener("change", ({ target }) => "anew" in target.dataset || location.assign(`?${query()}`));
} else {
  form.addEventListener("change", ({ target }) => {
    if ("anew" in target.dataset) return;
    time.textContent = "";
    check(false);
  });
  document.getElementById("estimate").addEventListener("click", (event) => {
    event.preventDefault();
    time.textContent = time.dataset.measuring;
    check(true);
  });
}
