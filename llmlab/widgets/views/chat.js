function render({ model, el }) {
  const log = h("div", {"role": "log", "aria-live": "polite",
                        "aria-label": "messages and answers"});
  const input = h("input", {type: "text", placeholder: "Write to all of them…",
                            "aria-label": "message to the models"});
  const send = h("button", {type: "submit", className: "lab-button"}, "Send");
  const heat = slider("temperature", model.get("temperature"));
  const status = statusLine();
  const form = h("form", {className: "lab-row"}, input, send, heat.node);
  let waiting = false;
  const drawLog = () => {
    log.replaceChildren(...model.get("exchanges").map(({message, answers}) =>
      h("div", {}, h("p", {className: "lab-message"}, message),
        h("div", {className: "lab-columns"}, ...model.get("names").map((name) =>
          h("div", {className: "lab-card"},
            h("span", {className: "lab-name"}, name), answers[name] ?? "…"))))));
  };
  const drawStatus = () => {
    const text = model.get("status");
    waiting = text !== "";
    send.setAttribute("aria-disabled", waiting);
    status.textContent = text
      || "Each message is answered on its own: no model remembers the one before.";
  };
  // JupyterLab keeps the browser from sending the form on Enter.
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const message = input.value.trim();
    if (waiting || !message) return;
    waiting = true;
    model.send({type: "ask", message, temperature: Number(heat.input.value)});
    input.value = "";
    input.focus();
  });
  const stop = follow(model, {exchanges: drawLog, status: drawStatus});
  el.append(h("section", {className: "lab-box lab-chat", "aria-label": "chat"},
              log, form, status));
  return stop;
}
export default { render };
