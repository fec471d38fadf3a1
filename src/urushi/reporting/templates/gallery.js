// The images: which are shown, in which order, as cards or as a list. The choice is kept in the hash of the address.
if (find("#images")) {
  const ROWS = 60; // of the list at a time
  const MARKS = { anomalous: "▲", unsure: "?", normal: "✓" };
  const DEFAULTS = { show: "all", kind: "", find: "", sort: "worst", view: "cards" };
  const names = new Intl.Collator("en", { numeric: true });
  const cards = new Map(findAll(".card").map((card) => [Number(card.dataset.number), card]));
  const folder = report.pictures && encodeURIComponent(report.pictures.folder);
  let state = { ...DEFAULTS };
  let matching = [];
  let nRows = ROWS;

  const make = (tag, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };
  const times = (ratio) => {
    const rounded = Math.round(100 * ratio) / 100;
    const side = ratio > 1 ? Math.max(rounded, 1.01) : ratio < 1 ? Math.min(rounded, 0.99) : 1;
    return side.toFixed(2);
  };
  const scoreOf = ({ score, score_in_thresholds: ratio }) =>
    ratio === null ? String(Number(score.toPrecision(4))) : times(ratio);
  const decisionOf = ({ decision, outcome }) =>
    decision + (["missed", "false alarm"].includes(outcome) ? ` (${outcome})` : "");

  // Pictures of images without a card lie in a folder beside the page.
  const fileOf = (number, suffix) => `${folder}/${String(number).padStart(6, "0")}${suffix}.webp`;
  const layers = (number) => {
    if (!folder) return [];
    const [width, height] = [report.results[number].view.width, report.results[number].view.height];
    return ["", "-heat"].map((suffix) => {
      const more = { className: suffix ? "heat" : "", alt: suffix ? "" : report.results[number].source };
      return make("img", { ...more, width, height, loading: "lazy", decoding: "async", src: fileOf(number, suffix) });
    });
  };
  const boxes = ({ view, regions }) => {
    const rects = regions.slice(0, 50).map(({ x, y, width, height }) => {
      const place = `x="${x}" y="${y}" width="${width}" height="${height}"`;
      return `<rect class="outer" ${place}/><rect class="inner" ${place}/>`;
    });
    const box = `${view.x} ${view.y} ${view.width} ${view.height}`;
    const holder = make("template"); // numbers only, nothing of it comes from outside
    holder.innerHTML = `<svg class="boxes" viewBox="${box}" preserveAspectRatio="none">${rects.join("")}</svg>`;
    return holder.content.firstChild;
  };
  const copyOf = (stage) => {
    const copy = stage.cloneNode(true);
    // A pattern of a hidden card is not drawn, so the copy has one of its own.
    for (const pattern of copy.querySelectorAll("pattern")) {
      const filled = copy.querySelector(`[fill="url(#${pattern.id})"]`);
      pattern.id += "-copy";
      filled?.setAttribute("fill", `url(#${pattern.id})`);
    }
    return copy;
  };
  const partsOf = (number) => {
    const card = cards.get(number);
    if (!card) {
      const [input, heat] = layers(number);
      return input ? { input: [input.cloneNode()], map: [input, heat, boxes(report.results[number])] } : {};
    }
    const stages = [...card.querySelectorAll(".stage")];
    return Object.fromEntries(stages.map((one) => [one.dataset.stage, [...copyOf(one).children]]));
  };
  const items = () =>
    matching.map((number) => {
      const result = report.results[number];
      const truth = result.label === undefined ? "" : `, truth ${result.label}`;
      const unit = result.score_in_thresholds === null ? "" : " × threshold";
      const summary = `${MARKS[result.decision]} ${decisionOf(result)}, score ${scoreOf(result)}${unit}${truth}`;
      return { result, summary, parts: () => partsOf(number) };
    });
  const enlarge = (number, part) => viewer.open(items(), matching.indexOf(number), part);

  // What matches, and in which order.
  const matches = ({ source, decision, outcome, label, defect_type: type }) =>
    ["all", decision, outcome].includes(state.show) &&
    ["", `label:${label}`, `type:${type}`].includes(state.kind) &&
    source.toLowerCase().includes(state.find.toLowerCase());
  const falling = (one, other) => report.results[other].score - report.results[one].score || one - other;
  const missed = (number) => Number(report.results[number].outcome === "missed");
  const orders = {
    worst: (one, other) => missed(other) - missed(one) || falling(one, other),
    highest: falling,
    lowest: (one, other) => falling(other, one),
    name: (one, other) => names.compare(report.results[one].source, report.results[other].source),
  };

  const row = (number) => {
    const result = report.results[number];
    const card = cards.get(number);
    const small = card ? partsOf(number).map.filter((part) => part.tagName === "IMG") : layers(number);
    for (const image of small) image.alt = "";
    const cut = Math.max(result.source.lastIndexOf("/"), result.source.lastIndexOf("\\")) + 1;
    const place = make("span", { className: "folder" }, result.source.slice(0, cut));
    const open = make("button", { type: "button", className: "link" }, result.source.slice(cut));
    open.addEventListener("click", () => enlarge(number, "map"));
    const decided = make("span", { className: `decision ${result.decision}` }, `${MARKS[result.decision]} ${result.decision}`);
    const wrong = ["missed", "false alarm"].includes(result.outcome);
    const marked = wrong ? [make("span", { className: "outcome" }, result.outcome)] : [];
    return make(
      "tr",
      {},
      make("td", { className: "thumb" }, make("span", { className: "stage" }, ...small)),
      make("th", { scope: "row", className: "file" }, place, open),
      make("td", {}, decided, ...marked),
      make("td", { className: "num" }, scoreOf(result)),
      make("td", { className: "num more" }, String(Number(result.p_value.toPrecision(3)))),
      make("td", { className: "more" }, result.label ?? result.defect_type ?? "–"),
    );
  };
  const showRows = () => {
    find("#rows").replaceChildren(...matching.slice(0, nRows).map(row));
    find("#more").hidden = nRows >= matching.length;
    find("#more").textContent = `show ${Math.min(ROWS, matching.length - nRows)} more of ${matching.length}`;
  };
  const show = () => {
    const numbers = report.results.map((_, number) => number);
    matching = numbers.filter((number) => matches(report.results[number])).sort(orders[state.sort]);
    const inList = state.view === "list";
    for (const card of cards.values()) card.hidden = true;
    const drawn = inList ? [] : matching.filter((number) => cards.has(number));
    for (const number of drawn) {
      cards.get(number).hidden = false;
      find("#cards").append(cards.get(number));
    }
    find("#list").hidden = !inList;
    find(".keys").hidden = inList;
    if (inList) showRows();
    const total = report.results.length;
    const counted = `${matching.length} of ${total} ${total === 1 ? "image matches" : "images match"}`;
    const beyond = matching.length - drawn.length;
    find("#n-visible").textContent = inList || !beyond ? `${counted}.` : `${counted}, ${beyond} of them in the list only.`;
    find("#to-list").hidden = inList || !beyond;
  };

  // The controls follow the state, and the state the controls and the address.
  const settle = () => {
    for (const name of ["show", "view"]) {
      for (const button of findAll(`[data-${name}]`)) {
        button.setAttribute("aria-pressed", String(button.dataset[name] === state[name]));
      }
    }
    for (const name of ["kind", "find", "sort"]) if (find(`#${name}`)) find(`#${name}`).value = state[name];
    show();
  };
  const change = (changes) => {
    state = { ...state, ...changes };
    nRows = ROWS;
    const kept = Object.entries(state).filter(([name, value]) => value !== DEFAULTS[name]);
    const here = location.href.split("#")[0];
    history.replaceState(null, "", kept.length ? `${here}#${new URLSearchParams(kept)}` : here);
    settle();
  };
  const fromAddress = () => {
    const hash = location.hash.slice(1);
    if (hash && !hash.includes("=")) return; // the place of a heading
    const given = Object.fromEntries(new URLSearchParams(hash));
    state = Object.fromEntries(Object.entries(DEFAULTS).map(([name, value]) => [name, given[name] ?? value]));
    state.sort = orders[state.sort] ? state.sort : DEFAULTS.sort;
    settle();
  };

  for (const button of findAll("[data-show]")) button.addEventListener("click", () => change({ show: button.dataset.show }));
  for (const button of findAll("[data-view]")) button.addEventListener("click", () => change({ view: button.dataset.view }));
  for (const name of ["kind", "sort"]) {
    find(`#${name}`)?.addEventListener("change", (event) => change({ [name]: event.target.value }));
  }
  find("#find").addEventListener("input", (event) => change({ find: event.target.value }));
  find("#more").addEventListener("click", () => {
    nRows += ROWS;
    showRows();
  });
  window.addEventListener("hashchange", fromAddress);
  settle();
  fromAddress();

  find("#opacity")?.addEventListener("input", (event) => root.style.setProperty("--heat", event.target.value / 100));
  find("#boxes")?.addEventListener("change", (event) => root.classList.toggle("no-boxes", !event.target.checked));
  for (const [number, card] of cards) {
    for (const stage of card.querySelectorAll(".stage")) {
      stage.addEventListener("click", () => enlarge(number, stage.dataset.stage));
    }
  }
  document.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || event.target.closest("input, select, dialog, .scroll")) return;
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const visible = [...find("#cards").children].filter((card) => !card.hidden);
    const here = visible.indexOf(document.activeElement.closest(".card"));
    const next = visible[here < 0 ? 0 : Math.min(visible.length - 1, Math.max(0, here + step))];
    if (!next) return;
    event.preventDefault();
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "center" });
  });
}
