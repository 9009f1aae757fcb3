export default lasting(({ model, el, link }) => {
  const progress = h("p", {className: "lab-head"});
  const filled = h("div");
  const bar = h("div", {className: "lab-progress", "role": "progressbar",
                        "aria-label": "pairs done", "aria-valuemin": 0}, filled);
  const prompt = h("p", {className: "lab-message"});
  const button = (text, key, act) => {
    const node = h("button", {type: "button", className: "lab-button"},
                   text + " ", h("kbd", {}, key));
    node.addEventListener("click", act);
    return node;
  };
  const send = (type, choice) =>
    link.send({type, choice, position: model.get("view").position});
  const texts = [h("span"), h("span")];
  const cards = texts.map((text, index) => {
    const key = h("span", {className: "lab-name"},
                  "This one is better ", h("kbd", {}, String(index + 1)));
    const node = h("button", {type: "button", className: "lab-card"}, key, text);
    node.addEventListener("click", () => send("choose", index));
    return node;
  });
  const equal = button("Equally good", "e", () => send("choose", 0.5));
  const skip = button("Skip", "s", () => send("skip"));
  const undo = button("Undo", "u", () => send("undo"));
  const status = statusLine();
  const pair = h("div", {}, prompt, h("div", {className: "lab-columns"}, ...cards));
  const box = h("section", {className: "lab-box lab-labeller", tabIndex: 0,
                            "aria-label": "which text is better?"},
                progress, bar, pair,
                h("div", {className: "lab-row"}, equal, skip, undo), status,
                link.line);
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = {1: () => send("choose", 0), 2: () => send("choose", 1),
                 e: () => send("choose", 0.5), s: () => send("skip"),
                 u: () => send("undo")}[event.key];
    if (!act || event.repeat) return;
    event.preventDefault();
    act();
  });
  const draw = () => {
    const v = model.get("view");
    const done = v.position >= v.total;
    progress.textContent = done
      ? `All ${v.total} pairs seen, ${v.labelled} labelled. Thank you!`
      : `Pair ${v.position + 1} of ${v.total}`;
    filled.style.width = `${100 * v.position / v.total}%`;
    bar.setAttribute("aria-valuemax", v.total);
    bar.setAttribute("aria-valuenow", v.position);
    prompt.textContent = v.prompt;
    texts[0].textContent = v.first;
    texts[1].textContent = v.second;
    // Focus inside what is about to be hidden would fall back to the notebook, where
    // the next key is a command.
    const gone = [pair, equal, skip];
    if (done && gone.some((node) => node.contains(document.activeElement))) box.focus();
    for (const node of gone) node.hidden = done;
    undo.setAttribute("aria-disabled", link.asleep() || v.position === 0);
  };
  link.needs(...cards, equal, skip, undo);
  el.append(box);
  return follow(model, {
    view: draw,
    status: () => { status.textContent = model.get("status"); },
  });
});
