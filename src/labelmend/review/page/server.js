// What the page asks of labelmend, and small help with elements. Every text goes in as text.

const token = document.querySelector('meta[name="token"]').content;

export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

const makeTab = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("");

// Survives a reload of this tab; a duplicate of the tab is another one.
const copied = performance.getEntriesByType("navigation")[0]?.type === "navigate";
export const tab = (!copied && sessionStorage.getItem("tab")) || makeTab();
sessionStorage.setItem("tab", tab);

async function request(path, options) {
  let answer, text;
  try {
    answer = await fetch(path, { ...options, headers: { "X-Labelmend-Token": token } });
    text = await answer.text();
  } catch {
    throw new Refused("labelmend does not answer, and nothing more was saved. Is it still running?", 0);
  }
  if (answer.status === 403) {
    throw new Refused("labelmend was started again: open the address that it printed. Nothing more was saved.", 403);
  }
  const body = parsed(text);
  if (body === undefined) throw new Refused(`unexpected answer ${answer.status}`, answer.status);
  if (!answer.ok) throw new Refused(body.error, answer.status);
  return body;
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function ask(name, values = {}) {
  const given = Object.entries(values).filter(([, value]) => value !== null && value !== undefined);
  return request(`/api/${name}?${new URLSearchParams(given)}`);
}

export const tell = (name, values) => request(`/api/${name}`, { method: "POST", body: JSON.stringify({ ...values, tab }) });

export const byId = (id) => document.getElementById(id);

export function element(kind, properties = {}, ...children) {
  const made = Object.assign(document.createElement(kind), properties);
  made.append(...children);
  return made;
}

// A label in its own direction of writing, so that it cannot turn round what stands beside it.
export const isolated = (text, className = "") => element("bdi", { textContent: text, className });

export const SHARP_UP_TO = 96;

export function pictureOf(run, row, size) {
  return `/picture/${size}/${row}?v=${run.hash}`;
}

export function thumbnail(run, row, alt, ...caption) {
  const image = element("img", { src: pictureOf(run, row, "small"), alt, loading: "lazy" });
  image.addEventListener("load", () => image.classList.toggle("small", image.naturalWidth <= SHARP_UP_TO));
  return element("figure", {}, image, element("figcaption", {}, ...caption));
}

export const percent = (share) => `${(100 * share).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %`;
