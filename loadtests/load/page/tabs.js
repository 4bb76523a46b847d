// Fills the tabs Distribution and Runs of Locust's page, which knows their titles and leaves them empty.

const EVERY_MS = 1000;
const at = (path) => new URL(path, import.meta.url).href;
const SHOWS = { Distribution: { from: at("distribution"), draw: distribution }, Runs: { from: at("runs"), draw: runs } };

const host = document.createElement("div");
host.id = "loadtest-tab";
const root = host.attachShadow({ mode: "open" });
const content = element("div", { class: "tab" });
root.append(element("link", { rel: "stylesheet", href: at("tabs.css") }), content);

let shown = null;
let last = "";
let asking = false;

new MutationObserver(follow).observe(document.getElementById("root"), {
  subtree: true, childList: true, attributes: true, attributeFilter: ["aria-selected"],
});
document.addEventListener("visibilitychange", refresh);
setInterval(refresh, EVERY_MS);
follow();

/** Moves our content under the tab that is selected, or away. */
function follow() {
  const tab = document.querySelector('[role="tab"][aria-selected="true"]');
  const name = tab?.textContent.trim();
  if (!(name in SHOWS)) {
    shown = null;
    if (host.isConnected) host.remove();
    return;
  }
  const place = tab.closest(".MuiTabs-root")?.parentElement?.parentElement ?? document.querySelector("main");
  if (place && host.parentElement !== place) place.append(host);
  if (shown !== name) {
    shown = name;
    last = "";
    content.replaceChildren();
    refresh();
  }
}

async function refresh() {
  host.style.colorScheme = isDark() ? "dark" : "light";
  const wanted = shown;
  if (!wanted || document.hidden || asking) return;
  asking = true;
  try {
    const answer = await fetch(SHOWS[wanted].from, { redirect: "manual" });
    if (answer.type === "opaqueredirect" || answer.status === 401) return say("You are logged out: reload the page to log in again.");
    if (!answer.ok) return say(`The page answered with ${answer.status}.`);
    const text = await answer.text();
    if (wanted !== shown || text === last) return;
    last = text;
    content.replaceChildren(...SHOWS[wanted].draw(JSON.parse(text)).filter(Boolean));
  } catch {
    say("Locust does not answer: has it ended?");
  } finally {
    asking = false;
    if (shown && shown !== wanted) refresh();
  }
}

function say(words) {
  if (last === words) return;
  last = words;
  content.replaceChildren(element("p", { class: "empty", role: "status" }, words));
}

function isDark() {
  const [red, green, blue] = (getComputedStyle(document.body).backgroundColor.match(/\d+/g) ?? [255, 255, 255]).map(Number);
  return 0.299 * red + 0.587 * green + 0.114 * blue < 128;
}

/** An element with attributes and children; text is only ever text. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

function table(caption, headings, rows) {
  const numeric = (column) => (headings[column].startsWith("#") ? { class: "number" } : {});
  const head = headings.map((words, column) => element("th", { scope: "col", ...numeric(column) }, words.replace("#", "")));
  const body = rows.map((cells) => element("tr", {}, cells.map((cell, column) =>
    column ? element("td", numeric(column), cell) : element("th", { scope: "row" }, cell))));
  return element("div", { class: "scroll" }, element("table", {},
    element("caption", {}, caption), element("thead", {}, element("tr", {}, head)), element("tbody", {}, body)));
}

const whole = (value) => Math.round(value).toLocaleString("en");
const short = (value) => value.toLocaleString("en", { maximumFractionDigits: 1 });
const percent = (part, all) => (all ? `${(100 * part / all).toFixed(1)} %` : "–");
const sum = (parts, key) => parts.reduce((total, part) => total + part[key], 0);

// Distribution

function distribution(now) {
  if (!now.answers) return [element("p", { class: "empty" }, "No test has been started yet.")];
  const running = ["spawning", "running"].includes(now.state);
  const over = now.transport === "http" ? "stateless HTTP" : "WebSocket";
  return [
    element("p", { class: "state" },
      element("span", { class: running ? "live" : "" }, running ? "Live" : "Ended"), ` ${now.run_id} · ${over} · ${now.url}`),
    element("div", { class: "answers" }, now.answers.map(answer)),
    ...spread("Workers", now.workers, now.fair.workers, now.jain.workers, now.transport),
    ...spread("Replicas", now.replicas, now.fair.replicas, now.jain.replicas, now.transport),
    ...unattributed(now),
    now.errors.length
      ? table("Errors by category", ["Category", "Operation", "#Count", "Last example"],
        now.errors.map((each) => [each.category, each.op, whole(each.count), element("span", { class: "foreign" }, each.example ?? "–")]))
      : null,
    table("Locust's own processes", ["Process", "#Users", "CPU, share of a core", "#Event loop late by"],
      now.generators.map((each) => [
        each.generates ? each.generator : `${each.generator} (master)`,
        each.generates ? whole(each.users) : "–",
        bar(each.cpu_cores, 1, null, `${Math.round(100 * each.cpu_cores)} %`),
        `${(1000 * each.lag_s).toFixed(each.lag_s < 0.01 ? 1 : 0)} ms`,
      ])),
  ];
}

function answer({ question, verdict, state, facts }) {
  return element("div", { class: `answer ${state}` },
    element("h2", {}, question),
    element("p", { class: "verdict" }, verdict),
    element("dl", {}, facts.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value)))));
}

function spread(title, parts, fair, jain, transport) {
  if (!parts.length) return [];
  const keys = transport === "http" ? ["steps"] : ["sessions", "steps"];
  const ofWorkers = title === "Workers";
  const most = Object.fromEntries(keys.map((key) => [key, Math.max(1.25 * fair[key], ...parts.map((part) => part[key]))]));
  const caption = [`${title}: ${keys.join(" and ")}`, element("span", { class: "remark" },
    ` the line is the fair share, ${keys.map((key) => `${(key === "steps" ? whole : short)(fair[key])} ${key}`).join(" and ")}${jain === null ? "" : `; Jain’s index ${jain.toFixed(3)}`}`)];
  const headings = ["Replica", ...(ofWorkers ? ["#Process"] : []), ...keys.flatMap((key) => [key[0].toUpperCase() + key.slice(1), "#Share"])];
  const rows = parts.map((part) => [
    part.name,
    ...(ofWorkers ? [part.pid === null ? "none seen" : String(part.pid)] : []),
    ...keys.flatMap((key) => [bar(part[key], most[key], fair[key], whole(part[key])), percent(part[key], sum(parts, key))]),
  ]);
  return [table(caption, headings, rows)];
}

function unattributed({ unattributed: { sessions, steps }, transport }) {
  if (!steps && !sessions) return [];
  const counted = transport === "http" ? `${whole(steps)} steps` : `${whole(sessions)} sessions with ${whole(steps)} steps`;
  return [element("p", { class: "remark" }, `${counted} were answered without a word of who answered.`)];
}

function bar(value, most, fair, words) {
  const track = element("span", { class: "track" }, element("i"));
  track.firstChild.style.width = `${Math.min(100, 100 * value / (most || 1))}%`;
  if (fair) {
    const mark = element("b");
    mark.style.left = `${100 * fair / most}%`;
    track.append(mark);
  }
  return element("span", { class: "bar" }, track, element("span", { class: "value" }, words));
}

// Runs

const OUTCOMES = { running: "unknown", reporting: "unknown", passed: "good", failed: "bad", "cut short": "caution", invalid: "caution", "no report": "caution" };
const SAID = { reporting: "report is being written" };

function runs({ runs: started }) {
  if (!started.length) return [element("p", { class: "empty" }, "No test has been started yet.")];
  return started.map((run) => element("article", { class: `run ${OUTCOMES[run.outcome]}` },
    element("div", { class: "what" },
      element("p", { class: "verdict" }, SAID[run.outcome] ?? run.outcome),
      element("h2", {}, run.run_id),
      run.started_at ? element("p", { class: "remark" }, description(run)) : null,
      run.why ? element("p", { class: "why" }, run.why) : null),
    run.figures?.length
      ? element("dl", { class: "figures" }, run.figures.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))))
      : null,
    element("p", { class: "links" },
      run.report ? element("a", { class: "open", href: link(run, "report"), target: "_blank", rel: "noopener" }, "Open the report") : null,
      run.files.map((file) => element("a", { href: link(run, file), download: "" }, file)))));
}

function link(run, file) {
  return at(`runs/${encodeURIComponent(run.run_id)}/${encodeURIComponent(file)}`);
}

function description(run) {
  const users = `${whole(run.users)} ${run.users === 1 ? "user" : "users"}`;
  const lasted = run.ended_at ? `${short(run.ended_at - run.started_at)} s` : null;
  const planned = run.duration_s === null ? null : `${short(run.duration_s)} s`;
  const time = lasted && planned && lasted !== planned ? `${lasted} of ${planned}` : lasted ?? planned ?? "no end set";
  const began = new Date(1000 * run.started_at).toLocaleTimeString("en-GB");
  return [began, `${users} over ${run.transport === "http" ? "HTTP" : "WebSocket"}`, `wait ${run.wait}`, time, run.url].join(" · ");
}
