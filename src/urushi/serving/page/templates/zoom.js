// The part of a picture that is shown: zoomed and moved by mouse, by touch and by keys, down to single pixels.
import { find, findAll } from "./page.js";

const LARGEST = 64; // screen pixels for one of the image
const STEP = 1.5;

/** `clicked` is told where on the picture something was clicked, not dragged. */
export const zooming = (holder, clicked) => {
  const port = find(".viewport", holder);
  const picture = find(".picture", holder);
  const [output, real] = [find("[data-zoomed]", holder), find("[data-zoom=real]", holder)];
  const down = new Map(); // pointers, by their ids
  let [width, height] = [Number(picture.dataset.width), Number(picture.dataset.height)];
  let [zoom, left, top] = [1, 0, 0];
  let moved = 0;

  const fitted = () => {
    const box = picture.getBoundingClientRect();
    return Math.min(box.width / width, box.height / height) || 1; // screen pixels for one of the image
  };
  const draw = () => {
    left = Math.min(width - width / zoom, Math.max(0, left));
    top = Math.min(height - height / zoom, Math.max(0, top));
    picture.setAttribute("viewBox", `${left} ${top} ${width / zoom} ${height / zoom}`);
    const scale = zoom * fitted();
    for (const text of findAll(".boxes text", picture)) {
      text.dataset.size ??= text.getAttribute("font-size");
      text.setAttribute("font-size", text.dataset.size / zoom); // as large as before
    }
    output.textContent = `${Math.round(100 * scale)} %`;
    real.disabled = fitted() >= 1; // it is larger than that already
    port.classList.toggle("zoomed", zoom > 1);
    picture.classList.toggle("pixels", scale >= 4);
  };
  const place = (event) => {
    const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(picture.getScreenCTM().inverse());
    return [x, y];
  };
  const zoomTo = (wanted, [x, y] = [left + width / zoom / 2, top + height / zoom / 2]) => {
    const before = zoom;
    zoom = Math.min(Math.max(1, LARGEST / fitted()), Math.max(1, wanted));
    [left, top] = [x - ((x - left) * before) / zoom, y - ((y - top) * before) / zoom];
    draw();
  };
  const move = (right, below) => {
    [left, top] = [left + right, top + below];
    draw();
  };
  /** Shows a region in the middle, with what is around it. */
  const showRegion = (region) => {
    zoom = Math.max(1, Math.min(width / region.width, height / region.height) / 4, 1);
    zoom = Math.min(zoom, Math.max(1, 8 / fitted()));
    left = region.x + region.width / 2 - width / zoom / 2;
    top = region.y + region.height / 2 - height / zoom / 2;
    draw();
  };
  const resize = (size) => {
    [width, height] = [size.width, size.height];
    [zoom, left, top] = [1, 0, 0];
    draw();
  };

  const ways = { in: () => zoomTo(zoom * STEP), out: () => zoomTo(zoom / STEP), fit: () => zoomTo(1), real: () => zoomTo(1 / fitted()) };
  for (const button of findAll("[data-zoom]", holder)) button.addEventListener("click", () => ways[button.dataset.zoom]());
  port.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const [across, along] = [width / zoom / 10, height / zoom / 10];
    const acts = {
      "+": ways.in, "-": ways.out, 0: ways.fit, 1: ways.real,
      ArrowLeft: () => move(-across, 0), ArrowRight: () => move(across, 0), ArrowUp: () => move(0, -along), ArrowDown: () => move(0, along),
    };
    if (!acts[event.key]) return;
    event.preventDefault();
    event.stopPropagation();
    acts[event.key]();
  });
  port.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && document.activeElement !== port) return; // else the page could not be scrolled past it
    event.preventDefault();
    zoomTo(zoom * (event.deltaY < 0 ? 1.2 : 1 / 1.2), place(event));
  }, { passive: false });
  port.addEventListener("dblclick", (event) => zoomTo(zoom > 1 ? 1 : 3, place(event)));

  const middle = () => {
    const all = [...down.values()];
    return { clientX: all.reduce((sum, one) => sum + one.clientX, 0) / all.length, clientY: all.reduce((sum, one) => sum + one.clientY, 0) / all.length };
  };
  const spread = () => {
    const [one, other] = [...down.values()];
    return other ? Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY) : 0;
  };
  const at = ({ clientX, clientY, target }) => ({ clientX, clientY, target });
  port.addEventListener("pointerdown", (event) => {
    if (event.target.closest("[data-handle]")) return;
    if (!down.size) moved = 0;
    down.set(event.pointerId, at(event));
    port.setPointerCapture(event.pointerId);
  });
  port.addEventListener("pointermove", (event) => {
    const before = down.get(event.pointerId);
    if (!before) return;
    const [from, apart] = [place(middle()), spread()];
    down.set(event.pointerId, { ...at(event), target: before.target });
    moved += Math.abs(event.clientX - before.clientX) + Math.abs(event.clientY - before.clientY);
    if (apart) zoomTo((zoom * spread()) / apart, from); // two fingers
    const to = place(middle());
    move(from[0] - to[0], from[1] - to[1]);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    port.addEventListener(end, (event) => {
      const last = down.get(event.pointerId);
      down.delete(event.pointerId);
      if (last && end === "pointerup" && moved < 5) clicked(last.target);
    });
  }
  new ResizeObserver(draw).observe(picture);
  return { place, resize, showRegion, fit: ways.fit };
};
