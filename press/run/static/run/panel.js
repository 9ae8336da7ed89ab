// The Run panel of a chapter's page. Comes with the first press of one of its buttons.
noMagic.files.panel = (form, load, say) => {
  const KEPT = 10_000; // lines of output that the page keeps; the worker counts on it
  const PACE = 200; // milliseconds between two looks at what has come
  const part = (name) => form.querySelector(`.run-${name}`);
  const [pre, note, clock, program, numbers] = ["lines", "note", "clock", "program", "numbers"].map(part);
  const fields = [...part("settings").querySelectorAll("[name]")];
  const usual = (field) => field.defaultValue ?? [...field.options].find((one) => one.defaultSelected).value;
  const changed = () => fields.filter((field) => field.value.trim() !== usual(field));
  const time = (seconds) => `${seconds.toFixed(1)} s`;
  const took = time(Number(form.dataset.seconds));
  let run; // the run that is going on

  // Walks through the lines of the book's run beside those of this one.
  const beside = (book) => {
    let [next, strange] = [0, 0];
    return (line) => {
      let best = -1;
      for (let place = next; place < book.length; place++) {
        if (book[place] === line && (best < 0 || Math.abs(place - next - strange) < Math.abs(best - next - strange))) best = place;
      }
      [next, strange] = best < 0 ? [next, strange + 1] : [best + 1, 0];
      return best >= 0;
    };
  };

  const show = () => {
    const lines = run.lines.splice(0);
    run.left += Math.max(0, lines.length - KEPT);
    const low = pre.scrollTop + pre.clientHeight >= pre.scrollHeight - 5;
    const shown = lines.slice(-KEPT).map(([kind, line]) => {
      const strange = kind === "out" && !run.known(line);
      const element = document.createElement(strange ? "mark" : "span");
      element.className = `run-${kind}`;
      element.textContent = `${line}\n`;
      run.strange += strange;
      return element;
    });
    run.count += shown.length;
    pre.append(...shown);
    const over = pre.childElementCount - KEPT;
    if (over > 0) pre.replaceChildren(...[...pre.children].slice(over));
    if (over > 0 || run.left) {
      note.textContent = `Of ${(run.left + run.count).toLocaleString("en")} lines the last ${KEPT.toLocaleString("en")} are kept.`;
    }
    if (low) pre.scrollTop = pre.scrollHeight;
  };

  const compared = () => {
    if (run.left) return "";
    if (!run.strange) return " All lines are as in the book.";
    return ` ${run.strange} of ${run.count} lines differ from the book's run, and are marked.`;
  };

  const close = () => {
    if (!run) return;
    run.worker?.terminate(); // and with it goes all its memory
    clearInterval(run.look);
    show();
    run = undefined;
    clock.textContent = "";
    part("stop").setAttribute("aria-disabled", "true");
  };

  const ended = ({ seconds, error, line }) => {
    show();
    say(error ?? `Ended after ${time(seconds)}; the book's run took ${took}.${compared()}`);
    close();
    if (line && !part("editor").hidden) select(line);
  };

  const hear = {
    begun: () => {
      run.begun = performance.now();
      say("Runs.");
    },
    end: ended,
    out: ({ left, lines }) => {
      run.left += left;
      for (const line of lines) run.lines.push(["out", line]);
    },
    err: ({ left, lines }) => {
      for (const line of lines) run.lines.push(["err", line]);
    },
  };

  const look = () => {
    show();
    if (run.begun) clock.textContent = `${time((performance.now() - run.begun) / 1_000)} (the book's run: ${took})`;
  };

  const caption = (values) => {
    const told = Object.entries(values).map(([name, value]) => `${name} = ${value}`);
    if (program.value !== program.defaultValue) told.push("the program edited");
    part("set").textContent = told.map((one) => `, ${one}`).join("");
  };

  const begin = async () => {
    close();
    const values = Object.fromEntries(changed().map((field) => [field.name, field.value]));
    run = { lines: [], left: 0, count: 0, strange: 0 };
    const mine = run;
    say("Loads Python.");
    try {
      const chapter = await load(`chapters/${form.dataset.name}`);
      const { code, ...runtime } = await load("runtime");
      const names = chapter.data;
      const data = await Promise.all(names.map((name) => load(`data/${name}`)));
      const text = await unpacked(code);
      if (run !== mine) return; // stopped meanwhile, or begun anew
      run.known = beside(chapter.transcript.split("\n").slice(0, -1));
      caption(values);
      [pre, note].forEach((one) => one.replaceChildren());
      part("output").hidden = false;
      part("stop").setAttribute("aria-disabled", "false");
      run.worker = worker(text);
      run.worker.onmessage = ({ data }) => run === mine && hear[data.kind](data);
      run.worker.onerror = (event) => {
        event.preventDefault();
        if (run === mine) ended({ error: `The browser ended the program: ${event.message || "it lets no worker begin"}.` });
      };
      run.worker.postMessage({
        ...runtime,
        script: chapter.script,
        source: program.defaultValue ? program.value : chapter.source,
        set: values,
        data: Object.fromEntries(names.map((name, place) => [name, data[place]])),
      });
      run.look = setInterval(look, PACE);
    } catch (error) {
      if (run !== mine) return;
      close();
      throw error;
    }
  };

  const worker = (text) => {
    const place = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
    try {
      return new Worker(place);
    } catch (error) {
      throw Error(`This browser lets no worker begin, which it takes to run a program on the page (${error.message}).`);
    } finally {
      setTimeout(() => URL.revokeObjectURL(place), 60_000); // when it has been read
    }
  };

  const unpacked = async (base64) => {
    const packed = new Blob([Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0))]);
    return new Response(packed.stream().pipeThrough(new DecompressionStream("gzip"))).text();
  };

  const stop = () => {
    if (!run) return say("Nothing runs.");
    const after = run.begun ? ` after ${time((performance.now() - run.begun) / 1_000)}` : "";
    close();
    say(`Stopped${after}; what it had of memory is given back.`);
  };

  const preset = (values) => {
    for (const field of fields) field.value = values[field.name] ?? usual(field);
    return begin();
  };

  const number = () => {
    const lines = program.value.split("\n").length;
    numbers.textContent = Array.from({ length: lines }, (_, place) => place + 1).join("\n");
    numbers.scrollTop = program.scrollTop;
  };

  const select = (line) => {
    const before = program.value.split("\n").slice(0, line);
    const end = before.join("\n").length;
    program.focus();
    program.setSelectionRange(end - before.at(-1).length, end);
    program.scrollTop = (program.scrollHeight / program.value.split("\n").length) * (line - 8);
  };

  const edit = async (button) => {
    if (!program.defaultValue) program.defaultValue = (await load(`chapters/${form.dataset.name}`)).source;
    const editor = part("editor");
    editor.hidden = !editor.hidden;
    button.setAttribute("aria-expanded", String(!editor.hidden));
    number();
  };

  program.oninput = number;
  program.onscroll = () => (numbers.scrollTop = program.scrollTop);
  form.addEventListener("reset", () => setTimeout(() => (number(), say("All values are as in the book again."))));
  const acts = { run: begin, stop, edit, preset: (button) => preset(JSON.parse(button.value)) };
  return (button) => acts[button?.name ?? "run"](button);
};
