const COLOURS = ["#4477dd", "#e07b39", "#3a9d5d", "#c8485a", "#8c62c9", "#9a6b4a", "#d671b5", "#6f7c85", "#a9a32f", "#2fa5b5"];
const MOST_IN_LEGEND = 20;
const CONFIG = { displayModeBar: false, responsive: true, doubleClick: "reset" };

const variable = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const classColour = (c) => (DATA.classes.length <= COLOURS.length ? COLOURS[c] : `hsl(${(c * 137.508) % 360}, 55%, 52%)`);

function darker(colour) {
  const context = document.createElement("canvas").getContext("2d");
  context.fillStyle = colour;
  const value = parseInt(context.fillStyle.slice(1), 16);
  const kept = isDark() ? 0.62 : 0.5;
  return `rgb(${[16, 8, 0].map((shift) => Math.round(((value >> shift) & 255) * kept)).join(",")})`;
}

// Plotly reads some HTML in texts; a name must stay what it is.
const plain = (text) => text.replace(/[&<>]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[sign]);
const short = (text) => plain(text.length > 18 ? `${text.slice(0, 17)}…` : text);

function layout(extra) {
  const axis = { gridcolor: variable("--line"), zerolinecolor: variable("--line"), linecolor: variable("--line"), automargin: true };
  const titled = (own) => (own.title ? { ...own, title: { standoff: 10, font: { size: 13 }, ...own.title } } : own);
  const { xaxis = {}, yaxis = {}, ...rest } = extra;
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", margin: { l: 56, r: 18, t: 30, b: 56 },
    font: { family: "system-ui, sans-serif", size: 13, color: variable("--ink") },
    hoverlabel: { bgcolor: variable("--raised"), bordercolor: variable("--line"), font: { color: variable("--ink") } },
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 },
    xaxis: { ...axis, ...titled(xaxis) }, yaxis: { ...axis, ...titled(yaxis) }, ...rest,
  };
}

function instead(id, text) {
  const plot = $(id);
  plot.classList.add("empty");
  for (const name of ["role", "aria-label", "tabindex"]) plot.removeAttribute(name);
  plot.textContent = text;
}

function drawFlow() {
  const { classes, images, left_out: leftOut } = DATA.flow;
  if (!classes.length) return instead("flow-plot", "No other label is suggested, so nothing moves.");
  const names = classes.map((c) => short(DATA.classes[c]));
  const ticks = classes.map((_, at) => at);
  const axis = { tickvals: ticks, ticktext: names, showgrid: false, zeroline: false, constrain: "domain" };
  const few = classes.length <= 15;
  const most = Math.max(...images.flat());
  Plotly.react("flow-plot", [{
    type: "heatmap", z: images.map((line) => line.map((count) => count || null)), hoverongaps: false, showscale: false,
    colorscale: [[0, variable("--low")], [1, variable("--high")]], zmin: 0, zmax: most, xgap: 2, ygap: 2,
    customdata: images.map((line, i) => line.map((_, j) => `${names[i]} → ${names[j]}`)),
    hovertemplate: "%{customdata}: %{z}<extra></extra>",
  }], layout({
    margin: { l: 70, r: 16, t: 16, b: 64 },
    xaxis: { ...axis, title: { text: "suggested" } },
    yaxis: { ...axis, title: { text: "given" }, autorange: "reversed", scaleanchor: "x" },
    annotations: few ? images.flatMap((line, i) => line.flatMap((count, j) => (count ? [{
      x: j, y: i, text: String(count), showarrow: false,
      font: { size: 12, color: count > 0.55 * most ? variable("--surface") : variable("--ink") } }] : []))) : [],
  }), CONFIG);
  $("flow-note").textContent = leftOut ? `${plural(leftOut, "suggestion")} between other classes are not drawn; the filters above find them.` : "";
  once("flow-plot", "plotly_click", ({ points: [{ x, y }] }) => {
    choose({ verdict: "all", given: String(classes[y]), suggested: String(classes[x]), sort: "order" });
    $("gallery").scrollIntoView();
  });
}

function drawQuality() {
  const steps = DATA.quality[0].length;
  const centres = DATA.quality[0].map((_, at) => (at + 0.5) / steps);
  Plotly.react("quality-plot", DATA.verdicts.map((name, code) => ({
    type: "bar", name: TITLES[name], x: centres, y: DATA.quality[code].map((count) => count || null),
    width: 0.9 / steps / DATA.verdicts.length, marker: { color: variable(`--${name}`) },
    hovertemplate: `%{y} images<extra>${TITLES[name]}</extra>`,
  })), layout({ barmode: "group", xaxis: { title: { text: "label quality" }, range: [0, 1] }, yaxis: { title: { text: "images" }, type: "log", dtick: 1 } }), CONFIG);
}

function drawCurves() {
  const { epoch, ...rest } = DATA.curves;
  const shares = Object.keys(rest).filter((name) => name !== "loss");
  const line = (name, colour) => ({
    type: "scatter", mode: epoch.length > 30 ? "lines" : "lines+markers", name: DATA.curve_names[name], x: epoch, y: rest[name],
    connectgaps: true, line: { color: colour, width: 2 }, marker: { size: 5 },
  });
  const axis = { title: { text: "epoch" }, rangemode: "tozero" };
  if (rest.loss) Plotly.react("loss-plot", [line("loss", variable("--accent"))], layout({ showlegend: true, xaxis: axis, yaxis: { rangemode: "tozero" } }), CONFIG);
  else instead("loss-plot", "No loss was recorded.");
  if (shares.length) {
    Plotly.react("share-plot", shares.map((name, at) => line(name, COLOURS[at])), layout({
      xaxis: axis, yaxis: { tickformat: ".0%", range: [0, 1.02] }, legend: { orientation: "h", y: -0.28, yanchor: "top", x: 0 } }), CONFIG);
  } else instead("share-plot", "There was no test set, and nothing else was measured by epoch.");
}

function once(id, name, react) {
  $(id).removeAllListeners(name);
  $(id).on(name, react);
}

const PLOTS = { "flow-plot": drawFlow, "quality-plot": drawQuality, "map-plot": drawMap, "loss-plot": drawCurves };
const drawn = new Set();

// A large script that nothing on the first screen needs: it runs when the first figure comes near.
function loadPlotly() {
  if (window.Plotly) return;
  const script = document.createElement("script");
  script.textContent = $("plotly").textContent;
  document.body.append(script);
}

function startPlots() {
  $("map-choice").hidden = !DATA.map;
  $("map-choice").addEventListener("change", drawMap);
  // A figure is drawn when it comes near, so that the page opens at once.
  const watch = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((each) => each.isIntersecting)) {
      watch.unobserve(entry.target);
      loadPlotly();
      drawn.add(entry.target.id);
      PLOTS[entry.target.id]();
    }
  }, { rootMargin: "400px" });
  for (const id of Object.keys(PLOTS)) watch.observe($(id));
}

const drawAgain = () => drawn.forEach((id) => PLOTS[id]());
