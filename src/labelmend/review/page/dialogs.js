// The dialogs: search among classes, and accept many at once.

import { ask, byId, element, isolated, percent, tell, thumbnail } from "/static/server.js";

const SHOWN = 50;

export function makeChooser(run, chosen) {
  const dialog = byId("chooser");
  const input = byId("search");
  const list = byId("matches");
  const folded = run.classes.map((name) => name.toLocaleLowerCase());
  let found = [];
  let at = 0;
  let hints = new Map();

  function mark() {
    [...list.children].forEach((entry, number) => entry.setAttribute("aria-selected", String(number === at)));
    const current = list.children[at];
    if (current) current.scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", current ? current.id : "");
  }

  // What the run names stands first; the given label behind it, which has a key of its own.
  const rank = (number) => (hints.has(number) ? (hints.get(number) === "given" ? 1 : 0) : 2);

  // Exact names first, then beginnings, then anywhere.
  function search() {
    const wanted = input.value.trim().toLocaleLowerCase();
    const grade = (number) =>
      folded[number] === wanted ? 0 : folded[number].startsWith(wanted) ? 1 : folded[number].includes(wanted) ? 2 : 3;
    found = folded
      .map((_, number) => [grade(number), rank(number), number])
      .filter(([g]) => g < 3)
      .sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2])
      .map((entry) => entry[2]);
    list.replaceChildren(
      ...found.slice(0, SHOWN).map((number, place) => {
        const entry = element("li", { id: `match-${place}` }, isolated(run.classes[number]));
        entry.setAttribute("role", "option");
        if (hints.has(number)) entry.append(element("small", { textContent: hints.get(number) }));
        entry.addEventListener("click", () => pick(place));
        return entry;
      }),
    );
    const more = found.length - SHOWN;
    byId("matches-more").textContent =
      found.length === 0 ? "no class of this name" : more > 0 ? `and ${more} more: type to narrow them down` : "";
    at = 0;
    mark();
  }

  function pick(place) {
    if (found[place] === undefined) return;
    dialog.close();
    chosen(found[place]);
  }

  input.addEventListener("input", search);
  input.addEventListener("keydown", (event) => {
    const last = Math.min(found.length, SHOWN) - 1;
    if (event.key === "ArrowDown") at = Math.min(at + 1, last);
    else if (event.key === "ArrowUp") at = Math.max(at - 1, 0);
    else if (event.key === "Enter" && !event.isComposing) pick(at);
    else return;
    event.preventDefault();
    mark();
  });

  return (item) => {
    hints = new Map([[item.predicted, "predicted"], [item.given, "given"], [item.suggested, "suggested"]]);
    if (item.suggested === item.given) hints.set(item.given, "given");
    input.value = "";
    dialog.showModal();
    search();
    input.focus();
  };
}

export function makeBulk(run, givenOf, done, complain) {
  const dialog = byId("bulk");
  const slider = byId("threshold");
  const accept = byId("bulk-accept");
  let seen = "";
  let suggestions = "";
  let asked = 0;

  async function preview() {
    const number = ++asked;
    accept.disabled = true;
    byId("threshold-value").textContent = Number(slider.value).toFixed(2);
    let answer;
    try {
      answer = await ask("preview", { confidence: slider.value, given: givenOf() });
    } catch (error) {
      byId("bulk-count").textContent = error.message;
      return;
    }
    if (number !== asked) return;
    seen = answer.seen;
    suggestions = `${answer.count} suggestion${answer.count === 1 ? "" : "s"}`;
    const rest = answer.count - answer.shown.length;
    byId("bulk-count").textContent =
      answer.count === 0
        ? "No open suggestion is so sure."
        : `${answer.count} labels would change, the least sure first` +
          (rest > 0 ? ` (${answer.shown.length} shown).` : ".");
    byId("bulk-shown").replaceChildren(
      ...answer.shown.map((entry) =>
        thumbnail(
          run, entry.row, `image ${entry.row}`,
          isolated(run.classes[entry.given]), " \u2192 ", isolated(run.classes[entry.suggested], "to"),
        ),
      ),
    );
    accept.textContent = answer.count === 0 ? "Accept" : `Accept ${answer.count}`;
    accept.disabled = answer.count === 0;
  }

  slider.addEventListener("input", preview);
  byId("bulk-cancel").addEventListener("click", () => dialog.close());
  accept.addEventListener("click", async () => {
    accept.disabled = true;
    try {
      await tell("bulk", { confidence: Number(slider.value), given: givenOf(), seen });
    } catch (error) {
      await preview();
      byId("bulk-count").textContent = error.message;
      return;
    }
    dialog.close();
    await done(`${suggestions} of ${percent(Number(slider.value))} and more accepted; U undoes them all.`);
  });

  return () => {
    dialog.showModal();
    preview().catch(complain);
  };
}
