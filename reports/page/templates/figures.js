(() => {
  "use strict";
  const MOST_ROWS = 8, AWAY = 14, REACH = 24;
  const svg = (name, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };
  const html = (name, className, text) => {
    const element = document.createElement(name);
    element.className = className;
    element.textContent = text;
    return element;
  };
  const between = (low, value, high) => Math.max(low, Math.min(value, high));
  const nearest = (places, at) => places.reduce((best, place, i) => (Math.abs(place - at) < Math.abs(places[best] - at) ? i : best), 0);

  const spoken = html("div", "spoken", "");
  spoken.setAttribute("role", "status");
  document.body.append(spoken);

  // A panel's points in pixels of its drawing, from shares of ten thousand.
  const prepare = (drawing, panel, [left, top, width, height], places) => {
    const rows = panel.along === "y";
    const [begin, length, start, depth] = rows ? [top, height, left, width] : [left, width, top, height];
    const pixels = (shares, from, size) => shares.map((share) => from + (share / 10000) * size);
    const series = panel.series?.map((each) => {
      const at = pixels(places[each.at][0], begin, length);
      const gaps = at.slice(1).map((place, i) => place - at[i]).filter((gap) => gap > 0).sort((a, b) => a - b);
      const reach = each.reach ? Math.max((each.reach / 10000) * length, 3) : Math.max(10, 0.75 * (gaps[gaps.length >> 1] ?? REACH));
      return { ...each, at, aside: pixels(each.points, start, depth), reach, places: places[each.at][1] };
    }) ?? [];
    return { ...panel, drawing, rows, left, top, width, height, begin, length, series };
  };
  const visible = (panel) => panel.series.filter((each) => each.at.length && !panel.drawing.away.has(each.toggle));
  const pixel = (panel, series, i) => (panel.rows ? [series.aside[i], series.at[i]] : [series.at[i], series.aside[i]]);
  const within = (series, at) => {
    const i = nearest(series.at, at);
    return Math.abs(series.at[i] - at) <= series.reach ? i : -1;
  };

  // What is nearest to a pointer in a panel: a point, a cell, or nothing.
  const find = (panel, x, y) => {
    if (panel.cells) {
      const { places, rows } = panel.cells;
      const column = between(0, Math.floor(((x - panel.left) / panel.width) * places.length), places.length - 1);
      const row = between(0, Math.floor((1 - (y - panel.top) / panel.height) * rows.length), rows.length - 1);
      return cell(panel, column, row);
    }
    const [at, aside] = panel.rows ? [y, x] : [x, y];
    let best = null;
    for (const series of visible(panel)) {
      const far = panel.along === "xy"
        ? series.at.map((place, i) => Math.hypot(place - at, series.aside[i] - aside))
        : null;
      const i = far ? nearest(far, 0) : within(series, at);
      if (i < 0 || (far && far[i] > 2 * REACH)) continue;
      const distance = far ? far[i] : Math.abs(series.aside[i] - aside);
      if (!best || distance < best.distance) best = { panel, series, i, at: series.at[i], distance };
    }
    return best;
  };
  const cell = (panel, column, row) => ({ panel, column, row, at: panel.left + ((column + 0.5) / panel.cells.places.length) * panel.width });

  const clear = () => {
    for (const drawing of drawings) {
      drawing.over.replaceChildren();
      drawing.box.hidden = true;
    }
    current = null;
    spoken.textContent = "";
  };

  // Marks a place in a panel and says what is there: rows of [series, words, y, pointed].
  const read = (panel, at, hit) => {
    const { over } = panel.drawing;
    const [from, to] = panel.rows ? [panel.left, panel.left + panel.width] : [panel.top, panel.top + panel.height];
    if (panel.along !== "xy") over.append(svg("line", panel.rows
      ? { x1: from, x2: to, y1: at, y2: at, class: "row" } : { x1: at, x2: at, y1: from, y2: to, class: "hair" }));
    if (panel.cells) {
      if (!hit) return [];
      const { rows, places, counts } = panel.cells;
      const [first, ...seen] = counts[hit.column];
      const count = seen[hit.row - first] ?? 0;
      const [width, height] = [panel.width / places.length, panel.height / rows.length];
      over.append(svg("rect", { x: panel.left + hit.column * width, y: panel.top + panel.height - (hit.row + 1) * height, width, height, class: "cell" }));
      return [{ name: rows[hit.row], words: `${count.toLocaleString("en")} ${count === 1 ? "step" : "steps"}`, y: 0, place: places[hit.column] }];
    }
    const told = panel.along === "xy" ? [hit.series] : visible(panel);
    const found = told.map((series) => ({ series, i: series === hit?.series ? hit.i : within(series, at) })).filter(({ i }) => i >= 0);
    return found.map(({ series, i }) => {
      const [cx, cy] = pixel(panel, series, i);
      const pointed = series === hit?.series;
      return { name: series.name, colour: series.colour, words: series.words[i], place: series.places[i], x: cx, y: cy, pointed };
    });
  };

  const show = (drawing, rows, panel, at, hit, alone) => {
    const { box, over, element, scale } = drawing;
    if (alone) rows.sort((a, b) => a.y - b.y);
    const from = hit ? rows.find((row) => row.pointed)?.y ?? 0 : 0;
    const kept = rows.length <= MOST_ROWS ? rows
      : rows.toSorted((a, b) => Math.abs(a.y - from) - Math.abs(b.y - from)).slice(0, MOST_ROWS).sort((a, b) => a.y - b.y);
    for (const { x, y, colour, pointed } of kept) {
      if (colour) {
        const dot = svg("circle", { cx: x, cy: y, r: pointed ? 5 : 4 });
        dot.style.fill = `var(--${colour})`;
        over.append(dot);
      }
    }
    const place = (rows.find((row) => row.pointed) ?? rows[0])?.place;
    box.hidden = place === undefined;
    if (box.hidden) return "";
    const heading = [panel.title, place + (panel.after ?? "")].filter(Boolean).join(" · ");
    const list = html("dl", "", "");
    for (const row of kept) {
      const line = html("div", row.pointed && kept.length > 1 ? "pointed" : "", "");
      const name = html("dt", "", row.name);
      if (row.colour) {
        const swatch = html("i", "", "");
        swatch.style.background = `var(--${row.colour})`;
        name.prepend(swatch);
      }
      line.append(name, html("dd", "", row.words));
      list.append(line);
    }
    box.replaceChildren(html("p", "", heading), list);
    if (rows.length > kept.length) box.append(html("p", "more", `and ${rows.length - kept.length} more`));
    const ratio = scale();
    const room = element.parentElement.clientWidth, height = element.getBoundingClientRect().height;
    const anchor = (panel.rows ? panel.left + panel.width / 2 : panel.along === "xy" && hit ? rows[0].x : at) * ratio;
    const right = anchor + AWAY, left = anchor - AWAY - box.offsetWidth;
    const x = panel.rows ? anchor - box.offsetWidth / 2 : right + box.offsetWidth <= room ? right : left;
    const y = panel.rows
      ? (at * ratio + AWAY + box.offsetHeight <= height ? at * ratio + AWAY : at * ratio - AWAY - box.offsetHeight)
      : panel.along === "xy" ? rows[0].y * ratio - box.offsetHeight / 2 : panel.top * ratio + 4;
    box.style.transform = `translate(${Math.round(between(0, x, room - box.offsetWidth))}px, ${Math.round(Math.max(0, Math.min(y, height - box.offsetHeight)))}px)`;
    return `${heading}: ${kept.map((row) => `${row.name} ${row.words}`).join("; ")}`;
  };

  // Shows what was hit, and the same place on all panels linked to its own.
  const point = (hit, aloud) => {
    clear();
    if (!hit) return;
    const { panel } = hit;
    const share = (hit.at - panel.begin) / panel.length;
    const same = (each) => each === panel || (panel.link && each.link === panel.link);
    for (const drawing of drawings.filter(({ element }) => element.getClientRects().length)) {
      const linked = drawing.panels.filter(same);
      if (!linked.length) continue;
      const own = linked.includes(panel);
      const place = (each) => (each === panel ? hit.at : each.begin + share * each.length);
      const rows = linked.flatMap((each) => read(each, place(each), each === panel ? hit : null));
      const first = own ? panel : linked[0];
      const said = show(drawing, rows, first, place(first), own ? hit : null, linked.length === 1);
      if (own && aloud) {
        const { series, i } = hit;
        spoken.textContent = series ? `${[panel.title, series.places[i] + (panel.after ?? "")].filter(Boolean).join(", ")}: ${series.name} ${series.words[i]}` : said;
      }
    }
    current = hit;
  };

  const moved = (drawing, event) => {
    const area = drawing.element.getBoundingClientRect(), ratio = drawing.scale();
    const x = (event.clientX - area.left) / ratio, y = (event.clientY - area.top) / ratio;
    const outside = ({ left, top, width, height }) =>
      Math.max(left - x, x - left - width, 0) + Math.max(top - y, y - top - height, 0);
    const panel = drawing.panels.reduce((best, each) => (outside(each) < outside(best) ? each : best));
    const hit = outside(panel) <= AWAY ? find(panel, x, y) : null;
    if (!hit || ["panel", "series", "i", "column", "row"].some((key) => hit[key] !== current?.[key])) point(hit, event.pointerType === "touch");
  };

  // The next point for an arrow key: along a series, or on the next series.
  const step = (drawing, key) => {
    const lines = drawing.panels.flatMap((panel) => visible(panel).map((series) => ({ panel, series })));
    const cells = drawing.panels.find((panel) => panel.cells);
    const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key] ?? [0, 0];
    const end = key === "Home" ? -1 : key === "End" ? 1 : 0;
    const was = current?.panel.drawing === drawing ? current : null;
    if (cells) {
      const { places, rows, counts } = cells.cells;
      const fullest = ([first, ...seen]) => (seen.length ? first + seen.indexOf(Math.max(...seen)) : 0);
      if (!was) return cell(cells, 0, fullest(counts[0]));
      const column = end ? (end < 0 ? 0 : places.length - 1) : between(0, was.column + dx, places.length - 1);
      return cell(cells, column, between(0, was.row - dy, rows.length - 1));
    }
    if (!lines.length) return null;
    const hit = ({ panel, series }, i) => ({ panel, series, i, at: series.at[i] });
    if (!was) return hit(lines[0], 0);
    const last = was.series.at.length - 1;
    const [along, over] = was.panel.rows ? [dy, dx] : [dx, dy];
    if (!over) return hit(was, end ? (end < 0 ? 0 : last) : between(0, was.i + along, last));
    const next = lines[between(0, lines.findIndex(({ series }) => series === was.series) + over, lines.length - 1)];
    const share = (was.at - was.panel.begin) / was.panel.length;
    return hit(next, next.series === was.series ? was.i : nearest(next.series.at, next.panel.begin + share * next.panel.length));
  };

  const toggle = (figure, name) => {
    clear();
    for (const drawing of drawings.filter(({ element }) => element.closest("figure") === figure)) {
      const off = !drawing.away.delete(name);
      if (off) drawing.away.add(name);
      for (const part of drawing.element.querySelectorAll(`[data-series="${CSS.escape(name)}"]`)) {
        const label = part.querySelector("text");
        if (label) label.setAttribute("aria-pressed", String(!off)); else part.classList.toggle("away", off);
      }
    }
  };

  const drawings = [];
  let current = null;
  for (const element of document.querySelectorAll("svg[data-boxes]")) {
    const figure = element.closest("figure");
    const { places, panels } = JSON.parse(element.dataset.readings ?? figure.querySelector("[data-readings]").dataset.readings);
    const boxes = JSON.parse(element.dataset.boxes);
    const drawing = {
      element,
      away: new Set(),
      box: html("div", "reading", ""),
      over: svg("g", { class: "over" }),
      scale: () => element.getBoundingClientRect().width / element.viewBox.baseVal.width,
    };
    drawing.panels = panels.map((panel, i) => prepare(drawing, panel, boxes[i], places));
    drawing.box.hidden = true;
    drawing.box.setAttribute("aria-hidden", "true");
    element.append(drawing.over);
    element.after(drawing.box);
    drawings.push(drawing);

    const title = element.querySelector("title");
    element.removeAttribute("aria-labelledby");
    element.setAttribute("aria-label", `${title.textContent}. Arrow keys read its points.`);
    element.setAttribute("role", "application");
    element.setAttribute("aria-roledescription", "figure");
    element.setAttribute("tabindex", "0");
    title.remove();
    element.addEventListener("pointermove", (event) => moved(drawing, event));
    element.addEventListener("pointerdown", (event) => moved(drawing, event));
    element.addEventListener("pointerleave", (event) => { if (event.pointerType !== "touch") clear(); });
    element.addEventListener("blur", clear);
    element.addEventListener("keydown", (event) => {
      if (event.target !== element || event.altKey || event.ctrlKey || event.metaKey) return;
      if (!/^(Arrow(Left|Right|Up|Down)|Home|End)$/.test(event.key)) return;
      event.preventDefault();
      point(step(drawing, event.key), true);
    });

    const names = [...element.querySelectorAll("[data-series] > text")];
    for (const name of names.length > 1 ? names : []) {
      const series = name.parentElement.dataset.series;
      name.setAttribute("role", "button");
      name.setAttribute("tabindex", "0");
      name.setAttribute("aria-label", `Show ${name.textContent}`);
      name.setAttribute("aria-pressed", "true");
      name.addEventListener("click", () => toggle(figure, series));
      name.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        toggle(figure, series);
      });
    }
  }
  addEventListener("pointerdown", (event) => { if (!event.target.closest("svg[data-boxes]")) clear(); });
  addEventListener("keydown", (event) => { if (event.key === "Escape") clear(); });
})();
