// The page: one image at a time, and what is decided about it.

import { makeBulk, makeChooser } from "/static/dialogs.js";
import { SHARP_UP_TO, ask, byId, element, isolated, percent, pictureOf, tell, thumbnail } from "/static/server.js";

const VIEWS = [
  ["suggestions", "Suggestions"],
  ["uncertain", "Uncertain"],
  ["audit", "Audit sample"],
  ["skipped", "Skipped"],
  ["all", "All images"],
];
const MEANINGS = {
  easy: "easy: the label is believed",
  hard_clean: "hard, but confirmed",
  hard_corrected: "hard: another label is suggested",
  uncertain: "uncertain: too little is near enough to tell",
};
const POLL_EVERY = 1500;

const run = await ask("overview");
let view = "suggestions";
let item = null;
let status = null;
let busy = false;
let lost = false;

const given = () => (byId("given").value === "" ? null : Number(byId("given").value));
const nameOf = (label) => run.classes[label];
const suggests = () => item.suggested !== item.given;
// What A gives the image: the suggestion, or where nothing is suggested what the network predicts.
const offered = () => (suggests() ? item.suggested : item.predicted);

function complain(error) {
  byId("banner").textContent = error.message;
  byId("banner").hidden = false;
}

function note(text) {
  complain({ message: text });
}

function showLabels() {
  byId("label-given").replaceChildren(isolated(nameOf(item.given)));
  byId("suggested-title").textContent = suggests() ? "Suggested" : "Predicted";
  byId("label-suggested").replaceChildren(isolated(nameOf(offered())));
  byId("confidence").hidden = !suggests();
  byId("confidence").value = item.confidence;
  const votes = item.votes ? `, ${percent(item.vote_share)} of ${item.votes} votes` : "";
  byId("confidence-text").textContent = suggests() ? `${percent(item.confidence)} sure${votes}` : "nothing is suggested";
  byId("accept-word").textContent = suggests() ? "Accept" : "Take predicted";
  byId("accept").disabled = offered() === item.given;
}

function showNear(entries) {
  byId("evidence").replaceChildren(
    ...entries.map((entry) => thumbnail(run, entry.row, "similar image", isolated(nameOf(entry.given)))),
  );
}

// Where no anchor voted, the nearest easy images stand instead, as soon as they are found.
async function findNear() {
  const { row } = item;
  const silent = run.votes && item.verdict !== "easy" ? "No anchor was near enough to vote. " : "";
  const say = (text) => (byId("evidence-text").textContent = silent + text);
  say("Looking for the nearest easy images\u2026");
  for (;;) {
    const answer = await ask("nearest", { row }).catch(() => ({ ready: true, evidence: [] }));
    if (item?.row !== row) return;
    if (answer.ready) {
      say(answer.evidence.length ? "The nearest easy images:" : "Nearest easy images cannot be shown.");
      return showNear(answer.evidence);
    }
    await new Promise((done) => setTimeout(done, POLL_EVERY));
    if (item?.row !== row) return;
  }
}

function showEvidence() {
  showNear(item.evidence);
  if (item.evidence.length) byId("evidence-text").textContent = "Easy images behind the nearest anchors, which voted:";
  else findNear();
}

function showDetails() {
  const facts = [
    ["image", item.id],
    ["verdict", MEANINGS[item.verdict]],
    ["predicted", nameOf(item.predicted)],
    ["label quality", item.quality.toFixed(3)],
  ];
  byId("details").replaceChildren(
    ...facts.flatMap(([name, value]) => [element("dt", { textContent: name }), element("dd", {}, isolated(value))]),
  );
}

function showDecision() {
  const words = { accept: "Accepted: ", keep: "Kept: ", choose: "Chosen: ", skip: "Skipped: decide later" };
  const { action, label, new: other } = item.decision ?? {};
  const chosen = label === null ? other : nameOf(label);
  byId("decision").replaceChildren(
    ...(action ? [words[action], ...(chosen === null ? [] : [isolated(chosen)])] : []),
  );
  byId("decision").dataset.action = action ?? "";
}

function showPicture() {
  const picture = byId("picture");
  picture.alt = `image ${item.id}, given label ${nameOf(item.given)}`;
  const source = pictureOf(run, item.row, "large");
  if (picture.getAttribute("src") === source) return;
  picture.src = source;
}

function show() {
  const done = item === null;
  for (const id of ["stage", "question"]) byId(id).hidden = done;
  byId("done").hidden = !done;
  document.body.dataset.row = done ? "" : item.row;
  if (done) return showDone();
  showPicture();
  showLabels();
  showEvidence();
  showDetails();
  showDecision();
  byId("place").textContent = `${item.position + 1} of ${item.total}`;
}

function showDone() {
  const { total, decided } = status.views[view];
  const skipped = status.views.skipped.total;
  byId("done-title").textContent = total === 0 ? "Nothing in this list" : "Nothing left to decide in this list";
  byId("done-text").textContent =
    `${decided} of ${total} are decided here. Of all images ${status.decided} are decided, ` +
    `${status.changed} with another label than they were given.`;
  byId("done-command").textContent = run.next;
  byId("done-skipped").hidden = skipped === 0;
}

function showStatus() {
  for (const button of byId("views").children) {
    const { total, decided } = status.views[button.dataset.view];
    button.setAttribute("aria-pressed", String(button.dataset.view === view));
    const counts = button.dataset.view === "skipped" ? `${total}` : `${decided}/${total}`;
    button.querySelector("small").textContent = counts;
  }
  const { total, decided } = status.views[view];
  byId("progress").max = Math.max(total, 1);
  byId("progress").value = decided;
  const sample = status.views.audit;
  byId("audit").textContent = status.audit
    ? `Wrong labels: about ${percent(status.audit.rate)} (${percent(status.audit.low)} to ${percent(status.audit.high)})`
    : `Wrong labels: decide the audit sample to estimate them (${sample.decided} of ${sample.total})`;
}

async function refresh() {
  status = await ask("status", { given: given(), row: item?.row });
  showStatus();
}

async function go(step, row = item?.row) {
  const next = await ask("item", { view, given: given(), row, step });
  if (next === null && (step === 1 || step === -1)) return;
  item = next;
  await refresh();
  show();
  prefetch();
}

// The next picture is there before it is asked for.
async function prefetch() {
  if (item === null) return;
  const next = await ask("item", { view, given: given(), row: item.row, step: 2 }).catch(() => null);
  if (next) new Image().src = pictureOf(run, next.row, "large");
}

async function once(work) {
  if (busy) return;
  busy = true;
  try {
    byId("banner").hidden = true;
    await work();
  } catch (error) {
    complain(error);
    if (error.status === 409 && item) await go(0).catch(complain);
  } finally {
    busy = false;
  }
}

const decide = (action, label) =>
  once(async () => {
    if (item === null) return;
    await tell("decide", { row: item.row, action, label, seen: item.decision?.time ?? null });
    await go(2);
  });

const accept = () => {
  if (item === null || byId("accept").disabled) return;
  if (suggests()) decide("accept");
  else decide("choose", offered());
};

const undo = () =>
  once(async () => {
    const { row } = await tell("undo", {});
    if (row === null) return note("There is nothing that this tab could undo.");
    const undone = await ask("item", { view, given: given(), row, step: 0 });
    item = undone ?? (await ask("item", { view: "all", row, step: 0 }));
    await refresh();
    show();
  });

const look = (step) => once(() => go(step));

async function poll() {
  if (busy || document.hidden || document.querySelector("dialog[open]")) return;
  const row = item?.row;
  const before = item?.decision?.time ?? null;
  try {
    const heard = await ask("status", { given: given(), row });
    if (busy || item?.row !== row) return;
    if (lost) byId("banner").hidden = true;
    lost = false;
    status = heard;
    showStatus();
    if (item && (heard.decision?.time ?? null) !== before) {
      item.decision = heard.decision;
      showDecision();
      note("Another tab has just decided about this image; N goes on.");
    }
  } catch (error) {
    lost = true;
    complain(error);
  }
}

function setUp() {
  byId("run").replaceChildren(isolated(run.run));
  if (run.notice) note(run.notice);
  byId("given").append(
    ...run.classes.map((name, number) => element("option", { value: number, textContent: name })),
  );
  byId("views").append(
    ...VIEWS.map(([name, title]) => {
      const button = element("button", { type: "button" }, `${title} `, element("small"));
      button.dataset.view = name;
      button.addEventListener("click", () => {
        view = name;
        once(() => go(2, null));
      });
      return button;
    }),
  );
  const picture = byId("picture");
  picture.addEventListener("load", () => picture.classList.toggle("small", picture.naturalWidth <= SHARP_UP_TO));
  picture.addEventListener("error", () => note("This picture cannot be read any more."));
  byId("given").addEventListener("change", () => {
    // Keys are decisions again, not a search among the classes of the list.
    byId("given").blur();
    once(() => go(2, null));
  });
}

const openChooser = makeChooser(run, (label) => decide("choose", label));
const openBulk = makeBulk(run, given, (text) => once(async () => {
  await go(2, null);
  note(text);
}), complain);

const ACTIONS = {
  accept,
  keep: () => decide("keep"),
  choose: () => item && openChooser(item),
  skip: () => decide("skip"),
  undo,
  previous: () => look(-1),
  next: () => look(1),
  open: () => look(2),
  "bulk-button": openBulk,
  "help-button": () => byId("help").showModal(),
  "help-close": () => byId("help").close(),
  "done-undo": undo,
  "done-skipped": () => byId("views").querySelector('[data-view="skipped"]').click(),
};
const KEYS = {
  a: "accept", Enter: "accept", k: "keep", c: "choose", "/": "choose", s: "skip", u: "undo",
  ArrowLeft: "previous", ArrowRight: "next", n: "open", b: "bulk-button", "?": "help-button",
};

document.addEventListener("keydown", (event) => {
  if (document.querySelector("dialog[open]") || event.repeat || event.altKey || event.metaKey) return;
  const on = event.target;
  // A dialog that was just closed keeps the focus until the page is drawn again.
  const left = on.closest("dialog:not([open])");
  if ((on.matches("select, input") && !left) || (event.key === "Enter" && on.matches("button"))) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const name = event.ctrlKey ? { z: "undo" }[key] : KEYS[key];
  if (!name) return;
  event.preventDefault();
  ACTIONS[name]();
});
for (const [id, action] of Object.entries(ACTIONS)) byId(id)?.addEventListener("click", action);

setUp();
await once(() => go(2, null));
document.body.dataset.ready = "true";
setInterval(poll, POLL_EVERY);
