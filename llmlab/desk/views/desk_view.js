// Tells Python each time that this has come to the screen and stayed there: what is out
// of sight, or scrolled past, has not been seen. Returns what ends that.
const whenSeen = (model, node, milliseconds = 0) => {
  const tellSoon = later(() => {
    model.set("seen", model.get("seen") + 1);
    model.save_changes();
  }, milliseconds);
  const watcher = new IntersectionObserver((entries) => {
    entries.at(-1).isIntersecting ? tellSoon() : tellSoon.stop();
  });
  watcher.observe(node);
  return () => { watcher.disconnect(); tellSoon.stop(); };
};
const signed = (sign, ...children) =>
  [h("span", {className: "lab-sign", "aria-hidden": "true"}, `${sign} `), ...children];
// A box of the desk. A click beside its buttons focuses it, so that no letter typed then
// is a command to the notebook.
const deskBox = (kind, label, head, text, ...children) => {
  const title = h("p", {className: "lab-head"},
                  h("span", {className: "lab-kind"}, head), text);
  const box = labBox(kind, label, title, ...children);
  box.tabIndex = -1;
  box.dataset.lmSuppressShortcuts = "true";
  return box;
};
// One of several: radio buttons with a name of their own.
const radios = (legend, options, onChange) => {
  const name = `lab-${Math.random().toString(36).slice(2)}`;
  const inputs = options.map(([value]) => h("input", {type: "radio", name, value}));
  let locked = false;
  for (const input of inputs) {
    input.addEventListener("change", onChange);
    // Disabled, it could not be reached by keys, and its text would be dim.
    input.addEventListener("click", (event) => { if (locked) event.preventDefault(); });
  }
  const node = h("fieldset", {className: "lab-options"},
    h("legend", {className: legend.unseen ? "lab-unseen" : ""}, legend.text),
    ...inputs.map((input, i) =>
      h("label", {className: "lab-option"}, input, h("span", {}, options[i][1]))));
  return {
    node,
    lock: (value) => {
      locked = value;
      inputs.forEach((input) => input.setAttribute("aria-disabled", value));
    },
    get: () => inputs.find((input) => input.checked)?.value ?? null,
    set: (value) => inputs.forEach((input) => {
      input.checked = input.value === String(value);
    }),
  };
};
// About five round numbers between two.
const ticksOf = ([low, high]) => {
  const raw = (high - low) / 5, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((n) => n * power).find((n) => n >= raw);
  const ticks = [];
  for (let n = Math.ceil(low / step - 1e-9); n * step <= high + step * 1e-9; n += 1) {
    ticks.push(Number((n * step).toPrecision(12)));
  }
  return ticks;
};
const short = (number) => Math.abs(number) >= 1e4 || (number && Math.abs(number) < 1e-3)
  ? number.toExponential().replace("e+", "e") : String(Number(number.toPrecision(3)));
// A sheet with axes, drawn anew at every width, on which `draw(layer, toX, toY)` puts
// something; `sheet.redraw` does it again, and `sheet.at(event)` reads a place.
const paper = ([xLabel, xs, yLabel, ys], draw) => {
  const node = h("div", {className: "lab-paper"});
  const left = 46, right = 16, top = 10, bottom = 38;
  let width = 0, height = 0, inner;
  const toX = (x) => left + (x - xs[0]) / (xs[1] - xs[0]) * (width - left - right);
  const toY = (y) =>
    height - bottom - (y - ys[0]) / (ys[1] - ys[0]) * (height - top - bottom);
  const text = (x, y, anchor, words, more = {}) =>
    shape("text", {x, y, "text-anchor": anchor, ...more}, words);
  const axes = () => [
    ...ticksOf(ys).flatMap((y) => [
      shape("line", {class: "lab-grid", x1: left, x2: width - right,
                     y1: toY(y), y2: toY(y)}),
      text(left - 6, toY(y) + 4, "end", short(y))]),
    ...ticksOf(xs).flatMap((x) => [
      shape("line", {class: "lab-grid", x1: toX(x), x2: toX(x),
                     y1: top, y2: height - bottom}),
      text(toX(x), height - bottom + 15, "middle", short(x))]),
    text((left + width - right) / 2, height - 6, "middle", xLabel),
    text(0, 0, "middle", yLabel,
         {transform: `translate(11 ${(top + height - bottom) / 2}) rotate(-90)`}),
  ];
  const redraw = () => {
    if (!inner) return;
    inner.replaceChildren();
    draw(inner, toX, toY);
  };
  const lay = () => {
    const now = Math.min(node.clientWidth, 640);
    if (!now || now === width) return;
    width = now;
    height = Math.round(Math.min(300, Math.max(190, 0.55 * width)));
    inner = shape("g");
    node.replaceChildren(shape("svg", {width, height, "aria-hidden": "true"},
                               ...axes(), inner));
    redraw();
  };
  const sizes = new ResizeObserver(lay);
  sizes.observe(node);
  return {
    node, redraw,
    stop: () => sizes.disconnect(),
    at: (event) => {
      const box = node.firstChild.getBoundingClientRect();
      const share = (event.clientX - box.left - left) / (width - left - right);
      const up = (height - bottom - event.clientY + box.top) / (height - top - bottom);
      const inside = (n) => Math.min(1, Math.max(0, n));
      return [inside(share), ys[0] + inside(up) * (ys[1] - ys[0])];
    },
  };
};
const polyline = (className, points) => shape("polyline",
  {class: className, points: points.map((p) => p.map((n) => n.toFixed(1))).join(" ")});
// What was drawn, as points of the sheet: heights on an even grid, null where nothing.
const drawnPoints = (heights, xs, toX, toY) => heights.flatMap((y, i) => y === null
  ? [] : [[toX(xs[0] + i / (heights.length - 1) * (xs[1] - xs[0])), toY(y)]]);
