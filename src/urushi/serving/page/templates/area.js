// Draws on a good image what of every image counts: by mouse, finger or keys. Points are shares of width and height.
import { data, find, findAll, make } from "./page.js";

const SVG = "http://www.w3.org/2000/svg";
const NEAR = 0.015;
const MOST = { areas: 10, points: 100 };
const canvas = find("#canvas");
const [tools, at, list] = ["#area-tools", "#area-at", "#areas"].map((one) => find(one));
const field = find("#area-drawn");
const radios = findAll("input[name=recipe]");
const kept = `urushi-area-${find("input[name=teaching]", field.form).value}`;
const { words } = data;

let areas = JSON.parse(sessionStorage.getItem(kept) ?? "[]"); // each { kind, points }
let draft = []; // points of what is being drawn
let cursor = null; // where the keys are, or the pointer is
let pressed = null; // where the pointer went down
const before = []; // for undo

const chosen = (name) => find(`[data-${name}][aria-pressed=true]`, tools).dataset[name];
const node = (tag, properties) => {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(properties)) made.setAttribute(name, value);
  return made;
};
const listed = (points) => points.map((point) => point.join()).join(" ");
const rectangle = ([[x, y], [u, v]]) => [[x, y], [u, y], [u, v], [x, v]];
const isFar = ([x, y], [u, v]) => Math.abs(x - u) > NEAR && Math.abs(y - v) > NEAR;
const isNear = ([x, y], [u, v]) => Math.abs(x - u) < NEAR && Math.abs(y - v) < NEAR;
const percent = (share) => `${Math.round(100 * share)} %`;

/** How much of an image counts, by so many of its points. */
const share = () => {
  const side = 256;
  const context = Object.assign(document.createElement("canvas"), { width: side, height: side }).getContext("2d", { willReadFrequently: true });
  const fill = (kind, colour) => {
    context.fillStyle = colour;
    for (const { points } of areas.filter((one) => one.kind === kind)) {
      context.beginPath();
      for (const [x, y] of points) context.lineTo(x * side, y * side);
      context.fill();
    }
  };
  context.fillStyle = areas.some((one) => one.kind === "inspect") ? "#000" : "#fff";
  context.fillRect(0, 0, side, side);
  fill("inspect", "#fff");
  fill("ignore", "#000");
  const { data: pixels } = context.getImageData(0, 0, side, side);
  return pixels.reduce((sum, level, place) => (place % 4 ? sum : sum + level), 0) / 255 / side / side;
};

const drawing = () => {
  const shape = draft.length && cursor && chosen("shape") === "rectangle" ? rectangle([draft[0], cursor]) : cursor ? [...draft, cursor] : draft;
  return [
    ...areas.map(({ kind, points }) => node("polygon", { points: listed(points), class: kind })),
    ...(draft.length ? [node(chosen("shape") === "rectangle" ? "polygon" : "polyline", { points: listed(shape), class: "draft" })] : []),
    ...[...draft, ...(cursor ? [cursor] : [])].map(([x, y]) => node("path", { d: `M${x} ${y}h0`, class: "point" })),
  ];
};
const show = () => {
  find("#drawing").replaceChildren(...drawing());
  find("#ground").setAttribute("fill", areas.some((one) => one.kind === "inspect") ? "#fff" : "#000");
  const inOrder = [...areas].sort((one, other) => other.kind.localeCompare(one.kind)); // what is ignored comes last
  find("#cut").replaceChildren(...inOrder.map(({ kind, points }) => node("polygon", { points: listed(points), fill: kind === "ignore" ? "#fff" : "#000" })));
  find("[data-undo]", tools).disabled = !before.length && !draft.length;
  find("[data-close]", tools).disabled = chosen("shape") !== "polygon" || draft.length < 3;
};
const save = () => {
  const drawn = Object.fromEntries(["ignore", "inspect"].map((kind) => [kind, areas.filter((one) => one.kind === kind).map((one) => one.points)]));
  field.value = areas.length ? JSON.stringify(drawn) : "";
  for (const radio of radios) if (radio.value === "large_images") radio.disabled = areas.length > 0; // has no area
  if (areas.length && find("input[name=recipe]:checked")?.disabled) radios[0].checked = true;
  find("#area-said").textContent = areas.length ? words.area_counts.replace("%s", percent(share())) : "";
  sessionStorage.setItem(kept, JSON.stringify(areas));
  list.replaceChildren(...areas.map((one, number) => make("li", {}, `${number + 1}. ${words[`area_${one.kind}`]} `, remover(one))));
  show();
};
const remover = (one) => {
  const button = make("button", { type: "button", textContent: words.delete });
  button.addEventListener("click", () => {
    change(areas.filter((other) => other !== one));
    at.textContent = words.area_removed;
    (find("button", list) ?? canvas).focus();
  });
  button.setAttribute("aria-label", `${words.delete}: ${areas.indexOf(one) + 1}. ${words[`area_${one.kind}`]}`);
  return button;
};
const change = (others) => {
  before.push(areas);
  areas = others;
  draft = [];
  save();
};
const undo = () => {
  if (draft.length) draft = draft.slice(0, -1);
  else if (before.length) areas = before.pop();
  save();
};
const finish = (points) => change(areas.length < MOST.areas ? [...areas, { kind: chosen("kind"), points }] : areas);
const close = () => draft.length > 2 && finish(draft);
const add = (point) => {
  const first = draft[0];
  if (!first) draft = [point];
  else if (chosen("shape") === "rectangle") {
    if (isFar(first, point)) finish(rectangle([first, point]));
  } else if (draft.length > 2 && isNear(first, point)) close();
  else if (draft.length < MOST.points && !draft.some((one) => isNear(one, point))) draft = [...draft, point];
  show();
};

const round = (value) => Math.round(1e4 * Math.min(1, Math.max(0, value))) / 1e4;
const placed = (event) => {
  const box = find("img", canvas).getBoundingClientRect();
  return [round((event.clientX - box.left) / box.width), round((event.clientY - box.top) / box.height)];
};
canvas.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  canvas.setPointerCapture(event.pointerId);
  pressed = placed(event);
  if (chosen("shape") === "rectangle" && !draft.length) add(pressed);
});
canvas.addEventListener("pointermove", (event) => {
  cursor = placed(event);
  show();
});
canvas.addEventListener("pointerup", (event) => {
  if (!pressed) return;
  const point = placed(event);
  pressed = null;
  add(point);
});
canvas.addEventListener("pointercancel", () => (pressed = null));
canvas.addEventListener("pointerleave", () => {
  cursor = null;
  show();
});
canvas.addEventListener("dblclick", close);

const step = (right, down) => (event) => {
  const far = event.shiftKey ? 0.1 : 0.01;
  const [x, y] = cursor ?? draft.at(-1) ?? [0.5, 0.5];
  cursor = [round(x + right * far), round(y + down * far)];
  at.textContent = words.area_point.replace("%s", cursor.map(percent).join(", "));
  show();
};
const put = () => {
  cursor ??= [0.5, 0.5];
  add(cursor);
};
const acts = {
  ArrowLeft: step(-1, 0), ArrowRight: step(1, 0), ArrowUp: step(0, -1), ArrowDown: step(0, 1),
  Enter: put, " ": put, c: close, z: undo, Backspace: undo,
  Escape: () => {
    draft = [];
    show();
  },
};
canvas.addEventListener("keydown", (event) => {
  const act = acts[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!act || event.altKey || ((event.ctrlKey || event.metaKey) && act !== undo)) return;
  event.preventDefault();
  event.stopPropagation();
  act(event);
});

for (const name of ["kind", "shape"]) {
  for (const button of findAll(`[data-${name}]`, tools)) {
    button.addEventListener("click", () => {
      for (const other of findAll(`[data-${name}]`, tools)) other.setAttribute("aria-pressed", String(other === button));
      draft = [];
      show();
    });
  }
}
find("[data-close]", tools).addEventListener("click", close);
find("[data-undo]", tools).addEventListener("click", undo);
const image = find("img", canvas);
const fit = () => (image.width = Math.min(0.68 * innerHeight, 640) * (image.naturalWidth / image.naturalHeight)); // small ones are enlarged
image.addEventListener("load", fit);
if (image.complete) fit();
const others = findAll("#fits button");
for (const button of others) {
  button.addEventListener("click", () => {
    image.src = find("img", button).src;
    for (const other of others) other.setAttribute("aria-pressed", String(other === button));
  });
}
save();
