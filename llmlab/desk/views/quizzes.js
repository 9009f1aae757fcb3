export default lasting(({ model, el, link }) => {
  const questions = model.get("questions");
  const score = statusLine("lab-score"), status = statusLine();
  const pick = (question, place) => {
    const picks = model.get("picks").map((places) => [...places]);
    if (picks[question].includes(place)) return;
    picks[question].push(place);
    model.set("picks", picks);
    model.save_changes();
    draw();
  };
  const drawn = questions.map(({question, options}, number) => {
    const buttons = options.map(({text}, place) => {
      const node = h("button", {type: "button", className: "lab-button lab-pick"});
      node.addEventListener("click", () => pick(number, place));
      node.append(text);
      return node;
    });
    const whys = options.map(() => h("p", {className: "lab-why"}));
    const node = h("fieldset", {className: "lab-question"},
      h("legend", {}, `${number + 1}. ${question}`),
      ...buttons.map((button, i) => h("div", {"aria-live": "polite"},
                                      button, whys[i])));
    return {node, buttons, whys};
  });
  const draw = () => {
    const picks = model.get("picks");
    questions.forEach(({options}, number) => {
      const {buttons, whys} = drawn[number];
      options.forEach(({text, why, right}, place) => {
        const picked = picks[number].includes(place);
        if (!picked || buttons[place].getAttribute("aria-pressed") === "true") return;
        buttons[place].setAttribute("aria-pressed", true);
        buttons[place].classList.add(right ? "lab-right" : "lab-wrong");
        buttons[place].replaceChildren(...signed(right ? "✓" : "✗", text));
        whys[place].replaceChildren(h("b", {}, right ? "Right. " : "No. "), why);
      });
    });
    const tried = picks.flatMap((places, number) => places.length
      ? [questions[number].options[places[0]].right] : []);
    score.textContent = tried.length
      ? `${tried.filter(Boolean).length} of ${tried.length} right at the first try`
        + (tried.length < questions.length ? " so far." : ".")
      : "";
  };
  const box = deskBox("quiz", "questions", "Questions",
                      "Pick until it is right; every answer says why.",
                      ...drawn.map(({node}) => node), score, status);
  el.append(box);
  const stop = follow(model, {
    picks: draw,
    status: () => { status.textContent = model.get("status"); },
  });
  const unsee = whenSeen(model, box);
  return () => { unsee(); stop(); };
});
