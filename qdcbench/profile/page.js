"use strict";

// The page is complete without this: it shows the texts behind a point, hides parts and twins, and keeps the theme.

const DATA = JSON.parse(document.getElementById("data").textContent);
const THEMES = ["auto", "light", "dark"];
const map = document.getElementById("map");
const shown = document.getElementById("row");

function theme() {
  const given = new URLSearchParams(location.hash.slice(1)).get("theme");
  return THEMES.includes(given) ? given : "auto";
}

function drawTheme() {
  const now = theme();
  if (now === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = now;
  document.getElementById("theme").textContent = `Theme: ${now}`;
}

function element(name, text, type) {
  const made = document.createElement(name);
  made.textContent = text;
  made.dir = "auto";
  if (type) made.className = type;
  return made;
}

let chosen = null;

function show(spot) {
  if (chosen) chosen.classList.remove("chosen");
  chosen = spot;
  spot.classList.add("chosen");
  const [part, prompt, completion] = DATA.rows[Number(spot.dataset.row)];
  shown.replaceChildren(element("bdi", DATA.parts[part], "count"), element("span", prompt, "prompt"), element("span", completion));
}

for (const kind of ["pointerover", "click"]) {
  map.addEventListener(kind, (event) => {
    if (event.target.dataset.row !== undefined) show(event.target);
  });
}

document.addEventListener("change", (event) => {
  const box = event.target;
  if (box.id === "twins") document.body.classList.toggle("with-twins", box.checked);
  if (box.dataset.part === undefined) return;
  for (const drawn of document.querySelectorAll(`#map [data-part="${box.dataset.part}"], .lengths [data-part="${box.dataset.part}"]`)) {
    drawn.classList.toggle("gone", !box.checked);
  }
});

document.getElementById("theme").addEventListener("click", () => {
  history.replaceState(null, "", `#theme=${THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length]}`);
  drawTheme();
});
addEventListener("hashchange", drawTheme);
drawTheme();
document.documentElement.dataset.ready = "yes";
