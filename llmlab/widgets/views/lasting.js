// A view that lasts: it says whether anybody in the kernel listens to it, and keeps its
// last state when nobody does.
//
//   export default lasting(({ model, el, link }) => {
//     button.addEventListener("click", () => link.send({type: "roll"}));
//     input.addEventListener("input", () =>
//       link.sendLatest({type: "show", text: input.value}));
//     el.append(labBox("dice", "dice", button, input, link.line));
//   });
//
// `link.send` promises true as soon as Python has the message, and false where nobody
// will ever read it (then keep what was typed). `link.line` says in words that the
// kernel is busy, that the answer is being made, or that this is asleep.
// `link.needs(button, …)` marks what is of no use while asleep. A view that asks Python
// for nothing leaves the link alone: it works asleep. A second argument of `lasting`
// says a state in other words: `{asleep: "Asleep, and all labels are safe: …"}`.
const WORDS = {
  asleep: "Asleep: run this cell to use it again.",
  busy: "The kernel is busy; this is done as soon as it is free.",
  unsure: "No answer yet. The kernel may be busy; or this is asleep: "
    + "run this cell to use it again.",
  working: "Working on it…",
};
const PATIENCE = 600; // milliseconds without a word

// The model behind the proxy that a view is given, where the host lets us have it. It
// alone knows whether its line to the kernel is up.
const behind = (model) => model.set({}) ?? {};

const knowsItsKernel = (real) => "kernel" in (real.widget_manager ?? {});

const isDead = (real) => {
  if (real.labAsleep || real.comm_live === false) return true;
  if (!knowsItsKernel(real)) return false;
  const kernel = real.widget_manager.kernel;
  if (!kernel || ["dead", "terminating"].includes(kernel.status)) return true;
  return kernel.hasComm?.(real.model_id) === false;
};

const isShown = (real) => {
  const cells = real.widget_manager?.context?.model?.cells;
  if (!cells) return true;
  for (const cell of cells) {
    for (const { data } of cell.outputs?.toJSON() ?? []) {
      const shown = data?.["application/vnd.jupyter.widget-view+json"];
      if (shown?.model_id === real.model_id) return true;
    }
  }
  return false;
};

// The widget manager saves only the models whose line is up: one that sleeps would lose
// its last state with the next save. So its line is said to be up, and `labAsleep` holds
// the truth. What no output shows any more may go.
const fallAsleep = (real) => {
  if (real.labAsleep) return;
  real.labAsleep = true;
  if (isShown(real)) {
    for (const one of [real, real.get?.("layout")]) {
      const keep = () => { if (!one.comm_live) one.comm_live = true; };
      one?.on?.("comm_live_update", keep);
      if (one) keep();
    }
  }
  real.trigger?.("lab:asleep");
};

const watchSleep = (real) => {
  const look = () => { if (isDead(real)) fallAsleep(real); };
  const session = real.widget_manager?.context?.sessionContext;
  real.on?.("comm_live_update", look);
  session?.statusChanged.connect(look);
  look();
  return () => {
    real.off?.("comm_live_update", look);
    session?.statusChanged.disconnect(look);
  };
};

const makeLink = (model, real, words) => {
  const line = statusLine("lab-notice");
  const name = Math.random().toString(36).slice(2);
  const unheard = []; // messages that Python does not have yet, the oldest first
  const needing = [];
  const reached = {heard: 0, handled: 0}; // how far Python is with what this view sent
  let sent = 0, last = null, next = null, timer = null;
  const asleep = () => Boolean(real.labAsleep);
  const reach = (trait) => {
    const [from, number] = model.get(trait).split(":");
    if (from === name) reached[trait] = Number(number); // other views send, too
  };
  const isLate = (message) => performance.now() - message.time >= PATIENCE;
  const isDone = () => !last || reached.handled >= last.number;
  const say = () => {
    if (asleep()) return words.asleep;
    if (unheard.length) {
      if (!isLate(unheard[0])) return line.textContent;
      return knowsItsKernel(real) ? words.busy : words.unsure;
    }
    return !isDone() && isLate(last) ? words.working : "";
  };
  const draw = () => {
    const text = say();
    if (line.textContent !== text) line.textContent = text;
    if (asleep()) needing.forEach((node) => node.setAttribute("aria-disabled", true));
  };
  const watch = () => {
    clearTimeout(timer);
    if (isDead(real)) fallAsleep(real);
    draw();
    if (!asleep() && !isDone()) timer = setTimeout(watch, PATIENCE / 4);
  };
  const send = (content) => {
    if (isDead(real)) fallAsleep(real);
    if (asleep()) return Promise.resolve(false);
    last = {number: ++sent, time: performance.now()};
    try {
      model.send({...content, number: `${name}:${last.number}`});
    } catch (error) {
      fallAsleep(real); // its kernel has gone
      return Promise.resolve(false);
    }
    const message = last;
    const answer = new Promise((heard) => { message.heard = heard; });
    unheard.push(message);
    watch();
    return answer;
  };
  // While Python has not heard the last message, only the newest of these is kept to
  // follow it: a slider moved over a busy kernel asks for its last place only.
  const sendLatest = (content) => {
    if (!unheard.length) return send(content);
    next?.heard(false);
    return new Promise((heard) => { next = {content, heard}; });
  };
  const hear = () => {
    reach("heard");
    while (unheard.length && unheard[0].number <= reached.heard) {
      unheard.shift().heard(true);
    }
    if (!unheard.length && next) {
      const {content, heard} = next;
      next = null;
      send(content).then(heard);
    }
    watch();
  };
  const finish = () => {
    reach("handled");
    watch();
  };
  const giveUp = () => {
    for (const message of unheard.splice(0)) message.heard(false);
    next?.heard(false);
    next = null;
    draw();
  };
  const events = {"change:heard": hear, "change:handled": finish, "lab:asleep": giveUp};
  for (const [event, act] of Object.entries(events)) model.on(event, act);
  draw();
  return {
    line, send, sendLatest, asleep,
    needs: (...nodes) => { needing.push(...nodes); draw(); },
    stop: () => {
      clearTimeout(timer);
      for (const [event, act] of Object.entries(events)) model.off(event, act);
    },
  };
};

const lasting = (render, words = {}) => ({
  initialize: ({ model }) => watchSleep(behind(model)),
  render: ({ model, el }) => {
    const real = behind(model);
    const link = makeLink(model, real, {...WORDS, ...words});
    const stop = render({el, link, model: {
      get: (name) => model.get(name),
      set: (name, value) => model.set(name, value),
      on: (event, act) => model.on(event, act),
      off: (event, act) => model.off(event, act),
      // What changes while asleep, changes on the page alone.
      save_changes: () => {
        if (isDead(real)) fallAsleep(real);
        if (!real.labAsleep) model.save_changes();
      },
    }});
    return () => { link.stop(); stop?.(); };
  },
});
