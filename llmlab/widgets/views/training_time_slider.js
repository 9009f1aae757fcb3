export default lasting(({ model, el }) => {
  const snapshots = model.get("snapshots");
  const last = snapshots.length - 1;
  const losses = snapshots.map(([, loss]) => loss);
  const low = Math.min(...losses), range = Math.max(...losses) - low || 1;
  const across = (index) => last ? 100 * index / last : 50;
  const down = (loss) => 38 - 36 * (loss - low) / range;
  const now = shape("line", {y1: 0, y2: 40});
  const points = losses.map((value, index) => `${across(index)},${down(value)}`);
  const curve = shape("svg", {viewBox: "0 0 100 40", preserveAspectRatio: "none",
                              "aria-hidden": "true"},
                      shape("polyline", {points: points.join(" ")}), now);
  const input = h("input", {type: "range", min: 0, max: last, step: 1,
                            "aria-label": "training time"});
  const step = h("b"), loss = h("b");
  const sample = h("span");
  const draw = () => {
    const index = model.get("position");
    const [at, value, text] = snapshots[index];
    input.value = index;
    step.textContent = at.toLocaleString("en");
    loss.textContent = value.toFixed(3);
    sample.textContent = text;
    input.setAttribute("aria-valuetext", `step ${at}, loss ${value.toFixed(3)}`);
    now.setAttribute("x1", across(index));
    now.setAttribute("x2", across(index));
  };
  input.addEventListener("input", () => {
    model.set("position", Number(input.value));
    model.save_changes();
  });
  const stop = follow(model, {position: draw});
  const end = (index) =>
    h("span", {}, `step ${snapshots[index][0].toLocaleString("en")}`);
  el.append(h("section", {className: "lab-box lab-time",
                          "aria-label": "samples over training time"},
    h("div", {className: "lab-figures"},
      h("div", {}, step, h("span", {}, "step")),
      h("div", {}, loss, h("span", {}, "loss"))),
    h("div", {className: "lab-track"}, curve, input,
      h("div", {className: "lab-ends"}, end(0), end(last))),
    h("div", {className: "lab-card", "aria-live": "polite"},
      h("span", {className: "lab-name"}, "what it wrote then"), sample)));
  return stop;
});
