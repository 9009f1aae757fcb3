export default lasting(({ model, el, link }) => {
  const input = h("input", {type: "text", "aria-label": "text to continue"});
  const heat = slider("temperature", model.get("temperature"));
  const grid = h("div", {className: "lab-bars", "role": "group",
                         "aria-label": "most probable next tokens"});
  const status = statusLine();
  const asked = (type) => ({type, prompt: input.value,
                            temperature: Number(heat.input.value)});
  const ask = () => link.sendLatest(asked("show"));
  const askSoon = later(ask, 200);
  input.addEventListener("input", askSoon);
  heat.input.addEventListener("input", askSoon);
  const roll = h("button", {type: "button", className: "lab-button"}, "Roll the dice");
  const undo = h("button", {type: "button", className: "lab-button"}, "Undo");
  roll.addEventListener("click", () => {
    askSoon.stop();
    link.sendLatest(asked("roll"));
  });
  undo.addEventListener("click", () => {
    askSoon.stop();
    if (model.get("past").length) link.sendLatest({type: "undo"});
  });
  // Rows are made once and rewritten: a button that vanished under the focus would
  // hand the keyboard to the notebook.
  const rows = [];
  const addRow = () => {
    const row = {
      token: h("button", {type: "button"}),
      bar: h("div", {className: "lab-bar"}),
      share: h("span", {className: "lab-share"}),
      append: null,
    };
    row.token.addEventListener("click", () => {
      // Bars of another text than the one that stands there say nothing about it.
      if (row.append === null || input.value !== model.get("prompt")) return;
      input.value += row.append;
      ask();
    });
    rows.push(row);
    grid.append(row.token, h("div", {}, row.bar), row.share);
  };
  const draw = () => {
    const bars = model.get("bars");
    while (rows.length < bars.length) addRow();
    const longest = Math.max(...bars.map((bar) => bar.share), 1e-9);
    rows.forEach((row, index) => {
      const bar = bars[index];
      const gone = bar === undefined;
      row.token.textContent = gone ? "" : bar.shown;
      row.token.title = !gone && bar.append !== null ? "go on with this token" : "";
      row.append = gone ? null : bar.append;
      row.token.setAttribute("aria-disabled", link.asleep() || row.append === null);
      row.token.classList.toggle("lab-gone", gone);
      row.bar.style.width = gone ? "0" : `${100 * bar.share / longest}%`;
      row.bar.classList.toggle("lab-rest", !gone && bar.rest);
      row.share.textContent = gone ? "" : `${(100 * bar.share).toFixed(1)} %`;
    });
    link.needs(...rows.map((row) => row.token));
  };
  let before = model.get("prompt");
  const stop = follow(model, {
    // A text that grew by a token grows here, too, while the keyboard is in it.
    prompt: () => {
      const text = model.get("prompt");
      if (input.value === before) input.value = text;
      else showUnlessTyping(input, text);
      before = text;
    },
    bars: draw,
    past: () => undo.setAttribute("aria-disabled",
                                  link.asleep() || !model.get("past").length),
    status: () => { status.textContent = model.get("status"); },
  });
  link.needs(roll, undo);
  el.append(labBox("explorer", "next-token explorer",
              h("div", {className: "lab-row"}, input, heat.node),
              h("div", {className: "lab-row"}, roll, undo), grid, status,
              h("p", {className: "lab-hint"}, "Click a token to go on with it, let the ",
                "dice choose by these shares, or type."), link.line));
  return () => { askSoon.stop(); stop(); };
});
