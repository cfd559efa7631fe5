// Tables as the server tells them: columns, rows, and a note, which is their caption.
const cells = (row, tag, look) =>
  row.map((text, i) => {
    const cell = document.createElement(i === 0 || tag === "th" ? "th" : "td");
    if (cell.tagName === "TH") cell.scope = tag === "th" ? "col" : "row";
    cell.textContent = text;
    cell.className = look(i);
    return cell;
  });

const line = (row, tag, look) => {
  const tr = document.createElement("tr");
  tr.append(...cells(row, tag, look));
  return tr;
};

export const tablesOf = (tables, kind) =>
  (tables ?? []).map(({ columns, rows, note }) => {
    const look = (i) => (i === 0 ? "" : i === 1 && kind === "apart" ? "equation" : "number");
    const table = document.createElement("table");
    table.className = kind;
    table.createCaption().textContent = note;
    table.createTHead().append(line(columns, "th", (i) => (look(i) === "number" ? "number" : "")));
    table.createTBody().append(...rows.map((row) => line(row, "td", look)));
    const box = document.createElement("div");
    box.className = "table";
    box.tabIndex = 0;
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", note);
    box.append(table);
    return box;
  });
