(() => {
  "use strict";
  const root = document.documentElement;
  const stored = {
    get: () => { try { return localStorage.getItem("theme"); } catch { return null; } },
    set: (theme) => { try { localStorage.setItem("theme", theme); } catch { /* file:// may forbid it */ } },
  };
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const button = document.querySelector(".theme");
  const theme = () => root.dataset.theme || (dark.matches ? "dark" : "light");
  const other = () => (theme() === "dark" ? "light" : "dark");
  const name = () => { button.textContent = other() === "dark" ? "Dark" : "Light"; button.setAttribute("aria-label", `Switch to the ${other()} theme`); };
  const remember = () => { if (["light", "dark"].includes(stored.get())) root.dataset.theme = stored.get(); name(); };
  button.addEventListener("click", () => { root.dataset.theme = other(); stored.set(root.dataset.theme); name(); });
  dark.addEventListener("change", name);
  // Switched on another page, or a moment before this one was opened.
  addEventListener("storage", remember);
  button.hidden = false;
  remember();

  const value = (row, column) => {
    const cell = row.cells[column];
    return cell.classList.contains("number") ? Number(cell.dataset.value ?? NaN) : cell.textContent.trim();
  };
  const compare = (a, b) => {
    if (typeof a === "string") return a.localeCompare(b, "en", { numeric: true });
    return a - b;
  };
  const sort = (table, heading, column) => {
    const numeric = heading.classList.contains("number");
    const was = heading.getAttribute("aria-sort");
    const order = was ? (was === "ascending" ? "descending" : "ascending") : numeric ? "descending" : "ascending";
    const sign = order === "ascending" ? 1 : -1;
    const missing = (cell) => Number.isNaN(cell);
    const body = table.tBodies[0];
    const rows = [...body.rows].sort((one, two) => {
      const a = value(one, column), b = value(two, column);
      return missing(a) || missing(b) ? missing(a) - missing(b) : sign * compare(a, b);
    });
    for (const each of table.tHead.rows[0].cells) each.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", order);
    body.append(...rows);
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    if (table.tBodies[0].rows.length < 2) continue;
    [...table.tHead.rows[0].cells].forEach((heading, column) => {
      const sorter = document.createElement("button");
      sorter.type = "button";
      sorter.append(...heading.childNodes);
      sorter.addEventListener("click", () => sort(table, heading, column));
      heading.append(sorter);
    });
  }

  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
  const mark = () => {
    let current = null;
    for (const id of links.keys()) {
      const section = document.getElementById(id);
      if (section && section.getBoundingClientRect().top < innerHeight * 0.35) current = id;
    }
    for (const [id, link] of links) {
      if (id === current) link.setAttribute("aria-current", "true"); else link.removeAttribute("aria-current");
    }
  };
  addEventListener("scroll", mark, { passive: true });
  mark();

  for (const details of document.querySelectorAll("details")) {
    addEventListener("beforeprint", () => { details.dataset.was = details.open; details.open = true; });
    addEventListener("afterprint", () => { details.open = details.dataset.was === "true"; });
  }
})();
