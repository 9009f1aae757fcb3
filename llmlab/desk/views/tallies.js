const half = (number) => (Math.floor(number) || !(number % 1) ? Math.floor(number) : "")
  + (number % 1 ? "½" : "");
// A bar of what came true, with a mark where it would be if one judged oneself well.
const calibration = ([sure, judged, hits]) => {
  const bar = h("div", {className: "lab-meter", "aria-hidden": "true"},
                h("div", {className: "lab-bar"}), h("div", {className: "lab-mark"}));
  bar.firstChild.style.width = `${100 * hits / judged}%`;
  bar.lastChild.style.left = `${sure}%`;
  return h("div", {"role": "listitem"}, h("span", {}, `${sure} % sure`), bar,
           h("span", {}, `${half(hits)} of ${judged} came true`));
};
export default lasting(({ model, el, link }) => {
  const said = h("p", {"role": "status"});
  const list = h("div", {className: "lab-levels", "role": "list",
                         "aria-label": "how sure and how right"});
  const legend = h("p", {className: "lab-hint"},
                   "The line across a bar stands where it would end if you were exactly "
                   + "as right as you were sure.");
  const status = statusLine();
  const box = deskBox("tally", "tally", "Tally", "Your predictions in this chapter",
                      said, list, legend, status, link.line);
  el.append(box);
  const stop = follow(model, {
    found: () => {
      const {sentences = [], levels = []} = model.get("found");
      said.textContent = sentences.join(" ") || "Counting…";
      list.replaceChildren(...levels.map(calibration));
      legend.hidden = !levels.length;
    },
    status: () => { status.textContent = model.get("status"); },
  });
  const unsee = whenSeen(model, box);
  return () => { unsee(); stop(); };
});
