// Charts as a screen shows them: from passo's specifications, in light or dark, narrow or wide.

// The rows of a CSV text; Vega's own reader compiles code, which the page's policy forbids.
const rows = (text) => {
  const cells = (line) =>
    [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^",]*))/g)].map((m) =>
      m[1] === undefined ? m[2] : m[1].replaceAll('""', '"'),
    );
  return text.trimEnd().split("\n").map(cells);
};

const table = (text, parse) => {
  const [names, ...lines] = rows(text);
  const read = (name, cell) => (parse?.[name] !== "number" ? cell : cell === "" ? null : Number(cell));
  return lines.map((cells) => Object.fromEntries(names.map((name, i) => [name, read(name, cells[i])])));
};

const unpacked = (node, texts) => {
  if (Array.isArray(node)) return node.map((item) => unpacked(item, texts));
  if (node === null || typeof node !== "object") return node;
  const text = node.format?.type === "csv" ? node.values ?? texts[node.name] : undefined;
  if (typeof text === "string") return { values: table(text, node.format.parse) };
  return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, unpacked(value, texts)]));
};

// Rows keep their title where an axis goes; names longer than half a phone's screen get a line each.
const encodingNarrowed = ({ ...encoding }, room) => {
  if (encoding.y?.axis === null) encoding.y = { ...encoding.y, axis: { title: null } };
  for (const [key, channel] of Object.entries(encoding))
    if (channel?.legend?.labelLimit > room) encoding[key] = { ...channel, legend: { ...channel.legend, columns: 1, labelLimit: room - 30 } };
  return encoding;
};

// On a phone, panels that stand side by side go below each other, and none is wider than the screen.
const narrowed = (spec, room) => {
  const inner = Object.fromEntries(
    Object.entries(spec).map(([key, value]) => {
      if (["hconcat", "vconcat", "concat"].includes(key)) return [key === "concat" ? key : "vconcat", value.map((s) => narrowed(s, room))];
      if (key === "layer") return [key, value.map((s) => narrowed(s, room))];
      if (key === "spec") return [key, narrowed(value, room)];
      if (key === "encoding") return [key, encodingNarrowed(value, room)];
      if (key === "width" && typeof value === "number") return [key, Math.min(value, room)];
      return [key, value];
    }),
  );
  if (spec.columns) inner.columns = Math.max(1, Math.floor((room + 40) / ((spec.spec?.width ?? room) + 60)));
  return inner;
};

// Titles are broken into lines that fit: cut off, they would not say what a chart is of.
const inLines = (text, letters) => {
  const lines = [""];
  for (const word of [text].flat().join(" ").split(" ")) {
    if (lines.at(-1) && lines.at(-1).length + word.length >= letters) lines.push("");
    lines.push(`${lines.pop()} ${word}`.trim());
  }
  return lines;
};

const titled = (title, room) => {
  if (title === undefined) return {};
  const { text, subtitle, ...look } = typeof title === "object" && !Array.isArray(title) ? title : { text: title };
  const told = { ...look, text: inLines(text, room / 8) };
  return { title: subtitle === undefined ? told : { ...told, subtitle: inLines(subtitle, room / 6) } };
};

const forPhone = (spec, room) => {
  const { legend = {}, title = {}, ...config } = spec.config ?? {};
  const narrow = { ...config, legend: { ...legend, columns: 2, labelLimit: room / 2 - 30 }, title: { ...title, limit: room + 60 } };
  return { ...narrowed(spec, room), ...titled(spec.title, room), config: narrow };
};

// Pictures, and words beside their marks, have their places in points: such a chart is not narrowed, it shrinks whole.
const pictured = (spec) => spec.usermeta?.whole === true || JSON.stringify(spec).includes('"type":"image"');

// ── In the dark ──
// A colour keeps its hue, and light and dark change places (in OKLab), so that what stands out on paper does on a dark
// screen. Those of series stay light enough for thin lines.
const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
const encoded = (v) => (v <= 0.0031308 ? 12.92 * v : 1.055 * v ** (1 / 2.4) - 0.055);

const lab = (hex) => {
  const [r, g, b] = [1, 3, 5].map((i) => linear(parseInt(hex.slice(i, i + 2), 16) / 255));
  const [l, m, s] = [
    0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b,
    0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b,
    0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b,
  ].map(Math.cbrt);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
};

const rgb = ([L, a, b]) => {
  const [l, m, s] = [
    L + 0.3963377774 * a + 0.2158037573 * b,
    L - 0.1055613458 * a - 0.0638541728 * b,
    L - 0.0894841775 * a - 1.291485548 * b,
  ].map((v) => v ** 3);
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
};

const darkened = (hex) => {
  const [L, a, b] = lab(hex);
  const series = Math.hypot(a, b) > 0.04 && L < 0.8;
  const light = Math.max(1.2 - 0.98 * L, series ? 1.11 - 0.73 * L : 0);
  let chroma = 1;
  while (chroma > 0.05 && rgb([light, a * chroma, b * chroma]).some((v) => v < -0.001 || v > 1.001)) chroma -= 0.05;
  const shown = rgb([light, a * chroma, b * chroma]).map((v) => Math.round(255 * encoded(Math.min(1, Math.max(0, v)))));
  return "#" + shown.map((v) => v.toString(16).padStart(2, "0")).join("");
};

const NAMES = { white: "#ffffff", black: "#000000" };

const inTheDark = (node) => {
  if (Array.isArray(node)) return node.map(inTheDark);
  if (node !== null && typeof node === "object")
    return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, inTheDark(value)]));
  if (typeof node !== "string" || node.includes("data:image")) return node;
  return (NAMES[node] ?? node).replace(/#[0-9a-f]{6}\b/gi, darkened);
};

// ── Fitting ──
// A specification with its rows unpacked, for this room in pixels (null: as wide as it was made), in light or dark.
const fitted = (chart, room, inDark) => {
  const { datasets = {}, ...rest } = chart;
  const kept = Object.entries(datasets).filter(([, values]) => typeof values !== "string");
  const spec = { ...unpacked(rest, datasets), datasets: Object.fromEntries(kept), background: null };
  const fitting = room !== null && !pictured(rest) ? forPhone(spec, room) : spec;
  return inDark ? inTheDark(fitting) : fitting;
};

// What is said of a chart is said of its picture: the menu beside it is not part of an image.
const labelled = (box, words, menu) => {
  box.dataset.label ??= box.getAttribute("aria-label") ?? words;
  box.removeAttribute("role");
  box.removeAttribute("aria-label");
  const picture = box.querySelector("svg.marks");
  picture.removeAttribute("aria-roledescription");
  picture.setAttribute("role", "img");
  picture.setAttribute("aria-label", words ?? box.dataset.label);
  box.querySelector("summary")?.setAttribute("aria-label", menu);
};
