const PAGE = 48;
const state = { verdict: "", search: "", given: "", suggested: "", sort: "order", shown: PAGE, found: [] };
const inDuplicates = new Set(DATA.duplicates.flat());
const folded = ROWS.id.map((id) => id.toLowerCase());
const foldedClasses = DATA.classes.map((name) => name.toLowerCase());

const TABS = [
  ["hard_corrected", TITLES.hard_corrected], ["hard_clean", TITLES.hard_clean], ["uncertain", TITLES.uncertain],
  ["duplicates", "Duplicates"], ["easy", TITLES.easy], ["all", "All"],
];

function tabSize(name) {
  if (name === "duplicates") return DATA.duplicates.length;
  return name === "all" ? DATA.total : DATA.counts[name];
}

function makeTabs() {
  const list = document.querySelector("[role=tablist]");
  for (const [name, title] of TABS) {
    const tab = make("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-controls": "panel" }, title);
    tab.append(make("span", { class: "n", text: tabSize(name).toLocaleString("en") }));
    tab.addEventListener("click", () => choose({ verdict: name }));
    list.append(tab);
  }
  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const at = TABS.findIndex(([name]) => name === state.verdict);
    const [next] = TABS[(at + step + TABS.length) % TABS.length];
    choose({ verdict: next });
    $(`tab-${next}`).focus();
  });
}

function matches(row) {
  if (state.verdict === "duplicates" && !inDuplicates.has(row)) return false;
  if (!["all", "duplicates"].includes(state.verdict) && verdictOf(row) !== state.verdict) return false;
  if (state.given !== "" && ROWS.given[row] !== Number(state.given)) return false;
  if (state.suggested !== "" && ROWS.suggested[row] !== Number(state.suggested)) return false;
  if (state.search === "") return true;
  const text = state.search;
  return [ROWS.given[row], ROWS.suggested[row]].some((c) => c >= 0 && foldedClasses[c].includes(text))
    || folded[row].includes(text);
}

const SORTS = {
  confidence: (a, b) => isMoved(b) - isMoved(a) || ROWS.confidence[b] - ROWS.confidence[a],
  quality: (a, b) => ROWS.quality[a] - ROWS.quality[b],
  id: (a, b) => (folded[a] < folded[b] ? -1 : 1),
};

function find() {
  const from = state.verdict === "duplicates" ? DATA.duplicates.flat() : DATA.order;
  state.found = from.filter(matches);
  if (SORTS[state.sort]) state.found.sort(SORTS[state.sort]);
}

function meter(row) {
  const bar = make("i", { class: verdictOf(row) });
  bar.style.width = `${(isMoved(row) ? ROWS.confidence[row] : ROWS.quality[row]) / 10}%`;
  return make("span", { class: "meter", "aria-hidden": "true" }, bar);
}

function wordsOf(row) {
  const first = isMoved(row) ? `${percent(ROWS.confidence[row])} sure` : `label quality ${percent(ROWS.quality[row])}`;
  const votes = ROWS.votes[row] ? `, ${plural(ROWS.votes[row], "vote")}` : "";
  const predicts = !isMoved(row) && ROWS.predicted[row] !== ROWS.given[row];
  return `${first}${votes}${predicts ? `, predicted ${className(ROWS.predicted[row])}` : ""}`;
}

function card(row) {
  const change = make("span", { class: "change" });
  if (isMoved(row)) change.append(make("s", { text: className(ROWS.given[row]) }), ` → ${className(ROWS.suggested[row])}`);
  else change.append(className(ROWS.given[row]));
  const text = make("span", { class: "text" }, change, meter(row), make("span", { class: "meta", text: wordsOf(row) }));
  text.append(make("span", { class: "meta", text: ROWS.id[row] }));
  const near = (DATA.evidence[row] ?? []).filter((other) => DATA.pictures[other]);
  if (near.length) {
    text.append(make("span", { class: "beside" }, make("span", { text: evidenceName(row) }), ...near.map((other) => picture(other, className(ROWS.given[other])))));
  }
  const button = make("button", { type: "button", class: "card", "data-row": row, "aria-label": `${ROWS.id[row]}, ${describe(row)}` });
  const image = picture(row, "");
  if (image || Object.keys(DATA.pictures).length) button.append(make("span", { class: "frame" }, image ?? "no picture in this page"));
  button.append(text);
  return button;
}

function draw() {
  const cards = $("cards");
  cards.replaceChildren();
  const shown = state.found.slice(0, state.shown);
  if (state.verdict === "duplicates" && state.sort === "order") {
    const visible = new Set(shown);
    for (const group of DATA.duplicates) {
      const rows = group.filter((row) => visible.has(row));
      if (rows.length) cards.append(make("li", { class: "copies" }, ...rows.map(card)));
    }
  } else {
    cards.append(...shown.map((row) => make("li", {}, card(row))));
  }
  $("more").hidden = state.found.length <= state.shown;
  $("status").textContent = statusLine();
}

const EMPTY = {
  hard_corrected: "No other label is suggested for any image.",
  hard_clean: "No image was hard and then confirmed.",
  uncertain: "No image is uncertain.",
  duplicates: "No picture stands under more than one label.",
  easy: "No image is easy.",
};

function statusLine() {
  const filtered = state.search !== "" || state.given !== "" || state.suggested !== "";
  if (!state.found.length) return filtered ? "Nothing matches; Clear shows all." : EMPTY[state.verdict] ?? "";
  const listed = state.verdict === "all" && DATA.order.length < DATA.total
    ? ` The ${DATA.order.length.toLocaleString("en")} most worth a look are listed here, all ${DATA.total.toLocaleString("en")} in verdicts.csv.` : "";
  const without = state.found.filter((row) => !DATA.pictures[row]).length;
  const pictures = without && without < state.found.length ? `, ${(state.found.length - without).toLocaleString("en")} of them with their picture` : "";
  return `${plural(state.found.length, "image")}${pictures}.${listed}`;
}

function choose(change) {
  Object.assign(state, change, { shown: PAGE });
  for (const [name] of TABS) {
    const selected = name === state.verdict;
    $(`tab-${name}`).setAttribute("aria-selected", selected);
    $(`tab-${name}`).tabIndex = selected ? 0 : -1;
  }
  $("panel").setAttribute("aria-labelledby", `tab-${state.verdict}`);
  for (const name of ["given", "suggested", "sort"]) $(name).value = state[name];
  find();
  draw();
}

function startGallery() {
  DATA.counts = Object.fromEntries(DATA.verdicts.map((name, code) => [name, DATA.tallies[code]]));
  makeTabs();
  for (const id of ["given", "suggested"]) {
    $(id).append(...DATA.classes.map((name, index) => make("option", { value: index, text: name })));
    $(id).addEventListener("change", () => choose({ [id]: $(id).value }));
  }
  $("sort").addEventListener("change", () => choose({ sort: $("sort").value }));
  $("search").addEventListener("input", () => choose({ search: $("search").value.trim().toLowerCase() }));
  document.querySelector(".filters").addEventListener("submit", (event) => event.preventDefault());
  $("reset").addEventListener("click", (event) => {
    event.preventDefault();
    $("search").value = "";
    choose({ search: "", given: "", suggested: "", sort: "order" });
  });
  $("more").addEventListener("click", () => {
    const first = state.shown;
    state.shown += PAGE;
    draw();
    document.querySelectorAll(".card")[first]?.focus();
  });
  $("cards").addEventListener("click", (event) => {
    const button = event.target.closest(".card");
    if (button) openDetail(Number(button.dataset.row));
  });
  for (const tile of document.querySelectorAll(".tile")) {
    tile.addEventListener("click", () => {
      choose({ verdict: tile.dataset.verdict });
      $("gallery").scrollIntoView();
    });
  }
  choose({ verdict: DATA.counts.hard_corrected ? "hard_corrected" : DATA.counts.uncertain ? "uncertain" : "all" });
}
