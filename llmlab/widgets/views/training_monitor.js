export default lasting(({ model, el, link }) => {
  const head = h("p", {className: "lab-head"});
  const filled = h("div");
  const bar = h("div", {className: "lab-progress", "role": "progressbar",
                        "aria-label": `training ${model.get("label")}`,
                        "aria-valuemin": 0, "aria-valuemax": 100}, filled);
  const figures = h("div", {className: "lab-figures"});
  const curve = h("div");
  const wrote = h("span", {className: "lab-name"}), text = h("span");
  const sample = h("div", {className: "lab-card lab-sample"}, wrote, text);
  const spoken = statusLine("lab-unseen");
  const steps = model.get("steps");
  let quarter = -1, first = null;
  const drawCurve = () => {
    const points = model.get("curve");
    if (!points.length) return;
    first ??= points[0][0] - 1;
    curve.replaceChildren(lossCurve(points, first, steps));
  };
  const drawSample = () => {
    const [step, written] = model.get("sample");
    sample.hidden = written === undefined;
    if (sample.hidden) return;
    wrote.textContent = step ? `After step ${counted(step)} it writes`
      : "Before the first step it writes";
    text.textContent = written;
  };
  const draw = () => {
    const done = model.get("done"), said = model.get("message");
    const cut = link.asleep() && done < steps && said !== "interrupted";
    const message = cut ? "ended with its kernel" : said;
    const share = steps ? Math.round(100 * done / steps) : 100;
    head.textContent = `${model.get("label")}: step ${counted(done)} of `
      + counted(steps) + (message ? ` (${message})` : "");
    filled.style.width = `${share}%`;
    bar.setAttribute("aria-valuenow", share);
    figures.replaceChildren(...model.get("figures").map(([name, value]) =>
      h("div", {}, h("b", {}, value), h("span", {}, name))));
    if (message || Math.floor(share / 25) !== quarter) {
      quarter = Math.floor(share / 25);
      spoken.textContent = message || `${share} % done`;
    }
  };
  const unfollow = follow(model, {"": draw, curve: drawCurve, sample: drawSample});
  model.on("lab:asleep", draw);
  const stop = () => { unfollow(); model.off("lab:asleep", draw); };
  el.append(labBox("monitor", "training monitor",
              head, bar, figures, curve, sample, spoken, link.line));
  return stop;
}, {asleep: "This run is over. To train again, run this cell."});
