export default lasting(({ model, el }) => {
  const snapshots = model.get("snapshots");
  const last = snapshots.length - 1;
  // A tick for each snapshot, at equal distances; the curve has them at the same places.
  const points = snapshots.map(([, loss], index) => [index, loss]);
  const now = shape("line", {y1: 0, y2: 40});
  const curve = lossCurve(points, 0, last, [now]);
  for (const end of curve.querySelectorAll(".lab-first, .lab-last")) end.remove();
  const input = h("input", {type: "range", min: 0, max: last, step: 1,
                            "aria-label": "training time"});
  const across = (index) => last ? 100 * index / last : 50;
  const every = Math.ceil(snapshots.length / 7);
  const ticks = h("div", {className: "lab-ticks", "aria-hidden": "true"},
    ...snapshots.map(([step], index) => {
      const named = index === last || (index % every === 0 && index <= last - every);
      const tick = h("span", {}, named ? counted(step) : "");
      tick.style.left = `${across(index)}%`;
      return tick;
    }));
  const step = h("b"), loss = h("b");
  const sample = h("span"), ended = h("p", {className: "lab-hint"});
  const draw = () => {
    const index = model.get("position");
    const [at, value, text, byItself] = snapshots[index];
    input.value = index;
    step.textContent = counted(at);
    loss.textContent = value.toFixed(3);
    sample.textContent = text;
    ended.textContent = byItself ? "Here the model ended its text by itself." : "";
    input.setAttribute("aria-valuetext", `step ${at}, loss ${value.toFixed(3)}`);
    now.setAttribute("x1", across(index));
    now.setAttribute("x2", across(index));
  };
  input.addEventListener("input", () => {
    model.set("position", Number(input.value));
    model.save_changes();
  });
  const stop = follow(model, {position: draw});
  const gaps = snapshots.slice(1).map(([at], index) => at - snapshots[index][0]);
  const even = gaps.every((gap) => gap === gaps[0]);
  const early = model.get("steps") > snapshots[last][0];
  el.append(labBox("time", "samples over training time",
    h("div", {className: "lab-figures"},
      h("div", {}, step, h("span", {}, "step")),
      h("div", {}, loss, h("span", {}, "loss"))),
    curve, h("div", {className: "lab-track"}, input, ticks),
    h("p", {className: "lab-hint"}, "The numbers are steps of training",
      even ? "." : "; they do not lie at their true distances.",
      early ? ` The run ended early: it was to have ${counted(model.get("steps"))}.`
        : ""),
    h("div", {className: "lab-card", "aria-live": "polite"},
      h("span", {className: "lab-name"}, "what it wrote then"), sample, ended)));
  return stop;
});
