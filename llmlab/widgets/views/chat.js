const REST = "Each message is answered on its own: no model remembers the one before. "
  + "The ↑ key brings your last message back.";
const LEARNED = "To click: what a tuned model has learned. Small talk, and all that is "
  + "outside the village, it has not: then you hear the nearest thing that it can say.";

function card(name, answer, temperature) {
  return h("div", {className: "lab-card"},
    h("span", {className: "lab-name"}, name,
      h("span", {className: "lab-heat"}, `temperature ${temperature.toFixed(1)}`)),
    answer ?? "…");
}

function exchangeOf({message, temperature, answers}, names) {
  return h("div", {className: "lab-exchange"},
    h("p", {className: "lab-message"}, message),
    h("div", {className: "lab-columns"},
      ...names.map((name) => card(name, answers[name], temperature))));
}

function suggestionsOf(suggestions, ask) {
  const chips = Object.entries(suggestions).map(([skill, message]) => {
    const chip = h("button", {type: "button", title: message,
                              className: "lab-button lab-suggestion"},
                   h("b", {}, skill), " ", message);
    chip.addEventListener("click", () => ask(message));
    return chip;
  });
  if (chips.length === 0) return [];
  return [h("p", {className: "lab-hint"}, LEARNED),
          h("div", {className: "lab-suggestions", role: "group",
                    "aria-label": "suggestions"}, ...chips)];
}

function whoIsWho(rows) {
  if (rows.length === 0) return [];
  const heads = Object.keys(rows[0]);
  const line = (cells, tag) =>
    h("tr", {}, ...cells.map((text) => h(tag, {}, text)));
  const table = h("table", {}, h("thead", {}, line(heads, "th")),
    h("tbody", {}, ...rows.map((row) => line(heads.map((name) => row[name]), "td"))));
  return [h("details", {className: "lab-about"}, h("summary", {}, "Who is who"),
            h("div", {tabIndex: 0, role: "region", "aria-label": "who is who"}, table))];
}

export default lasting(({ model, el, link }) => {
  const log = h("div", {className: "lab-log", "role": "log", "aria-live": "polite",
                        tabIndex: 0, "aria-label": "messages and answers"});
  const input = h("input", {type: "text", placeholder: "Write to all of them…",
                            "aria-label": "message to the models"});
  const send = h("button", {type: "submit", className: "lab-button"}, "Send");
  const heat = slider("temperature", model.get("temperature"));
  const status = statusLine();
  const form = h("form", {className: "lab-row"}, input, send, heat.node);
  const talk = h("div", {}, log, form, status, link.line);
  let waiting = false, mine = false;  // mine: asked here, not in another view
  // Whether Python has the message; until then it stays where it was typed.
  const ask = async (message) => {
    if (waiting || !message) return false;
    waiting = mine = true;
    const heard = await link.send(
      {type: "ask", message, temperature: Number(heat.input.value)});
    if (!heard) waiting = mine = false;
    return heard;
  };
  const suggestions = suggestionsOf(model.get("suggestions"), ask);
  const drawLog = () => {
    const exchanges = model.get("exchanges");
    log.hidden = exchanges.length === 0;
    log.replaceChildren(
      ...exchanges.map((exchange) => exchangeOf(exchange, model.get("names"))));
    // The newest is read from its beginning; examples from the first of them.
    const asked = exchanges.length > model.get("given"), inSight = mine;
    requestAnimationFrame(() => {
      log.scrollTop = asked ? log.lastChild.offsetTop : 0;
      if (inSight) talk.scrollIntoView({block: "nearest"});
    });
  };
  const drawStatus = () => {
    const text = link.asleep() ? "" : model.get("status");
    link.line.hidden = text !== "";
    waiting = text !== "";
    mine &&= waiting;
    send.setAttribute("aria-disabled", waiting || link.asleep());
    status.textContent = text || model.get("refused").why || REST;
  };
  const giveBack = () => {
    input.value ||= model.get("refused").message ?? "";
    drawStatus();
  };
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowUp" && input.value === "") {
      input.value = model.get("exchanges").at(-1)?.message ?? "";
      event.preventDefault();
    }
    // JupyterLab keeps the browser from sending the form on Enter.
    if (event.key !== "Enter" || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    input.focus();
    const typed = input.value;
    if (await ask(typed.trim()) && input.value === typed) input.value = "";
  });
  const stop = follow(model,
                      {exchanges: drawLog, status: drawStatus, refused: giveBack});
  model.on("lab:asleep", drawStatus);
  el.append(labBox("chat", "chat", talk, ...suggestions,
                   ...whoIsWho(model.get("about"))));
  link.needs(send, ...el.querySelectorAll(".lab-suggestion"));
  return () => { model.off("lab:asleep", drawStatus); stop(); };
});
