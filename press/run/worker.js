// The worker of the Run panel: one job, one run of one program, and its end. Pyodide stands before this text.
const LINES = 10_000; // as many of the last ones are kept
const LETTERS = 2_000; // of a line; more are counted
const CALM = 1_000; // lines a second that are told one by one; of a flood, ten heaps a second

const EMPTY = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]); // a WebAssembly of nothing

const bytes = (base64) => {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
  const text = atob(base64);
  const found = new Uint8Array(text.length);
  for (let place = 0; place < text.length; place++) found[place] = text.charCodeAt(place);
  return found;
};
const unpacked = (base64) => new Blob([bytes(base64)]).stream().pipeThrough(new DecompressionStream("gzip"));

// Lines as they are printed, told so that a page never has more to do than it can.
class Printed {
  constructor(kind) {
    [this.kind, this.letters, this.line, this.over] = [kind, new TextDecoder(), "", 0];
    [this.heap, this.left, this.second, this.count, this.told] = [[], 0, 0, 0, 0];
  }
  write(written) {
    const [last, ...ended] = this.letters.decode(written, { stream: true }).split("\n").reverse();
    for (const piece of ended.reverse()) this.add(piece), this.end();
    this.add(last);
    return written.length;
  }
  add(piece) {
    const room = LETTERS - this.line.length;
    this.line += piece.slice(0, room);
    this.over += Math.max(0, piece.length - room);
  }
  end() {
    this.heap.push(this.line + (this.over ? ` ... and ${this.over} more letters` : ""));
    [this.line, this.over] = ["", 0];
    const now = performance.now();
    if (now - this.second > 1_000) [this.second, this.count] = [now, 0];
    if (++this.count <= CALM || now - this.told > 100) this.tell(now);
    else if (this.heap.length > 2 * LINES) this.left += this.heap.splice(0, this.heap.length - LINES).length;
  }
  tell(now) {
    postMessage({ kind: this.kind, left: this.left, lines: this.heap.splice(0) });
    [this.left, this.told] = [0, now];
  }
  close() {
    if (this.line || this.over) this.end();
    this.tell(0);
  }
}

self.onmessage = async ({ data: job }) => {
  try {
    new WebAssembly.Module(EMPTY); // throws where that is forbidden; Pyodide would wait for ever
    const files = { // what Pyodide asks for comes with the page, and from nowhere else
      "pyodide.asm.wasm": await new Response(unpacked(job.wasm)).arrayBuffer(), // throws if damaged
      "python_stdlib.zip": bytes(job.library),
    };
    const headers = { "Content-Type": "application/wasm" };
    self.fetch = async (place) => new Response(files[String(place).split("/").at(-1)], { headers });
    const python = await loadPyodide({
      createPyodideModule: _createPyodideModule,
      indexURL: "file:///pyodide/",
      lockFileContents: job.lock,
      env: { PYTHONHASHSEED: "0" },
    });
    const write = (path, content) => {
      python.FS.mkdirTree(path.slice(0, path.lastIndexOf("/")));
      python.FS.writeFile(path, content);
    };
    for (const [path, text] of Object.entries(job.python)) write(`/machine/${path}`, text);
    for (const [name, content] of Object.entries(job.data)) write(`/scripts/data/${name}`, bytes(content));
    write(`/${job.script}`, job.source);
    const [out, err] = [new Printed("out"), new Printed("err")];
    python.setStdout({ write: (written) => out.write(written) });
    python.setStderr({ write: (written) => err.write(written) });
    python.runPython("import sys; sys.path.insert(0, '/machine'); from press.run.begin import begin; sys.path.pop(0)");
    const begin = python.globals.get("begin");
    postMessage({ kind: "begun" });
    const begun = performance.now();
    const said = begin(job.script, JSON.stringify(job.set));
    const seconds = (performance.now() - begun) / 1_000;
    out.close();
    err.close();
    postMessage({ kind: "end", seconds, ...JSON.parse(said) });
  } catch (error) { // of Pyodide itself, or of the browser
    postMessage({ kind: "end", error: `Python itself gave up: ${String(error.message ?? error).split("\n")[0]}.` });
  }
};
