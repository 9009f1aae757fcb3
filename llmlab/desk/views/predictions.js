const numberEntry = (asks, changed) => {
  const input = h("input", {type: "text", inputMode: "decimal", autocomplete: "off",
                            "aria-label": asks.unit ? `your number, in ${asks.unit}`
                                                    : "your number"});
  input.addEventListener("input", changed);
  return {
    node: h("div", {className: "lab-row lab-number"}, input, h("span", {}, asks.unit)),
    get: () => input.value,
    set: (value) => { if (document.activeElement !== input) input.value = value; },
    lock: (locked) => { input.readOnly = locked; },
    enter: input,
  };
};
const choiceEntry = (asks, changed) => {
  const group = radios({text: "your choice", unseen: true},
                       asks.options.map((option) => [option, option]), changed);
  group.node.classList.add("lab-choices");
  return group;
};
const wordsEntry = (asks, changed) => {
  const input = h("textarea", {rows: 3, "aria-label": "your words"});
  writeLineEnds(input);
  input.addEventListener("input", changed);
  return {
    node: h("div", {className: "lab-row"}, input),
    get: () => input.value,
    set: (value) => { if (document.activeElement !== input) input.value = value; },
    lock: (locked) => { input.readOnly = locked; },
  };
};
// Drawn by pointer in strokes, or by keys: left and right move, up and down set a
// height, and what lies between two places set one after the other is a straight line.
const curveEntry = (asks, changed) => {
  const [xLabel, xs, yLabel, ys] = asks.curve;
  const last = asks.grid - 1;
  let heights = Array(asks.grid).fill(null), column = 0, set = null, locked = false;
  let height = (ys[0] + ys[1]) / 2;
  const sheet = paper(asks.curve, (layer, toX, toY) => {
    const points = drawnPoints(heights, xs, toX, toY);
    layer.append(polyline("lab-yours", points));
    const x = toX(xs[0] + column / last * (xs[1] - xs[0]));
    layer.append(shape("circle", {class: "lab-pen", cx: x, cy: toY(height), r: 5}));
  });
  const node = h("div", {className: "lab-drawing", tabIndex: 0, "role": "slider",
    "aria-label": `your curve: ${yLabel} over ${xLabel}. Left and right move, up and `
      + "down set the height, with Shift in large steps, Delete takes a place away",
    "aria-valuemin": ys[0], "aria-valuemax": ys[1]}, sheet.node);
  const said = () => {
    const at = short(xs[0] + column / last * (xs[1] - xs[0]));
    const value = heights[column] === null ? "nothing drawn" : short(heights[column]);
    node.setAttribute("aria-valuenow", heights[column] ?? height);
    node.setAttribute("aria-valuetext", `${xLabel} ${at}: ${yLabel} ${value}`);
  };
  const redraw = () => { sheet.redraw(); said(); };
  const put = (place, y) => {
    const from = set ?? [place, y];
    const steps = Math.max(1, Math.abs(place - from[0]));
    for (let i = 0; i <= steps; i += 1) {
      const at = from[0] + Math.round(i / steps * (place - from[0]));
      heights[at] = from[1] + i / steps * (y - from[1]);
    }
    [set, column, height] = [[place, y], place, y];
    redraw();
    changed();
  };
  const point = (event) => {
    const [share, y] = sheet.at(event);
    put(Math.round(share * last), y);
  };
  node.addEventListener("pointerdown", (event) => {
    if (locked || event.button) return;
    node.setPointerCapture(event.pointerId);
    set = null;
    point(event);
  });
  node.addEventListener("pointermove", (event) => {
    if (!locked && node.hasPointerCapture(event.pointerId)) point(event);
  });
  const move = (to) => {
    column = Math.min(last, Math.max(0, to));
    height = heights[column] ?? height;
    redraw();
  };
  const climb = (steps) => put(column,
    Math.min(ys[1], Math.max(ys[0], height + steps * (ys[1] - ys[0]) / 40)));
  node.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const size = event.shiftKey ? 5 : 1;
    const act = {
      ArrowLeft: () => move(column - size), ArrowRight: () => move(column + size),
      Home: () => move(0), End: () => move(last),
      ArrowUp: () => climb(size), ArrowDown: () => climb(-size),
      PageUp: () => climb(5), PageDown: () => climb(-5),
      Enter: () => climb(0), " ": () => climb(0),
      Delete: () => { heights[column] = set = null; redraw(); changed(); },
    }[event.key];
    if (!act) return;
    event.preventDefault();
    if (!locked || /Left|Right|Home|End/.test(event.key)) act();
  });
  const clear = h("button", {type: "button", className: "lab-button"}, "Clear the curve");
  clear.addEventListener("click", () => {
    if (locked) return;
    heights = Array(asks.grid).fill(null);
    set = null;
    redraw();
    changed();
  });
  said();
  return {
    node: h("div", {}, node,
            h("p", {className: "lab-hint"}, "Draw with the mouse or a finger; or with "
              + "the keys ← → (move) and ↑ ↓ (height), Shift for large steps."), clear),
    get: () => heights,
    set: (value) => {
      heights = [...value];
      redraw();
    },
    lock: (value) => {
      locked = value;
      clear.setAttribute("aria-disabled", value);
    },
    stop: sheet.stop,
  };
};
export default lasting(({ model, el, link }) => {
  const asks = model.get("asks");
  const entries = {number: numberEntry, choice: choiceEntry, words: wordsEntry,
                   curve: curveEntry};
  // What is typed outlives the page before it is kept.
  const saveDraft = later(() => {
    model.set("draft", {value: entry.get(), sure: sure.get()});
    model.save_changes();
  }, 300);
  const entry = entries[asks.kind](asks, saveDraft);
  const sure = radios({text: "How sure are you?"},
                      asks.levels.map((level) => [level, `${level} %`]), saveDraft);
  sure.node.classList.add("lab-sure");
  const keep = h("button", {type: "button", className: "lab-button lab-main"},
                 "Keep my prediction");
  const send = () => {
    if (model.get("locked") || link.asleep()) return;
    const level = sure.get();
    link.send({type: "keep", value: entry.get(), sure: level && Number(level)});
  };
  keep.addEventListener("click", send);
  entry.enter?.addEventListener("keydown", (event) => {
    if (event.key === "Enter") send();
  });
  const status = statusLine();
  const show = (made) => {
    if (made.value !== undefined && made.value !== null) entry.set(made.value);
    if (made.sure) sure.set(made.sure);
  };
  const box = deskBox("prediction", `predict: ${asks.text}`, "Predict", asks.text,
                      entry.node, sure.node,
                      h("div", {className: "lab-row"}, keep, status), link.line);
  el.append(box);
  link.needs(keep);
  const draft = model.get("draft");
  const stop = follow(model, {
    kept: () => show(model.get("kept")),
    locked: () => {
      const locked = model.get("locked");
      entry.lock(locked);
      sure.lock(locked);
      if (locked && document.activeElement === keep) box.focus();
      keep.hidden = locked;
    },
    status: () => { status.textContent = model.get("status"); },
  });
  if (!model.get("locked")) show(draft);
  const unsee = whenSeen(model, box);
  return () => { unsee(); saveDraft.stop(); entry.stop?.(); stop(); };
});
