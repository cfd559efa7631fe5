// Charts on every page: one way to draw, in the theme that was chosen.
const wide = window.matchMedia("screen and (min-width: 641px)");
const scheme = window.matchMedia("(prefers-color-scheme: dark)");

export const words = JSON.parse(document.getElementById("words")?.textContent ?? "{}");

export const isDark = () => {
  const theme = document.documentElement.dataset.theme;
  return theme === "dark" || (theme === "auto" && scheme.matches);
};

export const onChange = (again) => {
  scheme.addEventListener("change", again);
  wide.addEventListener("change", again);
};

export const embed = async (box, spec, sentence) => {
  const { view } = await vegaEmbed(box, fitted({ ...spec, description: sentence }, wide.matches ? null : Math.max(160, box.clientWidth - 76), isDark()), {
    mode: "vega-lite",
    renderer: "svg",
    ast: true,
    defaultStyle: false,
    tooltip: { disableDefaultStyle: true },
    i18n: words.i18n,
    actions: { export: true, source: false, compiled: false, editor: false },
  });
  labelled(box, sentence, words.i18n.CLICK_TO_VIEW_ACTIONS);
  // The picture is one image with a sentence; parts of it that have a role and no words would be read as images, too.
  for (const part of box.querySelectorAll("svg.marks [role]:not([aria-label])")) {
    part.removeAttribute("role");
    part.removeAttribute("aria-roledescription");
  }
  // What Vega says of axes, legends and titles is English; the sentence holds it.
  for (const part of box.querySelectorAll("svg.marks :is(.role-axis, .role-legend, .role-title), svg.marks :is(.role-axis, .role-legend, .role-title) [aria-label]"))
    for (const name of ["role", "aria-roledescription", "aria-label"]) part.removeAttribute(name);
  return view;
};

export { asked, inTurn } from "./asking.js";
