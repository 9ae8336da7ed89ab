// Run one script in CPython on WebAssembly: `node run.mjs PYODIDE JOB`, by the recorder alone.
// The guard cannot run there (it has no threads, no limits) but for what sets new constants: this
// says what the script opened.

import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";

const GUARD = new URL("../../recorder/guard.py", import.meta.url);
const PYTHON = `
import ast, json, os, sys, types
sys.modules["resource"] = types.ModuleType("resource")  # there is none, and nobody calls it here
sys.path.insert(0, "/recorder")
from guard import override
del sys.path[0], sys.modules["resource"]

opened = set()

def run(script, job):
    def note(event, arguments):
        if event == "open" and isinstance(arguments[0], (str, os.PathLike)):
            file = os.path.realpath(arguments[0])
            if file.startswith("/scripts/data/") or file == script:
                opened.add(os.path.relpath(file, "/scripts/data"))

    sys.argv = [script]
    module = sys.modules["__main__"] = types.ModuleType("__main__")
    module.__file__ = script
    with open(script, "rb") as file:
        tree = ast.parse(file.read(), script)
    override(tree, json.loads(job)["set"], script.lstrip("/"))
    sys.addaudithook(note)
    exec(compile(tree, script, "exec"), vars(module))
    return sorted(opened)
`;

const [folder, text] = process.argv.slice(2);
const job = JSON.parse(text);
// A recorder that is killed leaves no orphans.
new Worker(
  `setInterval(() => process.ppid === ${process.ppid} || process.kill(process.pid, "SIGKILL"), 500)`,
  { eval: true },
).unref();

const { loadPyodide } = await import(pathToFileURL(path.join(folder, "pyodide.mjs")));
const python = await loadPyodide({ env: { PYTHONHASHSEED: "0" } });
python.setStdout({ write: (bytes) => fs.writeSync(1, bytes) });
python.setStderr({ write: (bytes) => fs.writeSync(2, bytes) });
const script = fs.realpathSync(job.script);
const scripts = path.dirname(path.dirname(script));
python.FS.mkdirTree("/scripts");
python.FS.mount(python.FS.filesystems.NODEFS, { root: scripts }, "/scripts");
python.FS.mkdirTree("/recorder");
python.FS.writeFile("/recorder/guard.py", fs.readFileSync(GUARD));
python.runPython(PYTHON);
const run = python.globals.get("run");
try {
  for (const opened of run(`/scripts/${path.relative(scripts, script)}`, text)) {
    fs.writeSync(job.report, JSON.stringify({ opened }) + "\n");
  }
  process.exit(0);
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
