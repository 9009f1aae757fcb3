const LEARNED = "To click: what a tuned model has learned, nothing beyond the village; "
  + "ask for more, and you hear the nearest thing that it can say.";
const COLD = "At this temperature the likeliest word is always taken, so the answer "
  + "would be the same: raise it first.";
const LOOK = "↑ brings your last message back. The stronger the line under a word, the "
  + "less sure it was: point at it, or go to it by ← and →, for what else it might "
  + "have been.";
const FORGOTTEN = "A new conversation: the models forget what was said before.";

const remembers = (turns) => {
  if (!turns) return "Each message is answered on its own.";
  const last = turns === 1 ? "its last turn" : `its last ${turns} turns`;
  return `A model that answers is told ${last} as well.`;
};
const percent = (share) =>
  share < 0.001 ? "under 0.1 %" : `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)} %`;
const button = (label, act, properties = {}) => {
  const node =
    h("button", {type: "button", className: "lab-button", ...properties}, label);
  node.addEventListener("click", act);
  return node;
};

// What a token adds to an answer, the space before it apart; a remark has no choices.
const wordOf = ([text, choices]) => {
  if (!choices.length) return [h("span", {className: "lab-remark"}, text)];
  const [[token, share]] = choices, space = text.match(/^\s*/)[0];
  const node = h("span", {className: "lab-word", "data-token": token,
                          "data-share": share < 0.005 ? "<1" : Math.round(100 * share)},
                 text.slice(space.length));
  node.style.setProperty("--doubt", `${Math.round(100 * (1 - share))}%`);
  node.choices = choices;
  return [space, node];
};

const cardOf = (name, copy) => {
  const text = h("div", {className: "lab-answer", dir: "auto"});
  const whole = () => drawn.map(([said, choices]) => choices.length ? said : "").join("")
    || text.textContent;
  const copying = button("Copy", () => copy(whole(), text),
                         {"aria-label": `copy the answer of ${name}`});
  const node = h("div", {className: "lab-card"},
                 h("span", {className: "lab-name"}, name, copying), text);
  let drawn = [];
  // Words that stand there stay: the pointer or the keyboard may be on one of them.
  node.show = (words, live, last) => {
    copying.hidden = live;
    copying.tabIndex = last ? 0 : -1; // of the others, "c" copies
    if (JSON.stringify(words.slice(0, drawn.length)) !== JSON.stringify(drawn)) {
      text.replaceChildren();
      drawn = [];
    }
    text.append(...words.slice(drawn.length).flatMap(wordOf));
    drawn = [...words];
  };
  return node;
};

const exchangeOf = (names, copy, again) => {
  const message = h("p", {className: "lab-message", dir: "auto"});
  const heat = h("span", {className: "lab-heat"});
  const anew = button("Again", again, {"aria-label": "answer again, with other dice"});
  const cards = names.map((name) => cardOf(name, copy));
  const node = h("div", {className: "lab-exchange"},
                 h("div", {className: "lab-asked"}, message, heat, anew),
                 h("div", {className: "lab-columns"}, ...cards));
  node.show = (exchange, begins, live, last) => {
    message.textContent = exchange.message;
    heat.textContent = `temperature ${exchange.temperature.toFixed(1)}`;
    node.classList.toggle("lab-begins", begins);
    node.classList.toggle("lab-live", live);
    anew.hidden = live || !last;
    names.forEach((name, index) =>
      cards[index].show(exchange.words[name] ?? [], live, last));
  };
  return node;
};

// What else a word might have been: shown at the word under the pointer, or at the one
// that the arrow keys have reached, which is also said.
const alternatives = (log, say) => {
  const bars = h("div", {className: "lab-bars"});
  const tip = h("div", {className: "lab-tip", "aria-hidden": "true"}, bars);
  let at = null;
  const hide = () => {
    at?.classList.remove("lab-at");
    at = null;
    tip.hidden = true;
  };
  const place = () => {
    const frame = tip.offsetParent.getBoundingClientRect();
    const box = [...at.getClientRects()].at(-1) ?? at.getBoundingClientRect();
    const left = Math.min(box.left - frame.left, frame.width - tip.offsetWidth);
    tip.style.left = `${Math.max(0, left)}px`;
    tip.style.top = `${box.bottom - frame.top + 3}px`;
  };
  const show = (word) => {
    hide();
    at = word;
    at.classList.add("lab-at");
    const seen = at.choices.filter(([, share], index) => index < 2 || share >= 0.001);
    drawBars(bars, seen.map(([shown, share]) => ({shown, share})));
    tip.hidden = false;
    place();
  };
  const go = (step) => {
    const words = [...log.querySelectorAll(".lab-word")];
    const newest = words.indexOf(log.lastChild?.querySelector(".lab-word"));
    const next = at?.isConnected ? words.indexOf(at) + step : newest;
    const word = words[Math.max(0, Math.min(next, words.length - 1))];
    if (!word) return;
    word.scrollIntoView({block: "nearest"});
    show(word);
    const [first, ...others] =
      word.choices.map(([token, share]) => `${token} ${percent(share)}`);
    say(`${first}; else ${others.join(", ")}`);
  };
  log.addEventListener("pointerover", ({target}) => {
    if (target.choices) show(target);
  });
  log.addEventListener("pointerleave", hide);
  log.addEventListener("blur", hide);
  log.addEventListener("scroll", () => { if (at) place(); });
  log.addEventListener("keydown", (event) => {
    if (event.target !== log) return;
    const steps = {ArrowRight: 1, ArrowLeft: -1};
    if (event.key in steps) {
      event.preventDefault();
      go(steps[event.key]);
    } else if (event.key === "Escape") hide();
    else if (event.key === "c" && !event.ctrlKey && !event.metaKey) {
      at?.closest(".lab-card").querySelector("button").click();
    }
  });
  hide();
  return tip;
};

const suggestionsOf = (suggestions, ask) => {
  const chips = Object.entries(suggestions).map(([skill, message]) => {
    const chip = button(h("b", {}, skill), () => ask(message),
                        {title: message, className: "lab-button lab-suggestion"});
    chip.append(" ", message);
    return chip;
  });
  if (chips.length === 0) return [];
  return [h("p", {className: "lab-hint"}, LEARNED),
          h("div", {className: "lab-suggestions", role: "group",
                    "aria-label": "suggestions"}, ...chips)];
};

const whoIsWho = (rows) => {
  if (rows.length === 0) return [];
  const heads = Object.keys(rows[0]);
  const line = (cells, tag) =>
    h("tr", {}, ...cells.map((text) => h(tag, {}, text)));
  const table = h("table", {}, h("thead", {}, line(heads, "th")),
    h("tbody", {}, ...rows.map((row) => line(heads.map((name) => row[name]), "td"))));
  return [h("details", {className: "lab-about"}, h("summary", {}, "Who is who"),
            h("div", {tabIndex: 0, role: "region", "aria-label": "who is who"}, table))];
};

export default lasting(({ model, el, link }) => {
  const names = model.get("names");
  const log = h("div", {
    className: "lab-log", role: "log", "aria-live": "off", tabIndex: 0,
    "aria-label": "messages and answers; ← and → go from word to word, c copies",
  });
  const input = h("textarea", {
    rows: 1, dir: "auto", placeholder: "Write to all of them…",
    "aria-label": "message to the models",
  });
  const send = h("button", {type: "submit", className: "lab-button"}, "Send");
  const halt = button("Stop", () => stopAnswer());
  const heat = slider("temperature", model.get("temperature"));
  const shares = button("Show probabilities", () => {
    const on = talk.classList.toggle("lab-shares");
    shares.setAttribute("aria-pressed", on);
  }, {"aria-pressed": false});
  const anew = button("New conversation", async () => {
    if (await link.send({type: "new"})) tell(FORGOTTEN);
  });
  const status = statusLine(), said = statusLine("lab-unseen");
  const say = (text) => { said.textContent = text; };
  const form = h("form", {className: "lab-row"}, input, send, halt);
  const talk = h("div", {className: "lab-talk"}, log, alternatives(log, say), form,
    h("div", {className: "lab-row"}, heat.node, shares, anew), status, said, link.line);
  let waiting = false, mine = false;  // mine: asked here, not in another view
  let pinned = true;  // nobody has scrolled away from the newest message
  let told = "";
  let written = {}, number = null;  // what has come of the answer with this number
  const temperature = () => Number(heat.input.value);
  const drawStatus = () => {
    const busy = waiting && !link.asleep();
    if (!busy && document.activeElement === halt) input.focus();
    halt.hidden = !busy;
    send.hidden = busy;
    send.setAttribute("aria-disabled", link.asleep());
    const rest = () => told || model.get("refused").why
      || `${remembers(model.get("turns"))} ${LOOK}`;
    const answering = "at" in model.get("live") ? "Answering… Escape stops." : "";
    status.textContent = busy ? answering : rest();
  };
  const tell = (text) => { told = text; drawStatus(); };
  const wait = (on) => { waiting = on; drawStatus(); };
  // Whether Python has the message; until then it stays where it was typed. Without
  // one, the last is answered again.
  const ask = async (message) => {
    if (waiting || link.asleep()) return false;
    told = "";
    mine = true;
    wait(true);
    const heard = await link.send({type: "ask", message, temperature: temperature()});
    if (!heard) wait(false);
    return heard;
  };
  const stopAnswer = () => {
    link.send({type: "stop"});
    wait(false);
  };
  const again = () => {
    const cold = Number(heat.input.min);
    const last = model.get("exchanges").at(-1);
    if (Math.max(temperature(), last.temperature) <= cold) tell(COLD);
    else ask(null);
  };
  const copy = async (text, node) => {
    try {
      await navigator.clipboard.writeText(text);
      tell("Copied.");
    } catch {  // only where the page is one that the browser trusts
      getSelection().selectAllChildren(node);
      tell("Selected; Ctrl+C copies it.");
    }
  };
  const shown = () => {
    const exchanges = model.get("exchanges"), live = model.get("live");
    if (!("at" in live)) return exchanges;
    return [...exchanges.slice(0, live.at), {...live, words: written}];
  };
  const drawLog = () => {
    const all = shown(), given = model.get("given"), now = model.get("conversation");
    const isNew = all.length > log.children.length;
    while (log.children.length > all.length) log.lastChild.remove();
    while (log.children.length < all.length) log.append(exchangeOf(names, copy, again));
    all.forEach((exchange, index) => {
      const begins = index && index >= given
        && exchange.conversation !== all[index - 1].conversation;
      log.children[index].show(exchange, begins, exchange.words === written,
                               index === all.length - 1);
    });
    log.hidden = all.length === 0;
    log.classList.toggle("lab-fresh",
                         all.length > given && all.at(-1).conversation !== now);
    pinned ||= isNew;
    pin();
    if (isNew && mine) {
      requestAnimationFrame(() => talk.scrollIntoView({block: "nearest"}));
    }
  };
  // The newest is read from its beginning; examples from the first of them.
  const pin = () => requestAnimationFrame(() => {
    if (pinned && log.children.length > model.get("given")) {
      log.scrollTop = log.lastChild.offsetTop - 2;
    }
  });
  const turnTo = (newer) => {
    if (newer !== number) written = {};
    number = newer;
  };
  const follows = () => {
    const live = "at" in model.get("live");
    if (live) turnTo(model.get("live").number);
    drawLog();
    wait(live);
    if (live || !mine) return;
    mine = false;
    const answers = model.get("exchanges").at(-1)?.answers ?? {};
    say(names.map((name) => `${name}: ${answers[name]}`).join("\n"));
  };
  const hear = (news) => {
    turnTo(news.number);
    for (const [name, words] of Object.entries(news.words)) {
      written[name] = [...written[name] ?? [], ...words];
    }
    if (number !== model.get("live").number) return;
    log.lastChild.show(shown().at(-1), log.lastChild.matches(".lab-begins"), true, true);
    pin();
  };
  const giveBack = () => {
    input.value ||= model.get("refused").message ?? "";
    drawStatus();
  };
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowUp" && input.value === "") {
      input.value = model.get("exchanges").at(-1)?.message ?? "";
      event.preventDefault();
    }
    // JupyterLab keeps the browser from doing what Enter does.
    if (event.key !== "Enter" || event.isComposing) return;
    event.preventDefault();
    if (event.shiftKey) document.execCommand("insertText", false, "\n");
    else form.requestSubmit();
  });
  for (const moved of ["wheel", "pointerdown", "keydown", "touchmove"]) {
    log.addEventListener(moved, () => { pinned = false; }, {passive: true});
  }
  talk.addEventListener("keydown", ({key}) => {
    if (key === "Escape" && waiting) stopAnswer();
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    input.focus();
    const typed = input.value;
    if (!typed.trim()) return tell("Write a word or more first.");
    if (await ask(typed.trim()) && input.value === typed) input.value = "";
  });
  const end = follow(model, {exchanges: drawLog, conversation: drawLog, live: follows,
                             refused: giveBack});
  model.on("lab:asleep", drawStatus);
  model.on("msg:custom", hear);
  const suggestions = suggestionsOf(model.get("suggestions"), ask);
  el.append(labBox("chat", "chat", talk, ...suggestions,
                   ...whoIsWho(model.get("about"))));
  link.needs(send, anew, ...el.querySelectorAll(".lab-suggestion"));
  return () => {
    model.off("lab:asleep", drawStatus);
    model.off("msg:custom", hear);
    end();
  };
});
