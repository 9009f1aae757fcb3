const SIGNS = {1: ["✓", "lab-right"], 0.5: ["◐", "lab-partly"], 0: ["✗", "lab-wrong"]};
const SELF_MARKS = {1: "I had it", 0.5: "partly", 0: "no"};
const lines = ([, xs], [low, high], yours, [resultXs, resultYs]) =>
  (layer, toX, toY) => {
    const clip = (y) => Math.min(high, Math.max(low, y));
    const inside = resultXs.map((x, i) => [x, resultYs[i]])
      .filter(([x]) => x >= xs[0] && x <= xs[1]);
    layer.append(polyline("lab-result",
                          inside.map(([x, y]) => [toX(x), toY(clip(y))])));
    if (yours) layer.append(polyline("lab-yours", drawnPoints(yours, xs, toX, toY)));
  };
const sample = (className, words) => h("span", {className: "lab-legend"},
  shape("svg", {width: 34, height: 10, "aria-hidden": "true"},
        polyline(className, [[1, 5], [33, 5]])), words);
export default lasting(({ model, el, link }) => {
  const shows = model.get("shows");
  const yours = h("div"), verdict = h("p", {className: "lab-verdict"});
  const card = (name, ...children) =>
    h("div", {className: "lab-card"}, h("span", {className: "lab-name"}, name),
      ...children);
  const parts = h("div", {className: "lab-columns"},
                  card("You predicted", yours, verdict),
                  card(shows.kind === "words" ? "The answer" : "Here",
                       h("div", {className: "lab-value"}, shows.shown)));
  if (shows.why) parts.append(card("Why", h("div", {}, shows.why)));
  const marks = Object.keys(SIGNS).sort().reverse().map((hit) => {
    const node = h("button", {type: "button", className: "lab-button"},
                   ...signed(SIGNS[hit][0], SELF_MARKS[hit]));
    node.addEventListener("click", () => link.send({type: "mark", hit: Number(hit)}));
    return [Number(hit), node];
  });
  const judge = h("div", {className: "lab-row", "role": "group",
                          "aria-label": "did you have it?"},
                  h("span", {}, "Did you have it?"), ...marks.map(([, node]) => node));
  link.needs(...marks.map(([, node]) => node));
  let heights = null, sheet = null;
  const box = deskBox("answer", `answer: ${shows.text}`, "Answer", shows.text, parts);
  if (shows.kind === "curve") {
    sheet = paper(shows.curve, (...on) =>
      lines(shows.curve, shows.curve[3], heights, shows.value)(...on));
    box.append(sheet.node, h("div", {className: "lab-row"},
      sample("lab-result", "here"), sample("lab-yours", "your prediction")));
  }
  const status = statusLine();
  box.append(judge, status, link.line);
  el.append(box);
  const draw = () => {
    const made = model.get("yours"), found = model.get("verdict");
    const there = "value" in made;
    const sure = made.sure ? ` (${made.sure} % sure)` : "";
    yours.textContent = (made.shown ?? "…")
      + (there && shows.kind === "curve" ? "the dashed curve" : "") + sure;
    const mark = SIGNS[found.hit];
    const said = found.marked === "self" ? SELF_MARKS[found.hit] : found.said;
    verdict.className = `lab-verdict ${mark?.[1] ?? ""}`;
    verdict.replaceChildren(...(mark ? signed(mark[0], said) : [found.said ?? ""]));
    if (found.late) verdict.append(" (made after the answer was shown: not counted)");
    judge.hidden = !there || found.marked === "computed";
    for (const [hit, node] of marks) {
      node.setAttribute("aria-pressed", found.marked === "self" && found.hit === hit);
    }
    heights = there && sheet ? made.value : null;
    sheet?.redraw();
  };
  const stop = follow(model, {
    yours: draw, verdict: draw,
    status: () => { status.textContent = model.get("status"); },
  });
  const unsee = whenSeen(model, box, 500);
  return () => { unsee(); sheet?.stop(); stop(); };
});
