const h = (tag, properties = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in node && !name.startsWith("aria")) node[name] = value;
    else node.setAttribute(name, value);
  }
  if (node.tabIndex >= 0) node.dataset.lmSuppressShortcuts = "true";
  node.append(...children);
  return node;
};
const shape = (tag, properties = {}, ...children) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(properties)) {
    node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
};
const slider = (label, value) => {
  const shown = h("span", {"aria-hidden": "true"}, value.toFixed(1));
  const input = h("input", {type: "range", min: 0.1, max: 2, step: 0.1,
                            "aria-label": label});
  input.value = value;
  input.addEventListener("input", () => {
    shown.textContent = Number(input.value).toFixed(1);
  });
  return {input, node: h("label", {className: "lab-slider"}, label, input, shown)};
};
const drawBars = (list, bars) => {
  list.replaceChildren(...bars.map(({shown, share, rest}) => {
    const bar = h("div", {className: rest ? "lab-bar lab-rest" : "lab-bar"});
    bar.style.width = `${100 * share}%`;
    return h("div", {"role": "listitem"}, h("span", {className: "lab-token"}, shown),
             h("div", {}, bar),
             h("span", {className: "lab-share"}, `${(100 * share).toFixed(1)} %`));
  }));
};
// Draws each part now and whenever what it shows has changed ("" is anything at all);
// returns what ends that.
const follow = (model, parts) => {
  const events = Object.entries(parts).map(([name, draw]) =>
    [name ? `change:${name}` : "change", draw]);
  for (const [event, draw] of events) {
    draw();
    model.on(event, draw);
  }
  return () => events.forEach(([event, draw]) => model.off(event, draw));
};
// What is typed stays as it is typed, whatever comes back meanwhile.
const showUnlessTyping = (input, text) => {
  if (document.activeElement !== input) input.value = text;
};
// JupyterLab keeps the browser from writing a line end on Enter.
const writeLineEnds = (input) => input.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.isComposing) return;
  if (event.shiftKey || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  document.execCommand("insertText", false, "\n");
});
// Acts once, a while after the last call; `stop` forgets it.
const later = (act, milliseconds) => {
  let timer;
  const soon = () => { soon.stop(); timer = setTimeout(act, milliseconds); };
  soon.stop = () => clearTimeout(timer);
  return soon;
};
// What each view stands in; `kind` names its style.
const labBox = (kind, label, ...children) =>
  h("div", {className: `lab-box lab-${kind}`, "role": "group", "aria-label": label},
    ...children);
const statusLine = (className = "lab-status") =>
  h("p", {className, "role": "status"});
const counted = (number) => number.toLocaleString("en");
// A curve of losses with a scale: `points` are [step, loss], the steps go from `first`
// to `last`; `marks` are more shapes in the same 100 by 40 units.
const lossCurve = (points, first, last, marks = []) => {
  const losses = points.map(([, loss]) => loss);
  const low = Math.min(...losses), high = Math.max(...losses);
  const across = (step) => 100 * (step - first) / (last - first || 1);
  const down = (loss) => 38 - 36 * (loss - low) / (high - low || 1);
  const line = shape("polyline", {points: points.map(([step, loss]) =>
    `${across(step)},${down(loss)}`).join(" ")});
  const curve = shape("svg", {viewBox: "0 0 100 40", preserveAspectRatio: "none"},
                      line, ...marks);
  const label = (name, text) => h("span", {className: `lab-${name}`}, text);
  return h("div", {className: "lab-curve", "role": "img",
                   "aria-label": `loss from ${losses[0].toFixed(2)} to `
                     + losses.at(-1).toFixed(2)},
    label("high", high.toFixed(2)), label("low", low.toFixed(2)), curve,
    label("first", `step ${counted(first)}`), label("last", `step ${counted(last)}`));
};
// A text box that asks when it is told to, by its button or by Enter.
const asking = (label, text, button, ask) => {
  const input = h("input", {type: "text", value: text, "aria-label": label});
  const form = h("form", {className: "lab-row"}, input,
                 h("button", {type: "submit", className: "lab-button"}, button));
  // JupyterLab keeps the browser from sending the form on Enter.
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask(input.value);
  });
  return {form, input, button: form.lastChild};
};
