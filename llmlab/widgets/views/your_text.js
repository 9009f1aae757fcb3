export default lasting(({ model, el, link }) => {
  const label = model.get("label");
  const status = statusLine();
  const place = h("div", {className: "lab-shown"});
  const { form, input, button } = asking(label, model.get("text"), "Show", (text) =>
    link.sendLatest({type: "show", text}));
  link.needs(button);
  const cells = (tag, texts) => texts.map((text) => h(tag, {}, text));
  const drawn = ({ image, alt, width, words, head, rows }) => {
    if (image) return h("img", {src: `data:image/png;base64,${image}`, alt, width});
    if (words !== undefined) return h("pre", {}, words);
    return h("table", {}, h("thead", {}, h("tr", {}, ...cells("th", head))),
             h("tbody", {}, ...rows.map((row) => h("tr", {}, ...cells("td", row)))));
  };
  const stop = follow(model, {
    shown: () => place.replaceChildren(drawn(model.get("shown"))),
    status: () => { status.textContent = model.get("status"); },
    text: () => showUnlessTyping(input, model.get("text")),
  });
  el.append(labBox("your-text", label,
              h("label", {className: "lab-label"}, label, form), status, link.line,
              place));
  return stop;
});
