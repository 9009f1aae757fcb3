export default lasting(({ model, el, link }) => {
  const input = h("input", {type: "text", "aria-label": "sentence with one blank _"});
  const list = h("div", {className: "lab-bars", "role": "list",
                         "aria-label": "most probable tokens for the blank"});
  const status = statusLine();
  const askSoon = later(() => link.sendLatest({type: "show", text: input.value}), 250);
  input.addEventListener("input", askSoon);
  const stop = follow(model, {
    bars: () => drawBars(list, model.get("bars")),
    status: () => { status.textContent = model.get("status"); },
    text: () => showUnlessTyping(input, model.get("text")),
  });
  el.append(labBox("fill-in", "fill in",
              h("div", {className: "lab-row"}, input), status, list,
              h("p", {className: "lab-hint"}, "Write _ in the place of one word: the ",
                "bars say what the model would put there."), link.line));
  return () => { askSoon.stop(); stop(); };
});
