/**
 * Script that makes the tables of a page sortable, by a click or Enter on a heading, and long tables filterable.
 * Without scripts the tables keep their order.
 */
export const tableScript = `for (const table of document.querySelectorAll("table:has(thead)")) {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells], rows = [...body.rows];
  const value = (row, i) => row.cells[i].dataset.value ?? row.cells[i].textContent;
  const number = (text) => Number.parseFloat(text.replaceAll(",", ""));
  heads.forEach((head, i) => {
    head.tabIndex = 0;
    head.title = "sort";
    const numeric = head.classList.contains("number");
    const compare = (a, b) => (numeric ? number(a) - number(b) : a.localeCompare(b));
    const sort = () => {
      const up = head.ariaSort === "descending" || (head.ariaSort === null && !numeric);
      for (const other of heads) other.ariaSort = null;
      head.ariaSort = up ? "ascending" : "descending";
      const none = (row) => value(row, i) === "-";
      rows.sort((a, b) => none(a) - none(b) || (up ? 1 : -1) * compare(value(a, i), value(b, i)));
      body.append(...rows);
    };
    head.addEventListener("click", sort);
    head.addEventListener("keydown", (event) => { if (event.key === "Enter") sort(); });
  });
  if (rows.length < 6) continue;
  const box = document.createElement("input");
  box.type = "search";
  box.placeholder = "filter " + rows.length + " rows";
  box.ariaLabel = box.placeholder;
  box.addEventListener("input", () => {
    const words = box.value.toLowerCase().split(" ").filter(Boolean);
    for (const row of rows) row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
  });
  table.before(box);
}`;

/** CSS for sortable and filterable tables. */
export const tableStyle = `th[tabindex] { cursor: pointer; user-select: none; } th[tabindex]:hover { text-decoration: underline; }
th[aria-sort=ascending]::after { content: " \\25b2"; } th[aria-sort=descending]::after { content: " \\25bc"; }
input[type=search] { font: inherit; font-size: 13px; padding: 3px 8px; margin-bottom: 0.5em; min-width: 16em; }
@media print { input[type=search] { display: none; } th[aria-sort]::after { content: ""; } }`;
