// Light or dark as the reader last chose, before the page is drawn. Where the browser keeps nothing for this
// page, since site data are blocked, a choice lasts as long as the page: the theme's scripts know no other place.
try {
  localStorage.getItem("mode");
} catch {
  const kept = new Map();
  const value = { getItem: (name) => kept.get(name) ?? null, setItem: (name, what) => kept.set(name, String(what)) };
  Object.defineProperty(window, "localStorage", { value });
}
const choice = (name) => localStorage.getItem(name) || "auto";
document.documentElement.dataset.mode = choice("mode");
document.documentElement.dataset.theme = choice("theme");
