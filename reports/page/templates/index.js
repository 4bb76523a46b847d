(() => {
  "use strict";
  const filters = document.querySelector(".filters");
  if (!filters) return;
  const rows = [...document.querySelectorAll("#entries tbody tr")];
  const field = (id) => document.getElementById(id);
  const chosen = (id) => field(id)?.value ?? "";
  const filter = () => {
    const words = chosen("words").toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = !(
        words.every((word) => text.includes(word)) &&
        (!chosen("kind") || row.dataset.kind === chosen("kind")) &&
        (!chosen("verdict") || row.dataset.verdict === chosen("verdict")) &&
        (!chosen("tag") || row.dataset.tags.split(" ").includes(chosen("tag")))
      );
      shown += !row.hidden;
    }
    filters.querySelector(".shown").textContent = shown === rows.length ? `all ${shown}` : `${shown} of ${rows.length}`;
  };
  for (const id of ["words", "kind", "verdict", "tag"]) field(id)?.addEventListener("input", filter);
  filters.hidden = false;
  filter();
  document.querySelector(".scripted").hidden = false;

  const bar = document.querySelector(".chosen");
  const [message, command, copy] = [bar.querySelector("p"), bar.querySelector("code"), bar.querySelector("button")];
  let ticked = [];
  const show = () => {
    bar.hidden = !ticked.length;
    const two = ticked.length === 2 && ticked[0].dataset.kind === ticked[1].dataset.kind;
    command.hidden = copy.hidden = !two;
    if (!two) {
      message.textContent = ticked.length < 2 ? "Tick another one to compare it with." : "A run and an experiment cannot be compared.";
      return;
    }
    const [a, b] = [...ticked].sort((one, other) => one.dataset.at - other.dataset.at).map((row) => row.dataset.argument);
    const make = ticked.every((row) => "make" in row.dataset);
    message.textContent = "The older one is the baseline, A:";
    command.textContent = make ? `make compare A=${a} B=${b}` : `openenv-loadtest compare ${a} ${b}`;
  };
  const tick = (row, box) => {
    ticked = ticked.filter((each) => each !== row);
    if (box.checked) ticked.push(row);
    while (ticked.length > 2) ticked.shift().querySelector("input").checked = false;
    show();
  };
  for (const row of rows.filter((each) => each.dataset.argument)) {
    const box = document.createElement("input");
    box.type = "checkbox";
    box.setAttribute("aria-label", `Compare ${row.querySelector(".name").textContent}`);
    box.autocomplete = "off";
    box.addEventListener("change", () => tick(row, box));
    row.cells[0].prepend(box);
  }
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(command.textContent);
      copy.textContent = "Copied";
      setTimeout(() => { copy.textContent = "Copy"; }, 2000);
    } catch {
      getSelection().selectAllChildren(command);
    }
  });
})();
