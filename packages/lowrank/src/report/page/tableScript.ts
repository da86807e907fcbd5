/**
 * Script that makes the tables of a page sortable, by a click on a heading or the keyboard, and long tables filterable.
 * Without scripts the tables keep their order.
 */
export const tableScript: string = `for (const table of document.querySelectorAll("table:has(thead)")) {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells], rows = [...body.rows];
  const value = (row, i) => row.cells[i].dataset.value ?? row.cells[i].textContent;
  const number = (text) => Number.parseFloat(text.replaceAll(",", ""));
  heads.forEach((head, i) => {
    const button = document.createElement("button");
    button.type = "button";
    button.title = "sort by " + head.textContent;
    button.append(...head.childNodes);
    head.append(button);
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
    button.addEventListener("click", sort);
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
export const tableStyle: string = `th button { all: unset; cursor: pointer; } th button:hover { text-decoration: underline; }
th button:focus-visible, .wide:focus-visible, input:focus-visible { outline: 2px solid var(--c0); outline-offset: 2px; }
th[aria-sort=ascending]::after { content: " \\25b2"; } th[aria-sort=descending]::after { content: " \\25bc"; }
input[type=search] { font: inherit; font-size: 13px; color: inherit; background: var(--page); border: 1px solid #8889; border-radius: 4px; padding: 3px 8px; margin-bottom: 0.5em; width: 16em; max-width: 100%; }
@media print { input[type=search] { display: none; } th[aria-sort]::after { content: ""; } }`;
