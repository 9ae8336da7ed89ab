// A formula is copied once, as its TeX: the page holds it as boxes for the eye and as MathML for the ear.
document.addEventListener("copy", (event) => {
  const selection = getSelection();
  const touched = [...document.querySelectorAll(".katex")].filter((one) => selection.containsNode(one, true));
  if (selection.isCollapsed || !touched.length) return;
  const range = selection.getRangeAt(0).cloneRange();
  const whole = (node) => (node.nodeType === 1 ? node : node.parentElement).closest(".katex");
  if (whole(range.startContainer)) range.setStartBefore(whole(range.startContainer));
  if (whole(range.endContainer)) range.setEndAfter(whole(range.endContainer));
  const copied = document.createElement("div"); // laid out, so that its text has the page's lines
  copied.style = "position: fixed; top: 0; width: 40rem; opacity: 0";
  copied.append(range.cloneContents());
  for (const one of copied.querySelectorAll(".linenos, .headerlink, .copybtn")) one.remove();
  for (const one of copied.querySelectorAll(".katex")) {
    const mark = one.parentElement.matches(".katex-display") ? "$$" : "$";
    const after = one.querySelector(".after")?.textContent ?? "";
    one.replaceWith(`${mark}${one.querySelector("annotation").textContent}${mark}${after}`);
  }
  document.body.append(copied);
  event.clipboardData.setData("text/plain", copied.innerText);
  copied.remove();
  event.clipboardData.setData("text/html", copied.innerHTML);
  event.preventDefault();
});
