"use strict";

// A method's page is drawn already; this only keeps the theme (#theme=…) and hands it back to the leaderboard.

const THEMES = ["auto", "light", "dark"];

function theme() {
  const given = new URLSearchParams(location.hash.slice(1)).get("theme");
  return THEMES.includes(given) ? given : "auto";
}

function drawTheme() {
  const now = theme();
  if (now === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = now;
  document.getElementById("theme").textContent = `Theme: ${now}`;
  document.getElementById("back").hash = now === "auto" ? "" : `theme=${now}`;
}

document.getElementById("theme").addEventListener("click", () => {
  history.replaceState(null, "", `#theme=${THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length]}`);
  drawTheme();
});
addEventListener("hashchange", drawTheme);
drawTheme();
document.documentElement.dataset.ready = "yes";
