// Reads [[tex, display], ...] as JSON and writes, in the same order, [html, null] or [null, error].
const katex = require("./katex.min.js");
const formulas = JSON.parse(require("fs").readFileSync(0, "utf8"));
const rendered = formulas.map(([tex, displayMode]) => {
  try {
    return [katex.renderToString(tex, { displayMode, strict: "error", trust: false }), null];
  } catch (error) {
    if (!(error instanceof katex.ParseError)) throw error;
    return [null, error.message.replace(/^KaTeX parse error: /, "")];
  }
});
process.stdout.write(JSON.stringify(rendered));
