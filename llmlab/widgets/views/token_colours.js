export default lasting(({ model, el, link }) => {
  const input = h("textarea", {rows: 3, spellcheck: false,
                               "aria-label": "text to cut into tokens"});
  const boxes = h("div", {className: "lab-tokens", "role": "list",
                          "aria-label": "tokens and their ids"});
  const status = statusLine("lab-status lab-count");
  const showSoon = later(() => link.sendLatest({type: "show", text: input.value}), 150);
  input.addEventListener("input", showSoon);
  writeLineEnds(input);
  const drawTokens = () => boxes.replaceChildren(
    ...model.get("tokens").map(([text, id]) =>
      h("span", {"role": "listitem"}, text, h("small", {}, String(id)))));
  const stop = follow(model, {
    tokens: drawTokens,
    status: () => { status.textContent = model.get("status"); },
    text: () => showUnlessTyping(input, model.get("text")),
  });
  el.append(labBox("token-colours", "token colours",
              h("div", {className: "lab-row"}, input), status, boxes,
              h("p", {className: "lab-hint"}, "Under each token stands its id. The ",
                "colours only tell neighbours apart."), link.line));
  return () => { showSoon.stop(); stop(); };
});
