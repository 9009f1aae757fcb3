// The words of two texts, each with whether it belongs to this text alone: what is left
// when the longest row of words that both have in this order is taken out.
const differing = (first, second) => {
  const [a, b] = [first, second].map((text) => text.match(/\s+|\w+|[^\s\w]/gu) ?? []);
  const common = Array.from({length: a.length + 1}, () => new Array(b.length + 1).fill(0));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      common[i][j] = a[i] === b[j] ? common[i + 1][j + 1] + 1
        : Math.max(common[i + 1][j], common[i][j + 1]);
    }
  }
  const sides = [[], []];
  const add = (side, word, own) => {
    const last = sides[side].at(-1);
    if (last && last[1] === own) last[0] += word;
    else sides[side].push([word, own]);
  };
  let i = 0, j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      add(0, a[i++], false);
      add(1, b[j++], false);
    } else if (j === b.length || (i < a.length && common[i + 1][j] >= common[i][j + 1])) {
      add(0, a[i++], true);
    } else {
      add(1, b[j++], true);
    }
  }
  return sides;
};
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
  // What only one of the texts says is marked, by a line and a colour, unless the
  // button is up.
  let marking = true;
  const texts = [h("span"), h("span")];
  const fill = (view) => {
    const sides = marking ? differing(view.first, view.second)
      : [[[view.first, false]], [[view.second, false]]];
    sides.forEach((parts, side) => texts[side].replaceChildren(
      ...parts.map(([text, own]) => own ? h("mark", {}, text) : text)));
  };
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
  const mark = button("Mark what differs", "d", () => {
    marking = !marking;
    mark.setAttribute("aria-pressed", marking);
    fill(model.get("view"));
  });
  mark.setAttribute("aria-pressed", marking);
  const status = statusLine();
  const pair = h("div", {}, prompt, h("div", {className: "lab-columns"}, ...cards));
  const box = labBox("labeller", "which text is better?",
                progress, bar, pair,
                h("div", {className: "lab-row"}, equal, skip, undo, mark), status,
                link.line);
  box.tabIndex = 0;
  box.dataset.lmSuppressShortcuts = "true";
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = {1: () => send("choose", 0), 2: () => send("choose", 1),
                 e: () => send("choose", 0.5), s: () => send("skip"),
                 u: () => send("undo"), d: () => mark.click()}[event.key];
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
    fill(v);
    // Focus inside what is about to be hidden would fall back to the notebook, where
    // the next key is a command.
    const gone = [pair, equal, skip, mark];
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
}, {asleep: "Asleep, and every label is safe: run this cell to go on."});
