// Reads [[tex, display], ...] as JSON and writes, in the same order, [html, null] or [null, error].
const katex = require("./katex.min.js");
const formulas = JSON.parse(require("fs").readFileSync(0, "utf8"));
// In MathML a letter or an operator holds text alone, but KaTeX puts rows into both for \underset and
// \operatorname*, where it has the row applied to what follows; and its columnspacing may be empty.
const mend = (html) => {
  const rows = [];
  return html
    .replace(/<mo>\u2061<\/mo>(?=<\/m[io]>)/g, "")
    .replace(/<(\/?)(?:mi|mo)\b[^>]*>(?=(<\w)?)/g, (tag, closes, child) => {
      const row = closes ? rows.pop() : Boolean(child);
      if (!closes) rows.push(row);
      return row ? `<${closes}mrow>` : tag;
    })
    .replaceAll(' columnspacing=""', "");
};
const rendered = formulas.map(([tex, displayMode]) => {
  try {
    return [mend(katex.renderToString(tex, { displayMode, strict: "error", trust: false })), null];
  } catch (error) {
    if (!(error instanceof katex.ParseError)) throw error;
    return [null, error.message.replace(/^KaTeX parse error: /, "")];
  }
});
process.stdout.write(JSON.stringify(rendered));
