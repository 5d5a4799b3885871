const prefersDark = matchMedia("(prefers-color-scheme: dark)");

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : prefersDark.matches;
}

function startTheme() {
  $("theme").addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    drawAgain();
  });
  prefersDark.addEventListener("change", drawAgain);
}

function startTable() {
  const table = document.querySelector(".sortable");
  const body = table.tBodies[0];
  const value = (line, at) => {
    const cell = line.cells[at];
    return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value || "-1");
  };
  [...table.tHead.rows[0].cells].forEach((head, at) => head.addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") !== "descending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const sign = down ? -1 : 1;
    const lines = [...body.rows].map((line) => [value(line, at), line]);
    lines.sort(([a], [b]) => sign * (a < b ? -1 : a > b ? 1 : 0));
    body.append(...lines.map(([, line]) => line));
  }));
}

startGallery();
startDetail();
document.addEventListener("DOMContentLoaded", startPlots);
startMap();
startTheme();
startTable();
