export default lasting(({ model, el, link }) => {
  const input = h("input", {type: "text", "aria-label": "text to continue"});
  const heat = slider("temperature", model.get("temperature"));
  const grid = h("div", {className: "lab-bars", "role": "group",
                         "aria-label": "most probable next tokens"});
  const status = statusLine();
  const ask = () => link.sendLatest({type: "show", prompt: input.value,
                                temperature: Number(heat.input.value)});
  const askSoon = later(ask, 200);
  input.addEventListener("input", askSoon);
  heat.input.addEventListener("input", askSoon);
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
      if (row.append === null) return;
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
      row.token.setAttribute("aria-disabled", row.append === null);
      row.bar.style.width = gone ? "0" : `${100 * bar.share / longest}%`;
      row.bar.classList.toggle("lab-rest", !gone && bar.rest);
      row.share.textContent = gone ? "" : `${(100 * bar.share).toFixed(1)} %`;
    });
  };
  const stop = follow(model, {
    prompt: () => showUnlessTyping(input, model.get("prompt")),
    bars: draw,
    status: () => { status.textContent = model.get("status"); },
  });
  el.append(h("section", {className: "lab-box lab-explorer",
                          "aria-label": "next-token explorer"},
              h("div", {className: "lab-row"}, input, heat.node), grid, status,
              link.line));
  return () => { askSoon.stop(); stop(); };
});
