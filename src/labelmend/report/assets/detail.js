let opened = -1;
let opener = null;

function fact(name, value) {
  return make("div", {}, make("dt", { text: name }), make("dd", { text: value }));
}

function openDetail(row) {
  opened = row;
  $("detail-picture").replaceChildren(picture(row, `Image ${ROWS.id[row]}`) ?? "no picture in this page");
  $("detail-title").textContent = ROWS.id[row];
  const name = verdictOf(row);
  $("detail-verdict").replaceChildren(make("span", { class: `badge ${name}`, text: `${TITLES[name]}` }));
  const facts = [
    fact("given label", className(ROWS.given[row])),
    isMoved(row) ? fact("suggested label", className(ROWS.suggested[row])) : null,
    fact("predicted label", className(ROWS.predicted[row])),
    isMoved(row) ? fact("confidence", percent(ROWS.confidence[row])) : null,
    fact("label quality", percent(ROWS.quality[row])),
    ROWS.votes[row] ? fact("votes of anchors", `${ROWS.votes[row]}, ${percent(ROWS.share[row])} agree`) : null,
    fact("counts as an issue", ROWS.issue[row] === "1" ? "yes" : "no"),
    ROWS.true ? fact("true label (benchmark)", className(ROWS.true[row])) : null,
  ];
  $("detail-facts").replaceChildren(...facts.filter((entry) => entry));
  const near = DATA.evidence[row] ?? [];
  $("detail-evidence-title").hidden = near.length === 0;
  $("detail-evidence-title").textContent = evidenceName(row);
  $("detail-evidence").replaceChildren(...near.map((other) => make(
    "li", {}, picture(other, ""), make("span", { text: `${className(ROWS.given[other])} · ${ROWS.id[other]}` }))));
  const at = state.found.indexOf(row);
  $("previous").disabled = at <= 0;
  $("next").disabled = at < 0 || at >= state.found.length - 1;
  if ($("detail").open) return;
  opener = document.activeElement;
  $("detail").showModal();
}

function step(by) {
  const at = state.found.indexOf(opened);
  if (at >= 0 && state.found[at + by] !== undefined) openDetail(state.found[at + by]);
}

function moveAmongCards(event) {
  const cards = [...document.querySelectorAll(".card")];
  const at = cards.indexOf(document.activeElement);
  if (at < 0) return;
  const top = cards[at].getBoundingClientRect().top;
  const inRow = cards.filter((other) => Math.abs(other.getBoundingClientRect().top - top) < 4).length;
  const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: inRow, ArrowUp: -inRow }[event.key];
  if (!by || !cards[at + by]) return;
  event.preventDefault();
  cards[at + by].focus();
}

function startDetail() {
  $("previous").addEventListener("click", () => step(-1));
  $("next").addEventListener("click", () => step(1));
  $("detail").addEventListener("close", () => {
    if (opener !== $("map-plot")) document.querySelector(`.card[data-row="${opened}"]`)?.focus();
  });
  $("detail").addEventListener("click", (event) => event.target === $("detail") && $("detail").close());
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if ($("detail").open) {
      if (event.key === "ArrowRight") step(1);
      if (event.key === "ArrowLeft") step(-1);
      return;
    }
    if (event.key === "/" && !event.target.closest("input, select")) {
      event.preventDefault();
      $("search").focus();
    } else {
      moveAmongCards(event);
    }
  });
}
