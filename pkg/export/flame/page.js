"use strict";
// The flame of one hopscope file. All text reaches the page as text nodes:
// names of containers and devices are data from outside.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const rowHeight = 25; // px, as .frame in the style
  const leastWidth = 0.4; // px: what is narrower is not drawn

  // A frame is known by its key, the names from the root down to it, so that
  // zoom and focus stay where they are when view and filters change.
  const state = { view: data.views[0], container: "", direction: "", search: "", zoom: data.root.n, focus: data.root.n };
  let root = null; // the measured tree
  let drawn = []; // its drawn nodes, row by row from left to right
  let byElement = new Map();

  // measure gives the part of the tree that the filters let through, with
  // values; null when nothing is left.
  function measure(frame, parent) {
    if (frame.k === "path" && state.container && !(frame.e || []).includes(state.container)) return null;
    if (frame.k === "direction" && state.direction && frame.n !== state.direction) return null;
    const node = { frame, parent, kids: [], value: 0, against: 0, left: 0, right: 1 };
    node.key = parent ? parent.key + "\n" + frame.n : frame.n;
    node.depth = parent ? parent.depth + 1 : 0;
    if (frame.c) {
      for (const child of frame.c) {
        const kid = measure(child, node);
        if (!kid) continue;
        node.kids.push(kid);
        node.value += kid.value;
        node.against += kid.against;
      }
    } else if (frame.v) {
      node.value = frame.v[state.view.value] || 0;
      node.against = frame.v[state.view.against] || 0;
    }
    return node.value > 0 || node.against > 0 || !parent ? node : null;
  }

  function find(node, key) {
    if (node.key === key) return node;
    for (const kid of node.kids) {
      const found = (key + "\n").startsWith(kid.key + "\n") && find(kid, key);
      if (found) return found;
    }
    return null;
  }

  // nearest is the node of a key, or else the closest one above it that exists.
  function nearest(key) {
    for (let k = key; ; k = k.slice(0, k.lastIndexOf("\n"))) {
      const node = find(root, k);
      if (node && (node.value > 0 || !node.parent)) return node;
      if (!k.includes("\n")) return root;
    }
  }

  // place sets both edges of all nodes below from running sums, so that
  // neighbors join without a gap.
  function place(node, begin, whole) {
    for (const kid of node.kids) {
      kid.left = begin / whole;
      begin += kid.value;
      kid.right = begin / whole;
      place(kid, begin - kid.value, whole);
    }
  }

  const matches = (node) => state.search !== "" && node.frame.n.toLowerCase().includes(state.search);

  const change = (node) => (state.view.against < 0 ? 0 : (node.value - node.against) * state.view.slower);

  function largestChange(node) {
    return node.kids.reduce((most, kid) => Math.max(most, largestChange(kid)), node.kids.length ? 0 : Math.abs(change(node)));
  }

  function draw() {
    root = measure(data.root, null);
    const zoomed = nearest(state.zoom);
    state.zoom = zoomed.key;
    const flame = $("flame");
    flame.replaceChildren();
    flame.classList.toggle("searching", state.search !== "");
    drawn = [];
    byElement = new Map();
    if (root.value === 0) {
      const empty = document.createElement("p");
      empty.textContent = "No time was measured here.";
      flame.append(empty);
      flame.style.height = "";
    } else {
      for (let up = zoomed; up; up = up.parent) [up.left, up.right] = [0, 1];
      place(zoomed, 0, zoomed.value);
      const above = [];
      for (let up = zoomed.parent; up; up = up.parent) above.unshift(up);
      const width = flame.clientWidth;
      let row = above.concat([zoomed]).map((node) => [node]);
      for (let next = zoomed.kids; next.length; next = next.flatMap((node) => node.kids)) row.push(next);
      const most = largestChange(root);
      row = row.map((nodes) => nodes.filter((node) => (node.right - node.left) * width >= leastWidth));
      for (const nodes of row) for (const node of nodes) drawn.push(element(node, node.depth < zoomed.depth, width, most));
      flame.style.height = row.filter((nodes) => nodes.length).length * rowHeight + "px";
      flame.append(...drawn.map((node) => node.element));
    }
    setFocus(nearest(state.focus), false);
    showMatched(zoomed);
    $("reset").disabled = !zoomed.parent;
  }

  function element(node, above, width, most) {
    const box = document.createElement("div");
    const pixels = (node.right - node.left) * width;
    box.className = "frame " + node.frame.k;
    if (state.view.against >= 0) tint(box, node, most);
    else if (node.frame.h) box.classList.add("h" + node.frame.h);
    if (above) box.classList.add("above");
    if (matches(node)) box.classList.add("match");
    if (pixels < 12) box.classList.add("bare");
    else box.textContent = node.frame.n;
    box.style.left = node.left * 100 + "%";
    box.style.width = (node.right - node.left) * 100 + "%";
    box.style.top = node.depth * rowHeight + "px";
    box.setAttribute("role", "treeitem");
    box.setAttribute("aria-level", node.depth + 1);
    box.setAttribute("aria-label", node.frame.n + ", " + duration(node.value) + ", " + percent(node.value / root.value));
    box.tabIndex = -1;
    node.element = box;
    byElement.set(box, node);
    return node;
  }

  function tint(box, node, most) {
    const by = change(node);
    if (by === 0 || most === 0) return;
    const depth = Math.min(1, Math.abs(by) / most) * 0.6 + 0.08;
    box.style.background = "rgb(var(--" + (by > 0 ? "slower" : "faster") + ") / " + depth.toFixed(3) + ")";
  }

  // setFocus makes one frame the one that Tab reaches.
  function setFocus(node, move) {
    if (!node.element || !node.element.isConnected) node = drawn.find((d) => d.key === state.zoom) || drawn[0];
    for (const d of drawn) d.element.tabIndex = -1;
    if (!node) {
      show(root);
      return;
    }
    state.focus = node.key;
    node.element.tabIndex = 0;
    if (move) node.element.focus({ preventScroll: false });
    show(node);
  }

  function show(node) {
    const panel = $("details");
    const title = document.createElement("h2");
    title.textContent = node.frame.n;
    const about = document.createElement("p");
    const parts = [duration(node.value) + (state.view.id.includes("packet") ? " a packet" : " of packets' time"), percent(node.value / root.value) + " of all"];
    if (node.parent && node.parent.parent) parts.push(percent(node.value / node.parent.value) + " of " + node.parent.frame.n);
    if (state.view.against >= 0) parts.push(changeText(node));
    about.textContent = parts.join(" · ");
    panel.replaceChildren(title, about);
    if (node.frame.d) panel.append(table(node.frame.d));
  }

  function changeText(node) {
    const by = change(node);
    const before = state.view.slower > 0 ? node.against : node.value;
    if (by === 0) return "unchanged";
    let relative = before === 0 ? "new" : (by > 0 ? "+" : "−") + percent(Math.abs(by) / before);
    if (before > 0 && by >= 10 * before) relative = "×" + (by / before + 1).toFixed(0);
    return (by > 0 ? "slower by " : "faster by ") + duration(Math.abs(by)) + " (" + relative + ")";
  }

  function table(rows) {
    const out = document.createElement("table");
    for (const cells of rows) {
      const row = out.insertRow();
      for (const text of cells) row.insertCell().textContent = text;
    }
    return out;
  }

  // showMatched says how much of what is shown the search found, each
  // nanosecond once.
  function showMatched(zoomed) {
    const sum = (node) => (matches(node) ? node.value : node.kids.reduce((all, kid) => all + sum(kid), 0));
    const value = sum(zoomed);
    $("matched").textContent = state.search === "" ? "" : "matched " + percent(zoomed.value ? value / zoomed.value : 0) + ", " + duration(value);
  }

  // Durations with three digits, as everywhere in hopscope.
  function duration(ns) {
    if (ns < 1000) return Math.round(ns) + "ns";
    let value = ns / 1000;
    const units = ["µs", "ms", "s"];
    let unit = 0;
    for (; unit < 2 && value >= 999.5; unit++) value /= 1000;
    return value.toFixed(value < 9.995 ? 2 : value < 99.95 ? 1 : 0) + units[unit];
  }

  function percent(share) {
    const p = share * 100 || 0;
    if (p > 0 && p < 0.05) return "<0.1%";
    return p >= 99.95 && p <= 100 ? "100%" : p.toFixed(1) + "%";
  }

  function zoom(node) {
    state.zoom = node.key;
    state.focus = node.key;
    draw();
  }

  function choose(view) {
    state.view = view;
    for (const button of $("views").children) button.setAttribute("aria-checked", button.value === view.id);
    $("legend").hidden = view.against < 0;
    draw();
  }

  // walk moves the focus: to the frame above, the widest below, or along the row.
  function walk(key) {
    const node = drawn.find((d) => d.key === state.focus);
    if (!node) return;
    const visible = (n) => n && n.element && n.element.isConnected;
    let next = null;
    if (key === "ArrowUp") next = node.parent;
    if (key === "ArrowDown") next = node.kids.filter(visible).reduce((best, kid) => (best && best.value >= kid.value ? best : kid), null);
    const row = drawn.filter((d) => d.depth === node.depth);
    if (key === "ArrowLeft") next = row[row.indexOf(node) - 1];
    if (key === "ArrowRight") next = row[row.indexOf(node) + 1];
    if (visible(next)) setFocus(next, true);
  }

  function nextMatch() {
    const at = drawn.findIndex((d) => d.key === state.focus);
    const next = drawn.slice(at + 1).concat(drawn.slice(0, at + 1)).find(matches);
    if (next) setFocus(next, true);
  }

  function back() {
    const zoomed = nearest(state.zoom);
    if (zoomed.parent) zoom(zoomed.parent);
    setFocus(nearest(state.focus), true);
  }

  function clearSearch() {
    $("search").value = state.search = "";
    draw();
  }

  function switchTheme() {
    const html = document.documentElement;
    const dark = html.dataset.theme ? html.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    html.dataset.theme = dark ? "light" : "dark";
  }

  function onKey(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const inField = event.target.matches("input, select");
    if (event.key === "Escape") {
      if (state.search !== "") clearSearch();
      else if (!inField) back();
      if (inField) setFocus(nearest(state.focus), true);
      event.preventDefault();
      return;
    }
    if (inField) {
      if (event.key === "Enter") nextMatch();
      return;
    }
    const node = byElement.get(document.activeElement);
    const actions = {
      "/": () => $("search").focus(),
      0: () => zoom(root),
      n: nextMatch,
      t: switchTheme,
    };
    const view = data.views[Number(event.key) - 1];
    if (actions[event.key]) actions[event.key]();
    else if (event.key.startsWith("Arrow")) walk(event.key);
    else if ((event.key === "Enter" || event.key === " ") && node) {
      zoom(node);
      setFocus(nearest(state.focus), true);
    } else if (view) choose(view);
    else return;
    event.preventDefault();
  }

  function fill(select, label, names) {
    select.append(new Option(label, ""), ...names.map((name) => new Option(name, name)));
    select.addEventListener("change", () => {
      state[select.id] = select.value;
      draw();
    });
  }

  function collect(frame, into) {
    if (frame.k === "path") (frame.e || []).forEach((end) => into.ends.add(end));
    if (frame.k === "direction") into.directions.add(frame.n);
    (frame.c || []).forEach((child) => collect(child, into));
    return into;
  }

  function start() {
    for (const note of data.notes || []) {
      const line = document.createElement("div");
      line.textContent = note;
      $("notes").append(line);
    }
    data.views.forEach((view, i) => {
      const button = document.createElement("button");
      button.type = "button";
      button.value = view.id;
      button.textContent = view.name;
      button.title = "key " + (i + 1);
      button.setAttribute("role", "radio");
      button.addEventListener("click", () => choose(view));
      $("views").append(button);
    });
    const found = collect(data.root, { ends: new Set(), directions: new Set() });
    fill($("container"), "all", [...found.ends].sort());
    fill($("direction"), "both", [...found.directions].sort());
    $("search").addEventListener("input", () => {
      state.search = $("search").value.trim().toLowerCase();
      draw();
    });
    $("reset").addEventListener("click", () => zoom(root));
    $("theme").addEventListener("click", switchTheme);
    $("flame").addEventListener("click", (event) => {
      const node = byElement.get(event.target);
      if (node) zoom(node);
    });
    $("flame").addEventListener("mouseover", (event) => {
      const node = byElement.get(event.target);
      if (node) show(node);
    });
    $("flame").addEventListener("mouseleave", () => show(nearest(state.focus)));
    $("flame").addEventListener("focusin", (event) => {
      const node = byElement.get(event.target);
      if (node && node.key !== state.focus) setFocus(node, false);
    });
    addEventListener("keydown", onKey);
    addEventListener("resize", draw);
    choose(data.views[0]);
  }

  start();
})();
