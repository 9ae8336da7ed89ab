// Stands in the page behind the Run panel, which loads what it needs when one of its buttons is pressed.
{
  const form = document.currentScript.previousElementSibling;
  const say = (sentence) => (form.querySelector(".run-status").textContent = sentence);
  const lacks = ["WebAssembly", "Worker", "DecompressionStream"].filter((name) => !window[name]);
  if (lacks.length) say(`This browser has no ${lacks.join(" and no ")}, which it takes to run a program on the page.`);
  else form.querySelector(".run-parts").hidden = false;
  window.noMagic = { files: {} };
  const load = async (name) => {
    const file = document.createElement("script");
    file.src = `${form.dataset.room}${name}.js`;
    const came = new Promise((done) => ([file.onload, file.onerror] = [() => done("is damaged"), () => done("is missing")]));
    if (!noMagic.files[name]) document.head.append(file);
    if (!noMagic.files[name]) file.why = await came;
    if (!noMagic.files[name]) throw Error(`The file _static/run/${name}.js ${file.why}: copy the whole folder of the book again.`);
    return noMagic.files[name];
  };
  form.onsubmit = async (event) => {
    event.preventDefault();
    try {
      form.panel ??= (await load("panel"))(form, load, say);
      await form.panel(event.submitter);
    } catch (error) {
      say(error.message);
    }
  };
}
