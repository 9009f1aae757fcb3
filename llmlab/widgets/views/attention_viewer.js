const BLUE = "25, 118, 210";
const SHOWN_BARS = 5;
const clamp = (value, count) => Math.min(Math.max(value, 0), count - 1);

// The weights of one text, as they lie in the model.
const weightsOf = (model) => {
  const [layers, heads, time] = model.get("shape");
  const raw = model.get("weights");
  const weights = new Float32Array(
    raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.byteLength));
  const row = (layer, head, position) => {
    const start = ((layer * heads + head) * time + position) * time;
    return Array.from(weights.subarray(start, start + time));
  };
  return {layers, heads, time, row};
};

export default lasting(({ model, el, link }) => {
  const choose = (change) => {
    for (const [name, value] of Object.entries(change)) model.set(name, value);
    model.save_changes();
  };
  const map = h("div", {className: "lab-heads", "role": "radiogroup",
                        "aria-label": "layer and head"});
  const text = h("div", {className: "lab-text", "role": "radiogroup",
                         "aria-label": "position that looks"});
  const status = statusLine();
  const list = h("div", {className: "lab-bars", "role": "list",
                         "aria-label": "what it looks at, most first"});
  let tokens, raw, shown, thumbnails, words;
  const thumbnail = (layer, head) => {
    const canvas = h("canvas", {width: shown.time, height: shown.time,
                                "aria-hidden": "true"});
    const pen = canvas.getContext("2d");
    for (let query = 0; query < shown.time; query++) {
      shown.row(layer, head, query).forEach((weight, key) => {
        pen.fillStyle = `rgba(${BLUE}, ${Math.sqrt(weight)})`;
        pen.fillRect(key, query, 1, 1);
      });
    }
    const node = h("button", {type: "button", "role": "radio",
                              "aria-label": `layer ${layer}, head ${head}`,
                              title: `layer ${layer}, head ${head}`}, canvas);
    node.addEventListener("click", () => choose({layer, head}));
    return node;
  };
  const build = () => {
    tokens = model.get("tokens");
    raw = model.get("weights");
    shown = weightsOf(model);
    const { layers, heads } = shown;
    map.style.gridTemplateColumns = `repeat(${heads + 1}, auto)`;
    map.replaceChildren(h("span"), ...[...Array(heads).keys()].map((head) =>
      h("span", {"aria-hidden": "true"}, `head ${head}`)));
    thumbnails = [];
    for (let layer = 0; layer < layers; layer++) {
      map.append(h("span", {"aria-hidden": "true"}, `layer ${layer}`));
      for (let head = 0; head < heads; head++) {
        thumbnails.push(thumbnail(layer, head));
        map.append(thumbnails.at(-1));
      }
    }
    words = tokens.map((token, position) => {
      const node = h("button", {type: "button", "role": "radio"}, token, h("small"));
      node.addEventListener("click", () => choose({position}));
      return node;
    });
    text.replaceChildren(...words);
  };
  const named = (position) => `${tokens[position]} (${position})`;
  const check = (nodes, chosen) => nodes.forEach((node, index) => {
    node.setAttribute("aria-checked", index === chosen);
    node.tabIndex = index === chosen ? 0 : -1;
  });
  const draw = () => {
    if (tokens !== model.get("tokens") || raw !== model.get("weights")) build();
    const layer = model.get("layer"), head = model.get("head");
    const position = model.get("position");
    const row = shown.row(layer, head, position);
    const order = [...row.keys()].sort((a, b) => row[b] - row[a]);
    const best = order.slice(0, SHOWN_BARS).filter((key) => row[key] > 0);
    const rest = 1 - best.reduce((sum, key) => sum + row[key], 0);
    check(thumbnails, layer * shown.heads + head);
    check(words, position);
    words.forEach((node, key) => {
      const weight = row[key] ? row[key].toFixed(2) : "0";
      node.style.background = `rgba(${BLUE}, ${0.65 * Math.sqrt(row[key])})`;
      node.lastChild.textContent = weight;
      node.setAttribute("aria-label",
                        `${named(key)}, looked at with weight ${weight}`);
    });
    drawBars(list, [
      ...best.map((key) => ({shown: named(key), share: row[key]})),
      ...(rest > 0.0005 ? [{shown: "all others", share: rest, rest: true}] : []),
    ]);
    const most = order[0], share = (100 * row[most]).toFixed(1);
    status.textContent = `Layer ${layer}, head ${head}: “${tokens[position]}” `
      + `(${position}) looks most at “${tokens[most]}” (${most}), ${share} %.`;
  };
  map.addEventListener("keydown", (event) => {
    const [down, right] = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1],
                           ArrowRight: [0, 1]}[event.key] ?? [0, 0];
    if (!down && !right) return;
    event.preventDefault();
    const layer = clamp(model.get("layer") + down, shown.layers);
    const head = clamp(model.get("head") + right, shown.heads);
    choose({layer, head});
    thumbnails[layer * shown.heads + head].focus();
  });
  text.addEventListener("keydown", (event) => {
    const now = model.get("position");
    const next = {ArrowLeft: now - 1, ArrowUp: now - 1, ArrowRight: now + 1,
                  ArrowDown: now + 1, Home: 0, End: shown.time - 1}[event.key];
    if (next === undefined) return;
    event.preventDefault();
    choose({position: clamp(next, shown.time)});
    words[clamp(next, shown.time)].focus();
  });
  const own = h("p", {className: "lab-status lab-notice", "role": "status"});
  const { form, button } = asking("a text of your own", "", "Look at it", (typed) =>
    link.sendLatest({type: "ask", text: typed}));
  form.firstChild.placeholder = "A text of your own…";
  link.needs(button);
  const stop = follow(model, {
    "": draw, status: () => { own.textContent = model.get("status"); },
  });
  el.append(labBox("attention", "attention viewer",
    ...(model.get("asks") ? [form, own, link.line] : []), map, text, status, list,
    h("p", {className: "lab-hint"}, "Click a small map (one head: a row for each ",
      "position that looks) or a token; or press ", h("kbd", {}, "Tab"),
      " and the arrow keys. All is counted from 0.")));
  return stop;
}, {asleep: "Asleep: the maps still answer. To type a text, run this cell."});
