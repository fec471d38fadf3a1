// A picture with its heat map: zoomed and moved by the part of it that is shown, compared by a line that is swiped over it.
import { find, findAll } from "./page.js";

const SVG = "http://www.w3.org/2000/svg";

export const stage = (holder) => {
  const port = find(".viewport", holder);
  const picture = find(".picture", holder);
  const [width, height] = [Number(picture.dataset.width), Number(picture.dataset.height)];
  const layers = Object.fromEntries(findAll("[data-layer]", picture).map((one) => [one.dataset.layer, one]));
  const opacity = find("[data-opacity]", holder);
  const swipe = find("[data-swipe]", holder);
  let [zoom, left, top] = [1, 0, 0];

  const draw = () => {
    left = Math.min(width - width / zoom, Math.max(0, left));
    top = Math.min(height - height / zoom, Math.max(0, top));
    picture.setAttribute("viewBox", `${left} ${top} ${width / zoom} ${height / zoom}`);
    find("[data-zoomed]", holder).textContent = `${Math.round(100 * zoom)} %`;
  };
  const zoomTo = (wanted, [x, y] = [0.5, 0.5]) => {
    const before = zoom;
    zoom = Math.min(64, Math.max(1, wanted));
    left += (x * width) / before - (x * width) / zoom;
    top += (y * height) / before - (y * height) / zoom;
    draw();
  };
  const move = (right, down) => {
    left += (right * width) / zoom;
    top += (down * height) / zoom;
    draw();
  };
  const compare = (name) => {
    for (const button of findAll("[data-compare]", holder)) {
      button.setAttribute("aria-pressed", String(button.dataset.compare === name));
    }
    for (const layer of ["rebuilt", "heat"]) layers[layer]?.setAttribute("visibility", layer === name ? "visible" : "hidden");
  };
  const cut = () => {
    const x = (width * Number(swipe.value)) / 100;
    const edge = find(".edge", picture);
    find("#swiped rect", picture).setAttribute("x", x);
    for (const end of ["x1", "x2"]) edge.setAttribute(end, x);
    edge.setAttribute("visibility", x > 0 ? "visible" : "hidden");
  };

  opacity.addEventListener("input", () => layers.heat.setAttribute("opacity", opacity.value / 100));
  swipe.addEventListener("input", cut);
  find("[data-boxes]", holder).addEventListener("change", (event) => holder.classList.toggle("no-boxes", !event.target.checked));
  for (const button of findAll("[data-compare]", holder)) button.addEventListener("click", () => compare(button.dataset.compare));
  for (const button of findAll("[data-zoom]", holder)) {
    button.addEventListener("click", () => zoomTo(Number(button.dataset.zoom) ? zoom * Number(button.dataset.zoom) : 1));
  }
  port.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const acts = {
      "+": () => zoomTo(zoom * 1.5), "-": () => zoomTo(zoom / 1.5), 0: () => zoomTo(1),
      ArrowLeft: () => move(-0.1, 0), ArrowRight: () => move(0.1, 0), ArrowUp: () => move(0, -0.1), ArrowDown: () => move(0, 0.1),
    };
    if (!acts[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    acts[event.key]();
  });
  port.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && document.activeElement !== port) return; // else the page could not be scrolled past it
    event.preventDefault();
    const box = picture.getBoundingClientRect();
    const at = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    zoomTo(zoom * (event.deltaY < 0 ? 1.2 : 1 / 1.2), at);
  }, { passive: false });
  port.addEventListener("pointerdown", (event) => port.setPointerCapture(event.pointerId));
  port.addEventListener("pointermove", (event) => {
    if (!event.buttons || zoom === 1) return;
    const box = picture.getBoundingClientRect();
    move(-event.movementX / box.width, -event.movementY / box.height);
  });

  /** Shows another inspection, as the API gives it. */
  const show = ({ id, size, view, regions, has_reconstruction: isRebuilt }) => {
    const place = { input: { x: 0, y: 0, ...size }, heat: view, rebuilt: view };
    for (const [name, layer] of Object.entries(layers)) {
      const file = { input: "original", heat: "map", rebuilt: "reconstruction" }[name];
      layer.setAttribute("href", name === "rebuilt" && !isRebuilt ? "" : `/v1/inspections/${id}/${file}.png`);
      for (const [key, value] of Object.entries(place[name])) layer.setAttribute(key, value);
    }
    find(".boxes", picture).replaceChildren(...regions.slice(0, 50).flatMap((region) =>
      ["outer", "inner"].map((layer) => {
        const rect = document.createElementNS(SVG, "rect");
        rect.setAttribute("class", layer);
        for (const key of ["x", "y", "width", "height"]) rect.setAttribute(key, region[key]);
        return rect;
      })));
  };
  return { show, zoomTo };
};
