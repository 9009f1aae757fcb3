export default lasting(({ model, el }) => {
  const head = h("p", {className: "lab-head"});
  const filled = h("div");
  const bar = h("div", {className: "lab-progress", "role": "progressbar",
                        "aria-label": `training ${model.get("label")}`,
                        "aria-valuemin": 0, "aria-valuemax": 100}, filled);
  const figures = h("div", {className: "lab-figures"});
  const line = shape("polyline");
  const svg = shape("svg", {viewBox: "0 0 100 40", preserveAspectRatio: "none",
                            class: "lab-curve", "aria-hidden": "true"}, line);
  const spoken = statusLine("lab-unseen");
  let quarter = -1;
  const drawCurve = () => {
    const curve = model.get("curve");
    const low = Math.min(...curve), range = Math.max(...curve) - low || 1;
    line.setAttribute("points", curve.map((value, index) =>
      `${100 * index / Math.max(curve.length - 1, 1)},` +
      `${38 - 36 * (value - low) / range}`).join(" "));
  };
  const draw = () => {
    const done = model.get("done"), steps = model.get("steps");
    const message = model.get("message");
    const share = steps ? Math.round(100 * done / steps) : 100;
    head.textContent = `${model.get("label")}: step ${done} of ${steps}`
      + (message ? ` (${message})` : "");
    filled.style.width = `${share}%`;
    bar.setAttribute("aria-valuenow", share);
    figures.replaceChildren(...model.get("figures").map(([name, value]) =>
      h("div", {}, h("b", {}, value), h("span", {}, name))), svg);
    drawCurve();
    if (message || Math.floor(share / 25) !== quarter) {
      quarter = Math.floor(share / 25);
      spoken.textContent = message || `${share} % done`;
    }
  };
  const stop = follow(model, {"": draw});
  el.append(h("section", {className: "lab-box lab-monitor",
                          "aria-label": "training monitor"},
              head, bar, figures, spoken));
  return stop;
});
