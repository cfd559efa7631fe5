// Draws the charts one after the other, from the specifications that the page carries.

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

// On a phone, panels that stand side by side go below each other, and none is wider than the screen.
const narrowed = (spec, room) => {
  const inner = Object.fromEntries(
    Object.entries(spec).map(([key, value]) => {
      if (["hconcat", "vconcat", "concat"].includes(key)) return [key === "concat" ? key : "vconcat", value.map((s) => narrowed(s, room))];
      if (key === "layer") return [key, value.map((s) => narrowed(s, room))];
      if (key === "spec") return [key, narrowed(value, room)];
      if (key === "encoding" && value.y?.axis === null) return [key, { ...value, y: { ...value.y, axis: { title: null } } }];
      if (key === "width" && typeof value === "number") return [key, Math.min(value, room)];
      return [key, value];
    }),
  );
  if (spec.columns) inner.columns = Math.max(1, Math.floor((room + 40) / ((spec.spec?.width ?? room) + 60)));
  return inner;
};

const forPhone = (spec, room) => {
  const { legend = {}, title = {}, ...config } = spec.config ?? {};
  const narrow = { ...config, legend: { ...legend, columns: 2, labelLimit: room / 2 }, title: { ...title, limit: room } };
  return { ...narrowed(spec, room), config: narrow };
};

// Pictures have their places in points: such a chart is not narrowed, it shrinks as a whole.
const pictured = (spec) => JSON.stringify(spec).includes('"type":"image"');

(async () => {
  const specs = JSON.parse(document.getElementById("charts").textContent);
  const narrow = window.matchMedia("screen and (max-width: 640px)").matches;
  const options = {
    mode: "vega-lite",
    renderer: "svg",
    ast: true, // expressions are interpreted, so that the page needs no eval
    actions: { export: true, source: false, compiled: false, editor: false },
  };
  for (const box of document.querySelectorAll("[data-chart]")) {
    try {
      const { datasets = {}, ...chart } = specs[box.dataset.chart];
      const kept = Object.entries(datasets).filter(([, values]) => typeof values !== "string");
      const spec = { ...unpacked(chart, datasets), datasets: Object.fromEntries(kept), background: null };
      const whole = pictured(chart);
      box.classList.toggle("pictured", whole);
      await vegaEmbed(box, narrow && !whole ? forPhone(spec, box.clientWidth - 76) : spec, options);
    } catch (error) {
      box.textContent = "This chart could not be drawn: " + error.message;
      console.error(box.dataset.chart, error);
    }
  }
  document.documentElement.dataset.charts = "drawn";
})();
