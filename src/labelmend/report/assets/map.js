function drawMap() {
  if (!DATA.map) return instead("map-plot", "There is no map: it needs the pictures of the run, and at least five of them.");
  const { rows, points, anchors, anchor_labels: anchorLabels } = DATA.map;
  const by = document.querySelector("input[name=colour]:checked").value;
  const codes = by === "verdict" ? rows.map((row) => Number(ROWS.verdict[row])) : rows.map((row) => ROWS[by][row]);
  const names = by === "verdict" ? DATA.verdicts.map((name) => TITLES[name]) : DATA.classes.map(short);
  const colour = (code) => (by === "verdict" ? variable(`--${DATA.verdicts[code]}`) : classColour(code));
  const present = [...new Set(codes)].sort((a, b) => a - b);
  const traces = present.map((code) => {
    const own = rows.map((_, at) => at).filter((at) => codes[at] === code);
    return {
      type: "scatter", mode: "markers", name: names[code], x: own.map((at) => points[at][0]), y: own.map((at) => points[at][1]),
      customdata: own.map((at) => rows[at]), hoverinfo: "none", marker: { color: colour(code), size: 7, opacity: 0.75 },
    };
  });
  if (anchors.length) {
    traces.push({
      type: "scatter", mode: "markers", name: "hallucinated anchors", x: anchors.map((p) => p[0]), y: anchors.map((p) => p[1]), hoverinfo: "none",
      marker: { symbol: "diamond", size: 8, line: { width: 1, color: variable("--surface") }, color: anchorLabels.map((c) => darker(by === "verdict" ? "#888888" : classColour(c))) },
    });
  }
  const axis = { showgrid: false, zeroline: false, showticklabels: false, showline: false };
  const most = innerWidth < 600 ? 8 : MOST_IN_LEGEND;
  Plotly.react("map-plot", traces, layout({
    showlegend: present.length <= most, hovermode: "closest", dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom", xaxis: axis, yaxis: { ...axis, scaleanchor: "x" }, margin: { l: 12, r: 12, t: 20, b: 12 },
  }), CONFIG);
  const follow = () => document.activeElement === $("map-plot") && showCursor();
  follow();
  once("map-plot", "plotly_relayout", follow);
  once("map-plot", "plotly_hover", ({ points: [point], event }) => showTip(point.customdata, event.clientX, event.clientY));
  once("map-plot", "plotly_unhover", hideTip);
  once("map-plot", "plotly_click", ({ points: [point] }) => point.customdata !== undefined && openDetail(point.customdata));
}

function showTip(row, x, y) {
  const tip = $("tip");
  if (row === undefined) tip.replaceChildren(make("span", { text: "an anchor, hallucinated between two easy images" }));
  else {
    tip.replaceChildren(picture(row, "") ?? "", make("strong", { text: TITLES[verdictOf(row)] }), make("br"),
      make("span", { text: describe(row) }), make("br"), make("span", { text: ROWS.id[row] }));
  }
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(8, Math.min(x + 14, innerWidth - width - 8))}px`;
  tip.style.top = `${Math.max(8, Math.min(y + 14, innerHeight - height - 8))}px`;
}

function hideTip() {
  $("tip").hidden = true;
}

// Which image of the map the keys are at.
let cursor = -1;
const ARROWS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

const viewOf = () => [$("map-plot").layout.xaxis.range, $("map-plot").layout.yaxis.range];

function inView() {
  const [across, up] = viewOf();
  const within = (value, ends) => value >= Math.min(...ends) && value <= Math.max(...ends);
  return DATA.map.points.map((_, at) => at).filter((at) => {
    const [x, y] = DATA.map.points[at];
    return within(x, across) && within(y, up);
  });
}

// The nearest point within 45 degrees of a direction. Points on the same spot lie behind each other: right and up lead
// to the later ones, left and down to the earlier ones.
function neighbour(at, [right, up]) {
  const { points } = DATA.map;
  let best = at;
  let least = Infinity;
  for (const other of inView()) {
    const dx = points[other][0] - points[at][0];
    const dy = points[other][1] - points[at][1];
    const along = dx * right + dy * up;
    const across = Math.abs(dx * up - dy * right);
    const behind = dx === 0 && dy === 0 && (right + up > 0 ? other > at : other < at);
    const distance = behind ? -1 / Math.abs(other - at) : Math.hypot(dx, dy);
    if ((behind || (along > 0 && along >= across)) && distance < least) [best, least] = [other, distance];
  }
  return best;
}

function showCursor() {
  const view = inView();
  if (!view.includes(cursor)) {
    const middle = viewOf().map(([from, to]) => (from + to) / 2);
    const away = (at) => Math.hypot(...DATA.map.points[at].map((value, axis) => value - middle[axis]));
    cursor = view.reduce((best, at) => (best < 0 || away(at) < away(best) ? at : best), -1);
  }
  if (cursor < 0) return hideCursor();
  const area = document.querySelector("#map-plot .nsewdrag").getBoundingClientRect();
  const [right, up] = viewOf().map(([from, to], axis) => (DATA.map.points[cursor][axis] - from) / (to - from));
  const [x, y] = [area.left + right * area.width, area.bottom - up * area.height];
  const ring = $("map-cursor");
  ring.hidden = false;
  ring.style.left = `${x + scrollX}px`;
  ring.style.top = `${y + scrollY}px`;
  const row = DATA.map.rows[cursor];
  showTip(row, x, y);
  $("map-said").textContent = `${ROWS.id[row]}, ${TITLES[verdictOf(row)]}, ${describe(row)}`;
}

function hideCursor() {
  hideTip();
  $("map-cursor").hidden = true;
}

function startMap() {
  const plot = $("map-plot");
  plot.addEventListener("focus", () => plot.layout && showCursor());
  plot.addEventListener("blur", hideCursor);
  plot.addEventListener("keydown", (event) => {
    if (cursor < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
    if (ARROWS[event.key]) cursor = neighbour(cursor, ARROWS[event.key]);
    else if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    if (ARROWS[event.key]) showCursor();
    else openDetail(DATA.map.rows[cursor]);
  });
}
