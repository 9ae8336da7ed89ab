// Where the reader keeps site data from pages, what they choose lasts as long as the page: the
// theme's own switch would throw.
try {
  localStorage.length;
} catch {
  const kept = new Map();
  const memory = {
    getItem: (name) => kept.get(name) ?? null,
    setItem: (name, value) => kept.set(name, String(value)),
    removeItem: (name) => kept.delete(name),
  };
  Object.defineProperty(window, "localStorage", { value: memory });
}
// Light or dark as the reader last chose, before the page is drawn.
const choice = (name) => localStorage.getItem(name) || "auto";
document.documentElement.dataset.mode = choice("mode");
document.documentElement.dataset.theme = choice("theme");
