// A picture and what is laid over it: two layers, one on each side of a line that is swiped over it, and boxes.
import { find, findAll } from "./page.js";
import { zooming } from "./zoom.js";

const SVG = "http://www.w3.org/2000/svg";
const FILES = { heat: "map", rebuilt: "reconstruction", difference: "difference", seen: "seen" };

export const stage = (holder) => {
  const picture = find(".picture", holder);
  const sides = Object.fromEntries(findAll("[data-side]", picture).map((one) => [one.dataset.side, one]));
  const edge = find(".edge", picture);
  const [opacity, swipe, left] = ["[data-opacity]", "[data-swipe]", "[data-left]"].map((one) => find(one, holder));
  const rows = findAll("[data-region]", holder).filter((one) => one.localName === "button");
  const opacities = { heat: 85, rebuilt: 100, difference: 100, seen: 100, input: 100 };
  let { id, view, width, regions } = JSON.parse(picture.dataset.shown);
  let [right, chosen] = ["heat", null];

  const lay = (side, name) => {
    const layer = sides[side];
    layer.setAttribute("visibility", name === "input" ? "hidden" : "visible");
    if (name === "input") return;
    layer.setAttribute("href", `/v1/inspections/${id}/${FILES[name]}.png`);
    layer.setAttribute("opacity", opacities[name] / 100);
    for (const key of ["x", "y", "width", "height"]) layer.setAttribute(key, view[key]);
  };
  const draw = () => {
    for (const button of findAll("[data-right]", holder)) button.setAttribute("aria-pressed", String(button.dataset.right === right));
    for (const legend of findAll("[data-legend]", holder)) legend.hidden = ![right, Number(swipe.value) ? left.value : right].includes(legend.dataset.legend);
    opacity.value = opacities[right];
    opacity.disabled = right === "input";
    lay("right", right);
    lay("left", left.value);
  };
  const cut = () => {
    const x = (width * Number(swipe.value)) / 100;
    find("#swiped rect", picture).setAttribute("x", x);
    find("#unswiped rect", picture).setAttribute("width", x);
    for (const line of edge.children) for (const end of ["x1", "x2"]) line.setAttribute(end, x);
    edge.setAttribute("visibility", x > 0 ? "visible" : "hidden");
  };
  const swipeTo = (percent) => {
    swipe.value = percent;
    cut();
    draw();
  };
  const choose = (number) => {
    chosen = number === chosen ? null : number;
    for (const one of findAll("[data-region]", holder)) {
      const is = one.dataset.region === chosen;
      if (one.localName === "button") one.setAttribute("aria-pressed", String(is));
      else one.classList.toggle("chosen", is);
    }
    if (chosen === null) shown.fit();
    else shown.showRegion(regions[chosen]);
  };
  const shown = zooming(holder, (target) => target.dataset?.region !== undefined && rows.length && choose(target.dataset.region));

  for (const button of findAll("[data-right]", holder)) {
    button.addEventListener("click", () => {
      right = button.dataset.right;
      draw();
    });
  }
  left.addEventListener("change", () => swipeTo(Number(swipe.value) || 50));
  swipe.addEventListener("input", () => swipeTo(swipe.value));
  opacity.addEventListener("input", () => {
    opacities[right] = Number(opacity.value);
    draw();
  });
  edge.addEventListener("pointerdown", (event) => edge.setPointerCapture(event.pointerId));
  edge.addEventListener("pointermove", (event) => {
    if (event.buttons) swipeTo(Math.min(99, Math.max(1, (100 * shown.place(event)[0]) / width)));
  });
  find("[data-boxes]", holder).addEventListener("change", (event) => holder.classList.toggle("no-boxes", !event.target.checked));
  for (const row of rows) row.addEventListener("click", () => choose(row.dataset.region));
  draw();

  /** Shows another inspection, as the API gives it. */
  const show = (one) => {
    ({ id, regions } = one);
    const size = one.original_size;
    view = one.view ?? { x: 0, y: 0, ...size };
    width = size.width;
    const input = find("[data-layer=input]", picture);
    input.setAttribute("href", `/v1/inspections/${id}/original.png`);
    for (const key of ["width", "height"]) {
      for (const element of [input, find("#swiped rect", picture)]) element.setAttribute(key, size[key]);
    }
    for (const element of [find("#unswiped rect", picture)]) element.setAttribute("height", size.height);
    for (const line of edge.children) line.setAttribute("y2", size.height);
    find(".boxes", picture).replaceChildren(...regions.slice(0, 50).flatMap((region) =>
      ["outer", "inner"].map((layer) => {
        const rect = document.createElementNS(SVG, "rect");
        rect.setAttribute("class", layer);
        for (const key of ["x", "y", "width", "height"]) rect.setAttribute(key, region[key]);
        return rect;
      })));
    shown.resize(size);
    cut();
    draw();
  };
  return { show };
};
