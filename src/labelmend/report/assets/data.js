"use strict";
// Everything that comes from the data reaches the page as text nodes and attributes, never as markup.
const DATA = JSON.parse(document.getElementById("data").textContent);
const ROWS = DATA.rows;
const TITLES = {
  hard_corrected: "Suggested corrections", hard_clean: "Hard but clean", uncertain: "Uncertain", easy: "Easy",
};
const $ = (id) => document.getElementById(id);

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") element.textContent = value;
    else if (value !== null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

const className = (index) => (index < 0 ? "?" : DATA.classes[index]);
const verdictOf = (row) => DATA.verdicts[Number(ROWS.verdict[row])];
const isMoved = (row) => ROWS.suggested[row] !== ROWS.given[row];
const percent = (perMille) => `${(perMille / 10).toFixed(1)} %`;
const plural = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;

function picture(row, alt) {
  const file = DATA.pictures[row];
  if (file === undefined) return null;
  const image = make("img", { src: `data:image/webp;base64,${file}`, alt, decoding: "async" });
  // Few pixels are shown as squares, so that what the network saw is what is seen.
  const sharpen = () => image.classList.toggle("small", image.naturalWidth <= 40);
  if (image.complete) sharpen();
  image.addEventListener("load", sharpen);
  return image;
}

const evidenceName = (row) => (ROWS.votes[row] ? "Easy images behind the nearest anchors" : "Nearest easy images");

function describe(row) {
  const given = className(ROWS.given[row]);
  return isMoved(row) ? `given ${given}, suggested ${className(ROWS.suggested[row])}` : `given ${given}`;
}
