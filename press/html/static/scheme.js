// Light or dark as the reader last chose, before the page is drawn.
const choice = (name) => localStorage.getItem(name) || "auto";
document.documentElement.dataset.mode = choice("mode");
document.documentElement.dataset.theme = choice("theme");
