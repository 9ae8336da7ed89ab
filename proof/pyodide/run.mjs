// Run one script in CPython on WebAssembly: `node run.mjs PYODIDE JOB`, by the recorder alone.
// The guard cannot run there (it has no threads, no limits): this says what the script opened.

import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";

const PYTHON = `
import os, runpy, sys

opened = set()

def note(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, os.PathLike)):
        file = os.path.realpath(arguments[0])
        if file.startswith("/scripts/data/"):
            opened.add(file.removeprefix("/scripts/data/"))

def run(script):
    sys.argv = [script]
    sys.addaudithook(note)
    runpy.run_path(script, run_name="__main__")
    return sorted(opened)
`;

const [folder, text] = process.argv.slice(2);
const job = JSON.parse(text);
if (Object.keys(job.set).length) throw new Error("new constants are not for WebAssembly");
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
python.runPython(PYTHON);
try {
  for (const opened of python.globals.get("run")(`/scripts/${path.relative(scripts, script)}`)) {
    fs.writeSync(job.report, JSON.stringify({ opened }) + "\n");
  }
  process.exit(0);
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
