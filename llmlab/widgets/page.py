"""What all views share in the browser: how they make elements, how they look."""

HELPERS = """
const h = (tag, properties = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in node && !name.startsWith("aria")) node[name] = value;
    else node.setAttribute(name, value);
  }
  if (node.tabIndex >= 0) node.dataset.lmSuppressShortcuts = "true";
  node.append(...children);
  return node;
};
const shape = (tag, properties = {}, ...children) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(properties)) {
    node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
};
const slider = (label, value) => {
  const shown = h("span", {"aria-hidden": "true"}, value.toFixed(1));
  const input = h("input", {type: "range", min: 0.1, max: 2, step: 0.1,
                            "aria-label": label});
  input.value = value;
  input.addEventListener("input", () => {
    shown.textContent = Number(input.value).toFixed(1);
  });
  return {input, node: h("label", {className: "lab-slider"}, label, input, shown)};
};
const drawBars = (list, bars) => {
  list.replaceChildren(...bars.map(({shown, share, rest}) => {
    const bar = h("div", {className: rest ? "lab-bar lab-rest" : "lab-bar"});
    bar.style.width = `${100 * share}%`;
    return h("div", {"role": "listitem"}, h("span", {className: "lab-token"}, shown),
             h("div", {}, bar),
             h("span", {className: "lab-share"}, `${(100 * share).toFixed(1)} %`));
  }));
};
"""

CSS = """
.lab-box {
  color: var(--jp-content-font-color1, #222);
  font-family: var(--jp-content-font-family, system-ui, sans-serif);
  font-size: var(--jp-content-font-size1, 14px);
  line-height: 1.45;
  border: 1px solid var(--jp-border-color1, #bdbdbd);
  border-radius: 8px;
  padding: 12px 14px;
  margin: 6px 2px;
  max-width: 60rem;
  background: var(--jp-layout-color1, #fff);
}
.lab-box * { box-sizing: border-box; }
.lab-box :focus-visible, .lab-box:focus-visible {
  outline: 3px solid var(--jp-brand-color1, #1976d2);
  outline-offset: 1px;
}
.lab-box .lab-head { font-weight: 600; margin: 0 0 8px; font-size: 1.05em; }
.lab-box .lab-hint, .lab-box .lab-status {
  color: var(--jp-content-font-color2, #555);
  font-size: 0.92em;
  margin: 8px 0 0;
  min-height: 1.4em;
}
.lab-box kbd {
  font-family: var(--jp-code-font-family, monospace);
  font-size: 0.85em;
  border: 1px solid var(--jp-border-color1, #bdbdbd);
  border-radius: 4px;
  padding: 0 5px;
  background: var(--jp-layout-color2, #eee);
}
.lab-row { display: flex; gap: 8px; align-items: center; flex-wrap: wrap; }
.lab-box input[type=text], .lab-box textarea {
  flex: 1 1 16rem;
  font: inherit;
  padding: 7px 10px;
  color: inherit;
  background: var(--jp-layout-color0, #fff);
  border: 1px solid var(--jp-border-color0, #949494);
  border-radius: 6px;
}
.lab-box button.lab-button {
  font: inherit;
  color: inherit;
  padding: 6px 14px;
  cursor: pointer;
  background: var(--jp-layout-color2, #eee);
  border: 1px solid var(--jp-border-color0, #949494);
  border-radius: 6px;
}
.lab-box button.lab-button:hover { background: var(--jp-layout-color3, #ddd); }
.lab-box [aria-disabled=true] { opacity: 0.55; cursor: default; }
.lab-slider { display: inline-flex; gap: 8px; align-items: center; }
.lab-slider span { min-width: 2em; font-variant-numeric: tabular-nums; }
.lab-columns {
  display: grid;
  grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr));
  gap: 8px;
  margin: 4px 0 14px;
}
.lab-message { font-weight: 600; margin: 12px 0 2px; }
.lab-card {
  border: 1px solid var(--jp-border-color2, #d5d5d5);
  border-radius: 6px;
  padding: 8px 10px;
  background: var(--jp-layout-color0, #fff);
  white-space: pre-wrap;
  overflow-wrap: anywhere;
}
.lab-card .lab-name {
  display: block;
  font-size: 0.85em;
  font-weight: 600;
  color: var(--jp-content-font-color2, #555);
  margin-bottom: 3px;
}
button.lab-card {
  font: inherit;
  color: inherit;
  text-align: left;
  display: flex;
  flex-direction: column;
  justify-content: flex-start;
  min-height: 6rem;
  cursor: pointer;
  border: 2px solid var(--jp-border-color1, #bdbdbd);
  padding: 10px 12px;
}
button.lab-card:hover { border-color: var(--jp-brand-color1, #1976d2); }
.lab-progress {
  height: 8px;
  border-radius: 4px;
  background: var(--jp-layout-color3, #ddd);
  overflow: hidden;
  margin: 6px 0 10px;
}
.lab-progress > div { height: 100%; background: var(--jp-brand-color1, #1976d2); }
.lab-bars { display: grid; grid-template-columns: auto 1fr auto; gap: 3px 8px;
            margin-top: 10px; align-items: center; }
.lab-bars button, .lab-bars .lab-token {
  font-family: var(--jp-code-font-family, monospace);
  font-size: 0.95em;
  color: inherit;
  background: none;
  text-align: right;
  border: 1px solid transparent;
  border-radius: 4px;
  padding: 1px 6px;
  white-space: pre;
}
.lab-bars button[aria-disabled=false] {
  cursor: pointer;
  border-color: var(--jp-border-color2, #d5d5d5);
  background: var(--jp-layout-color2, #eee);
}
.lab-bars .lab-bar { height: 1.05em; border-radius: 2px; min-width: 1px;
                     background: var(--jp-brand-color1, #1976d2); }
.lab-bars .lab-rest .lab-bar, .lab-bars .lab-bar.lab-rest {
  background: repeating-linear-gradient(135deg, var(--jp-border-color0, #949494) 0 4px,
                                        transparent 4px 8px);
}
.lab-bars .lab-share { font-variant-numeric: tabular-nums; text-align: right; }
.lab-bars [role=listitem] { display: contents; }
.lab-figures { display: flex; gap: 4px 26px; flex-wrap: wrap; align-items: end; }
.lab-figures div { min-width: 4.5rem; }
.lab-figures b { display: block; font-size: 1.2em; font-weight: 600;
                 font-variant-numeric: tabular-nums; }
.lab-figures span { color: var(--jp-content-font-color2, #555); font-size: 0.88em; }
.lab-curve { flex: 1 1 10rem; max-width: 22rem; height: 44px; }
.lab-curve polyline { fill: none; stroke: var(--jp-brand-color1, #1976d2);
                      stroke-width: 2; vector-effect: non-scaling-stroke; }
.lab-unseen { position: absolute; width: 1px; height: 1px; overflow: hidden;
              clip-path: inset(50%); white-space: nowrap; }
"""
