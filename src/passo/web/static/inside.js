// Look inside: images of a cell, what the model makes of an image, and long answers that are asked for again and again.
import { asked, embed, inTurn, onChange, words } from "./charts.js";

const said = words.inside;
const look = document.getElementById("look");
const key = document.querySelector("meta[name=form-key]").content;
const address = look?.dataset.address;

const failed = (error) => {
  const box = document.getElementById("wrong");
  box.textContent = error?.message ?? "";
  box.hidden = !error;
};

// What came is told to who does not see it.
export const tell = (part) => (document.getElementById("told").textContent = part.querySelector("[data-told]")?.textContent.trim() ?? "");

// ── The confusion matrix: arrow keys move over its cells ──
const confusing = document.getElementById("confusing");
const table = () => document.getElementById("confusion");
const once = () => table()?.querySelectorAll("td a").forEach((cell, i) => (cell.tabIndex = i ? -1 : 0));
once();
const beside = (cell, [down, across]) => {
  const { rows } = table().tBodies[0];
  let [row, column] = [cell.closest("tr").sectionRowIndex, cell.closest("td").cellIndex];
  for (;;) {
    [row, column] = [row + down, column + across];
    const next = rows[row]?.cells[column];
    if (!next || column < 1) return null;
    const link = next.querySelector("a");
    if (link) return link;
  }
};
confusing?.addEventListener("keydown", (event) => {
  const way = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
  const next = way && event.target.closest("td a") && beside(event.target, way);
  if (!next) return;
  event.target.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
  event.preventDefault();
});
const showCell = inTurn(async (link) => {
  const box = document.getElementById("confused");
  const query = new URL(link.href).search;
  table().querySelector("td.chosen")?.classList.remove("chosen");
  link.closest("td").classList.add("chosen");
  try {
    box.innerHTML = (await asked(`${address}/confused${query}`)).html;
    tell(box);
  } catch (error) {
    box.textContent = error.message;
  }
  history.replaceState(null, "", query);
  document.documentElement.dataset.confused = query;
});
confusing?.addEventListener("click", (event) => {
  const link = event.target.closest("#confusion td a");
  if (!link || !address || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  showCell(link);
});
const counted = async () => {
  const answer = await fetch(location.href, { headers: { accept: "text/html" } });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("confusing");
  if (page && !page.dataset.waiting) {
    confusing.replaceChildren(...page.childNodes);
    once();
  } else setTimeout(counted, 2000);
};
if (confusing?.dataset.waiting) setTimeout(counted, 2000);

// ── What the model makes of an image ──
const form = document.getElementById("asking");
const box = document.getElementById("seen");
let picture = null; // bytes that were drawn or sent; null where a test image is asked for

const query = (wanted) => {
  const found = new URLSearchParams();
  if (!picture) found.set("image", form.elements.image.value);
  if (form.elements.layer.value) found.set("layer", form.elements.layer.value);
  if (form.elements.invert.checked) found.set("invert", "1");
  if (wanted) found.set("class", wanted);
  return found;
};

const sent = async (where, body) => {
  const headers = { accept: "application/json", "x-passo-form": key, "content-type": "application/octet-stream" };
  const answer = await fetch(where, { method: "POST", headers, body });
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.error);
  return told;
};

const show = inTurn(async (wanted) => {
  try {
    const where = `${address}/seen?${query(wanted)}`;
    box.innerHTML = (picture ? await sent(where, picture) : await asked(where)).html;
    tell(box);
    failed(null);
    if (!picture) history.replaceState(null, "", `?${query(wanted)}`);
  } catch (error) {
    box.replaceChildren();
    failed(error);
  }
  document.documentElement.dataset.seen = String(Number(document.documentElement.dataset.seen ?? 0) + 1);
});

export const showTest = (place) => {
  picture = null;
  form.elements.image.value = place;
  show();
  look.scrollIntoView();
};

form?.addEventListener("submit", (event) => {
  event.preventDefault();
  picture = null;
  show();
});
form?.addEventListener("change", ({ target }) => {
  if (target.name === "image") picture = null;
  if (target.name && (picture || form.elements.image?.value)) show();
});
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-image]");
  if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    showTest(link.dataset.image);
  }
});
box?.addEventListener("click", (event) => {
  const chosen = event.target.closest("[data-class]")?.dataset.class;
  if (chosen === undefined) return;
  event.preventDefault();
  for (const one of box.querySelectorAll("figure.large")) one.hidden = one.dataset.class !== chosen;
  for (const row of box.querySelectorAll(".probabilities tr"))
    row.classList.toggle("chosen", row.querySelector("th [data-class]").dataset.class === chosen);
});
box?.addEventListener("change", ({ target }) => target.id === "other" && target.value && show(target.value));

// ── A picture of one's own ──
for (const part of document.querySelectorAll(".scripted")) part.hidden = false;
document.getElementById("file")?.addEventListener("change", ({ target }) => {
  const [file] = target.files;
  if (!file) return;
  if (file.size > Number(look.dataset.largest)) {
    failed(new Error(said.large));
    return;
  }
  picture = file;
  show();
});

const canvas = document.getElementById("drawn");
if (canvas) {
  const [high, wide] = [Number(canvas.dataset.high), Number(canvas.dataset.wide)];
  const scale = 280 / Math.max(high, wide);
  [canvas.width, canvas.height] = [Math.round(wide * scale), Math.round(high * scale)];
  const pen = canvas.getContext("2d");
  const clear = () => {
    pen.fillStyle = "#000";
    pen.fillRect(0, 0, canvas.width, canvas.height);
  };
  clear();
  Object.assign(pen, { strokeStyle: "#fff", lineWidth: canvas.width / 13, lineCap: "round", lineJoin: "round" });
  const at = (event) => {
    const place = canvas.getBoundingClientRect();
    return [((event.clientX - place.left) * canvas.width) / place.width, ((event.clientY - place.top) * canvas.height) / place.height];
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    event.preventDefault();
    let last = at(event);
    const stroke = (now) => {
      const next = at(now);
      pen.beginPath();
      pen.moveTo(...last);
      pen.lineTo(...next);
      pen.stroke();
      last = next;
    };
    stroke(event);
    const ended = () => {
      canvas.removeEventListener("pointermove", stroke);
      canvas.toBlob((blob) => {
        picture = blob;
        show();
      });
    };
    canvas.addEventListener("pointermove", stroke);
    canvas.addEventListener("lostpointercapture", ended, { once: true });
  });
  document.getElementById("clear").addEventListener("click", () => {
    clear();
    if (picture instanceof Blob && !(picture instanceof File)) box.replaceChildren();
  });
}

// ── Answers that take long ──
const pause = (time) => new Promise((done) => setTimeout(done, time));

export const errand = async (form, query) => {
  const doing = form.querySelector(".doing");
  const button = form.querySelector("button");
  button.disabled = true;
  const begun = performance.now();
  try {
    for (;;) {
      const found = await asked(`${address}/${form.dataset.part}?${query}`);
      if (!found.doing) {
        doing.textContent = "";
        return found;
      }
      doing.textContent = `${found.doing} …`;
      await pause(Math.min(1000, 300 + (performance.now() - begun) / 10));
    }
  } catch (error) {
    doing.textContent = error.message;
    return null;
  } finally {
    button.disabled = false;
  }
};

const trust = document.getElementById("trust");
if (trust) {
  const [chart, caption] = [trust.querySelector(".chart"), trust.querySelector(".caption")];
  let found = null;
  const draw = async () => {
    if (!found) return;
    trust.querySelector(".told").innerHTML = found.html;
    tell(trust);
    trust.querySelector("figure").dataset.shown = "1";
    await embed(chart, found.spec, found.sentence);
    caption.textContent = found.caption;
  };
  trust.querySelector("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const asking = event.target;
    const wish = new URLSearchParams({ images: asking.elements.images.value });
    if (form.elements.layer.value) wish.set("layer", form.elements.layer.value);
    found = (await errand(asking, wish)) ?? found;
    await draw();
    document.documentElement.dataset.trusted = String(found !== null);
  });
  onChange(draw);
}
document.documentElement.dataset.inside = "ready";
